"""What the naive engine remembers: dicts and small dataclasses, one object an account, position, order, market."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from breakwater.v1 import commands_pb2, common_pb2, events_pb2, parameters_pb2, refusals_pb2

if TYPE_CHECKING:
    from tests.engine.margin.state import MarginVenue
    from tests.engine.perennial.state import PerennialVenue
    from tests.engine.spin.state import SpinVenue

R = refusals_pb2
DONE = common_pb2.OUTCOME_STATUS_DONE
FILLED = common_pb2.OUTCOME_STATUS_FILLED
LIQUIDATED = common_pb2.OUTCOME_STATUS_LIQUIDATED
REFUSED = common_pb2.OUTCOME_STATUS_REFUSED
RESTING = common_pb2.OUTCOME_STATUS_RESTING

MARKET = common_pb2.ORDER_KIND_MARKET
LIMIT = common_pb2.ORDER_KIND_LIMIT
STOP_LOSS = common_pb2.ORDER_KIND_STOP_LOSS
TAKE_PROFIT = common_pb2.ORDER_KIND_TAKE_PROFIT

NONE = common_pb2.MARK_STATE_NONE
FRESH = common_pb2.MARK_STATE_FRESH
STALE = common_pb2.MARK_STATE_STALE
HALTED = common_pb2.MARK_STATE_HALTED
TRIPPED = common_pb2.MARK_STATE_TRIPPED

PAYOUT = events_pb2.LEG_KIND_PAYOUT
CLAIM = events_pb2.LEG_KIND_CLAIM
REDEMPTION = events_pb2.LEG_KIND_REDEMPTION
MINTED = events_pb2.LEG_KIND_MINTED
RELEASE = events_pb2.LEG_KIND_RELEASE
OPENED = events_pb2.LEG_KIND_OPENED

MarketKey = tuple[int, int]
AccountKey = tuple[int, int]


@dataclass(frozen=True)
class Refusal:
    """Why something may not happen, with the two numbers that decided."""

    code: int
    required: int
    actual: int


@dataclass
class Account:
    """One account of a venue; the margin of its positions is in the positions."""

    venue: int
    number: int
    frozen: bool = False
    free: int = 0
    held: int = 0
    deposited: int = 0
    withdrawn: int = 0
    withdrawals: dict[int, int] = field(default_factory=dict)


@dataclass
class Position:
    """An isolated position; `levels` holds the ticks of its exits by order kind."""

    number: int
    venue: int
    market: int
    account: int
    side: int
    entry_ticks: int
    entry_value: int
    size: int
    initial_margin: int
    margin_held: int
    leverage: int
    levels: dict[int, int] = field(default_factory=dict)


@dataclass
class Order:
    """A limit open that rests; its margin is held."""

    number: int
    venue: int
    market: int
    account: int
    side: int
    margin: int
    leverage: int
    limit_ticks: int


@dataclass
class Leg:
    """One posting a desk owes an account; settled first in the next block."""

    rank: int
    command: int
    leg: int
    venue: int
    account: int
    kind: int
    free: int = 0
    held: int = 0
    margin: int = 0
    reference: int = 0
    position: Position | None = None


@dataclass
class Feed:
    """What the oracle knows of one market."""

    seen_ms: int
    sources: dict[int, tuple[int, int]] = field(default_factory=dict)
    mark_ticks: int = 0
    version: int = 0
    published_ms: int = 0
    taken_ms: int = 0
    state: int = NONE
    tripped_until_ms: int = 0
    window_ms: int = 0
    reference_ticks: int = 0


@dataclass
class Totals:
    """Sums over the open positions of one market."""

    long_size: int = 0
    short_size: int = 0
    long_entry: int = 0
    short_entry: int = 0
    positions: int = 0

    def add(self, side: int, size: int, entry_value: int, sign: int) -> None:
        if side > 0:
            self.long_size += sign * size
            self.long_entry += sign * entry_value
        else:
            self.short_size += sign * size
            self.short_entry += sign * entry_value
        self.positions += sign


@dataclass
class Claim:
    """Profit the pool could not pay (TW-15a)."""

    account: int
    position: int
    amount: int


@dataclass
class Pool:
    """The desk of a Twilight venue."""

    nav: int = 0
    shortfall: int = 0
    margin: int = 0
    deficit: int = 0
    fees: int = 0
    funding: int = 0
    shares: dict[int, int] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    totals: dict[int, Totals] = field(default_factory=dict)
    published: Any = field(default_factory=events_pb2.PoolUpdated)

    @property
    def total_shares(self) -> int:
        return sum(self.shares.values())

    @property
    def claimed(self) -> int:
        return sum(claim.amount for claim in self.claims)


@dataclass
class State:
    """Everything between two blocks."""

    venues: dict[int, parameters_pb2.VenueParameters] = field(default_factory=dict)
    markets: dict[MarketKey, parameters_pb2.MarketParameters] = field(default_factory=dict)
    next_account: dict[int, int] = field(default_factory=dict)
    keys: dict[tuple[int, bytes], tuple[int, int]] = field(default_factory=dict)
    deposited: dict[int, int] = field(default_factory=dict)
    deadlines: dict[AccountKey, int] = field(default_factory=dict)
    raises: dict[int, tuple[int, int]] = field(default_factory=dict)
    validated_height: int | None = None
    feeds: dict[MarketKey, Feed] = field(default_factory=dict)
    rates: dict[MarketKey, int] = field(default_factory=dict)
    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    orders: dict[int, Order] = field(default_factory=dict)
    pools: dict[int, Pool] = field(default_factory=dict)
    outbox: list[Leg] = field(default_factory=list)
    # Margin Trade: its venues, feeds of their markets, the tops of books after the last blocks.
    margin: dict[int, "MarginVenue"] = field(default_factory=dict)
    book_feeds: dict[MarketKey, Any] = field(default_factory=dict)
    tops: dict[MarketKey, tuple[int, int, int, int, int]] = field(default_factory=dict)
    tops_before: dict[MarketKey, tuple[int, int, int, int, int]] = field(default_factory=dict)
    root_second: int = -1
    # Spin and Perennial: their venues, margins of their markets that wait for their notice, owners of subaccounts.
    spin: dict[int, "SpinVenue"] = field(default_factory=dict)
    perennial: dict[int, "PerennialVenue"] = field(default_factory=dict)
    raised_margins: dict[MarketKey, tuple[int, list[int]]] = field(default_factory=dict)
    owners: dict[AccountKey, int] = field(default_factory=dict)

    def owner_of(self, venue: int, account: int) -> int:
        """Whose account it is; one that is nobody's subaccount is its own."""
        return self.owners.get((venue, account), account)


@dataclass(frozen=True)
class Command:
    """One row of a batch with its index in the block."""

    index: int
    venue: int
    body: str
    values: dict[str, int]

    def __getitem__(self, column: str) -> int:
        return self.values[column]

    @property
    def account(self) -> int:
        return self.values.get("account", self.values.get("owner", 0))


Outcome = tuple[int, int, int, int, int, int, int, int, int]
"""status, refusal, required, actual, reference, price_ticks, amount_atoms, filled_lots, remaining_lots."""


@dataclass
class Block:
    """One block in the making: what came in, what was said so far."""

    input: commands_pb2.BlockInput
    voided: frozenset[int] = frozenset()
    events: list[tuple[tuple[int, int, int, int], events_pb2.Event]] = field(default_factory=list)
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    routed: dict[str, list[Command]] = field(default_factory=dict)
    marks: dict[MarketKey, common_pb2.Mark] = field(default_factory=dict)
    cancel_all: list[AccountKey] = field(default_factory=list)
    funding: list[tuple[MarketKey, int]] = field(default_factory=list)
    seizures: list[Position] = field(default_factory=list)
    deficits: dict[int, int] = field(default_factory=dict)
    closes: list["Close"] = field(default_factory=list)
    opens: list["Open"] = field(default_factory=list)

    @property
    def height(self) -> int:
        return self.input.height

    @property
    def time_ms(self) -> int:
        return self.input.block_time_ms

    def of(self, body: str) -> list[Command]:
        return self.routed.get(body, [])

    def number(self, command: Command) -> int:
        """What numbers an order, its position and a withdrawal."""
        return self.height << 20 | command.index

    def say(self, key: tuple[int, int, int, int], venue: int, market: int, account: int, **body: Any) -> None:
        self.events.append((key, events_pb2.Event(venue=venue, market=market, account=account, **body)))

    def answer(
        self,
        command: Command,
        status: int,
        reference: int = 0,
        price_ticks: int = 0,
        amount: int = 0,
        filled: int = 0,
        remaining: int = 0,
    ) -> None:
        assert command.index not in self.outcomes, f"command {command.index} is answered twice"
        self.outcomes[command.index] = (status, 0, 0, 0, reference, price_ticks, amount, filled, remaining)

    def refuse(self, key: tuple[int, int, int, int], command: Command, why: Refusal, market: int = 0) -> None:
        assert command.index not in self.outcomes, f"command {command.index} is answered twice"
        self.outcomes[command.index] = (REFUSED, why.code, why.required, why.actual, 0, 0, 0, 0, 0)
        refused = events_pb2.CommandRefused(
            command=command.index,
            refusal=why.code,
            required=why.required,
            actual=why.actual,
        )
        self.say(key, command.venue, market, max(0, command.account), command_refused=refused)


@dataclass
class Close:
    """An exit on its way to the desk; `command` is None for a trigger."""

    position: Position
    kind: int
    level_ticks: int
    command: Command | None
    upnl: int
    fee: int
    payment: int
    payout: int
    liquidated: bool
    deficit: int


@dataclass
class Open:
    """An open on its way to the desk; `command` is None for an order that rested."""

    order: Order
    kind: int
    level_ticks: int
    command: Command | None
    fee_rate_e9: int


Phase = Callable[[State, Block], None]


def usable(mark: common_pb2.Mark) -> bool:
    return mark.state in (FRESH, STALE)


def stamp(mark: common_pb2.Mark) -> events_pb2.MarkStamp:
    return events_pb2.MarkStamp(mark_ticks=mark.mark_ticks, version=mark.version, age_ms=mark.age_ms)


def market_refusal(state: State, mark: common_pb2.Mark) -> Refusal | None:
    """Why nothing trades in the market now, if so."""
    if mark.state == NONE:
        return Refusal(R.REFUSAL_NO_MARK, 1, 0)
    if mark.state == HALTED:
        market = state.markets[mark.venue, mark.market]
        allowed = 0 if market.halted else market.oracle.halt_age_ms
        return Refusal(R.REFUSAL_MARKET_HALTED, allowed, mark.age_ms)
    if mark.state == TRIPPED:
        return Refusal(R.REFUSAL_MARKET_TRIPPED, 0, mark.age_ms)
    return None
