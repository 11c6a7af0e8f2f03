"""What the naive engine remembers of a Margin Trade venue, one object a thing."""

from dataclasses import dataclass, field, replace
from typing import Any

from breakwater.v1 import batches_pb2, events_pb2
from tests.actors.matching.naive import NaiveBook
from tests.engine.state import AccountKey, Block, MarketKey, State, usable

VAULT = 0
LADDER_BIT = 1 << 19
POST_ONLY, REDUCE_ONLY, MARKET_FLAG, LADDER_FLAG, UNWINDING_FLAG = 1, 2, 4, 8, 16
CANCELS, UNWINDING, LADDER, TRIGGERS, COMMANDS = range(5)
PLACE = batches_pb2.ORDER_OP_KIND_PLACE
CANCEL = batches_pb2.ORDER_OP_KIND_CANCEL
AMEND = batches_pb2.ORDER_OP_KIND_AMEND

Op = dict[str, int]
Caps = dict[MarketKey, tuple[int, int]]
"""(market, account) -> (lots, whether the account fails margin)."""


@dataclass
class BookOrder:
    """An order or a trigger as its account's shard knows it; trigger 0 rests at the book."""

    number: int
    account: int
    market: int
    side: int
    limit: int
    size: int
    remaining: int
    time_in_force: int
    flags: int
    self_trade: int
    client_id: int
    trigger: int = 0
    trigger_ticks: int = 0

    @property
    def rests(self) -> bool:
        return self.trigger == 0

    @property
    def reduces_only(self) -> bool:
        return bool(self.flags & REDUCE_ONLY)

    @property
    def is_market(self) -> bool:
        return bool(self.flags & MARKET_FLAG)

    def but(self, **changes: int) -> "BookOrder":
        return replace(self, **changes)


@dataclass
class Held:
    """A position: signed lots and what they cost."""

    lots: int = 0
    cost: int = 0


@dataclass
class Memory:
    """What the ladder remembers of an account (MT-12)."""

    cooldown_until_ms: int = 0
    kept_equity: int = 0
    kept_maintenance: int = 0
    acted_height: int = 0
    acted_rung: int = 0
    waiting: bool = False
    sent: bool = False
    filled: bool = False


@dataclass
class CrossLeg:
    """One posting owed to an account; `order` 0 is none of the account's."""

    rank: int
    command: int
    market: int
    leg: int
    account: int
    kind: int
    order: int = 0
    lots: int = 0
    quote: int = 0
    fee: int = 0
    liquidation_fee: int = 0
    amount: int = 0
    reference: int = 0


@dataclass
class Book:
    """An order book, its trades so far, and its top as its last call left it."""

    matching: NaiveBook = field(default_factory=NaiveBook)
    trades: int = 0
    top: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    called: bool = False


@dataclass
class Backstop:
    """The venue's money beside its vault. `shares` are lots of (block time that frees them, micro-shares)."""

    fees: int = 0
    fund: int = 0
    shortfall: int = 0
    deposited: int = 0
    high: int = 0
    shares: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    vault: Any = field(default_factory=batches_pb2.VaultState)
    dues: dict[int, int] = field(default_factory=dict)
    marks: dict[int, int] = field(default_factory=dict)
    published: Any = field(default_factory=events_pb2.VaultUpdated)

    @property
    def total_shares(self) -> int:
        return sum(self.of(account) for account in self.shares)

    def of(self, account: int) -> int:
        return sum(amount for _, amount in self.shares.get(account, []))

    def owe(self, kind: int, amount: int) -> None:
        self.dues[kind] = self.dues.get(kind, 0) + amount


@dataclass
class MarginVenue:
    """Everything of a venue between two blocks but its accounts, which are among those of all venues."""

    venue: int
    positions: dict[AccountKey, Held] = field(default_factory=dict)
    leverages: dict[AccountKey, int] = field(default_factory=dict)
    orders: dict[int, BookOrder] = field(default_factory=dict)
    ladder: dict[int, Memory] = field(default_factory=dict)
    tried: dict[AccountKey, int] = field(default_factory=dict)
    unwound_ms: dict[int, int] = field(default_factory=dict)
    books: dict[int, Book] = field(default_factory=dict)
    backstop: Backstop = field(default_factory=Backstop)
    outbox: list[CrossLeg] = field(default_factory=list)
    raised_tiers: dict[int, tuple[int, Any]] = field(default_factory=dict)
    # Of the block under way: work for the books, what they must know of accounts, LP moves and deposits admitted.
    ops: list[Op] = field(default_factory=list)
    caps: Caps = field(default_factory=dict)
    added_caps: Caps = field(default_factory=dict)

    def memory(self, account: int) -> Memory:
        return self.ladder.setdefault(account, Memory())

    def orders_of(self, account: int) -> list[BookOrder]:
        """Orders and triggers, by number."""
        return [order for _, order in sorted(self.orders.items()) if order.account == account]


class Sight:
    """A venue with its parameters and marks at hand: what every phase works with."""

    def __init__(self, state: State, block: Block, venue: int) -> None:
        self.state = state
        self.block = block
        self.venue = venue
        self.own: MarginVenue = state.margin[venue]
        self.terms = state.venues[venue]
        self.rules = self.terms.margin_trade
        self.markets = {market: terms for (owner, market), terms in sorted(state.markets.items()) if owner == venue}

    def k(self, market: int) -> int:
        return self.markets[market].margin_trade.quote_atoms_per_tick_lot

    def mark(self, market: int) -> int:
        return self.block.marks[self.venue, market].mark_ticks

    def usable(self, market: int) -> bool:
        return usable(self.block.marks[self.venue, market])

    def account(self, number: int) -> Any:
        return self.state.accounts[self.venue, number]

    def accounts(self) -> list[int]:
        return sorted(number for venue, number in self.state.accounts if venue == self.venue)

    def lots(self, account: int, market: int) -> int:
        held = self.own.positions.get((account, market))
        return held.lots if held else 0

    def held(self, account: int) -> list[tuple[int, Held]]:
        """(market, position) of the account's positions, in market order."""
        mine = [(key[1], held) for key, held in self.own.positions.items() if key[0] == account and held.lots]
        return sorted(mine, key=lambda one: one[0])

    def leverage(self, account: int, market: int) -> int:
        return self.own.leverages.get((account, market)) or self.markets[market].margin_trade.tiers[0].max_leverage

    def say(self, key: tuple[int, int, int, int], account: int, market: int = 0, **body: Any) -> None:
        self.block.say(key, self.venue, market, account, **body)


def sights(state: State, block: Block) -> list[Sight]:
    """All Margin Trade venues, by number."""
    return [Sight(state, block, venue) for venue in sorted(state.margin)]
