"""What the naive engine remembers of a Perennial venue: rows of accounts, and one market object a desk."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from actors.risk.perennial_terms import market_rules, protocol_rules, risk_rules
from actors.rulebooks.perennial import MarketRules, ProtocolRules, RiskRules, Totals
from breakwater.v1 import batches_pb2
from tests.engine.state import AccountKey, Block, State, usable

SIDES = 3
MAKER, LONG, SHORT = 1, 2, 3
NOTHING = Totals(0, 0, 0)
PPM = 10**6


@dataclass
class Row:
    """An account in a market; `kind` 0 is no position, `basis` its side's value when it was realised last."""

    collateral: int = 0
    kind: int = 0
    lots: int = 0
    basis: int = 0

    @property
    def sizes(self) -> Totals:
        return Totals(*(self.lots if self.kind == side else 0 for side in (MAKER, LONG, SHORT)))

    def earned_e6(self, values: tuple[int, int, int]) -> int:
        """What its side's value came to since the basis, in 1e-6 atoms."""
        return self.lots * (values[self.kind - 1] - self.basis) if self.kind else 0


@dataclass
class Pinned:
    """An order that waits for its version."""

    account: int
    version_ms: int
    sizes: Totals
    fee: int
    settlement_fee: int
    is_liquidation: bool

    @property
    def fees(self) -> int:
        return self.fee + self.settlement_fee


class Record(NamedTuple):
    """The last version as shards know it."""

    version_ms: int = 0
    price: int = 0
    values: tuple[int, int, int] = (0, 0, 0)


class VersionLeg(NamedTuple):
    """One posting of a desk, in the columns that its kind reads."""

    rank: int
    command: int
    market: int
    leg: int
    account: int
    kind: int
    collateral: int = 0
    free: int = 0
    held: int = 0
    counterparty: int = 0
    version_ms: int = 0
    sizes: Totals = NOTHING
    values: tuple[int, int, int] = (0, 0, 0)
    fee: int = 0
    settlement_fee: int = 0
    flags: int = 0


@dataclass
class Market:
    """What the desk of a market knows."""

    settled_ms: int = 0
    valid_ms: int = 0
    price: int = 0
    values: tuple[int, int, int] = (0, 0, 0)
    rate: int = 0
    skew: int = 0
    sizes: dict[int, Totals] = field(default_factory=dict)
    pinned: list[Pinned] = field(default_factory=list)
    balance: int = 0
    fees: list[int] = field(default_factory=lambda: [0, 0, 0, 0])
    dust_e6: int = 0
    debts: dict[int, int] = field(default_factory=dict)

    def size_of(self, account: int) -> Totals:
        return self.sizes.get(account, NOTHING)

    @property
    def totals(self) -> Totals:
        return added(self.sizes.values())

    @property
    def pending_totals(self) -> Totals:
        """As if everybody's last order had settled."""
        last = dict(self.sizes)
        for order in sorted(self.pinned, key=lambda order: order.version_ms):
            last[order.account] = order.sizes
        return added(last.values())

    def of(self, account: int) -> list[Pinned]:
        """The account's orders by version."""
        return sorted((order for order in self.pinned if order.account == account), key=lambda order: order.version_ms)

    def last_sizes(self, account: int) -> Totals:
        mine = self.of(account)
        return mine[-1].sizes if mine else self.size_of(account)

    def locked_ms(self, account: int) -> int:
        return next((order.version_ms for order in self.of(account) if order.is_liquidation), 0)

    def fees_of(self, account: int) -> int:
        return sum(order.fees for order in self.of(account))

    @property
    def requested(self) -> list[int]:
        return sorted({order.version_ms for order in self.pinned})

    @property
    def record(self) -> Record:
        return Record(self.settled_ms, self.price, self.values)


def added(sizes: Any) -> Totals:
    """The sum side by side."""
    return Totals(*(sum(one[side] for one in sizes) for side in range(SIDES)))


@dataclass
class PerennialVenue:
    """Everything of a venue between two blocks but its balances, which are among the accounts of all venues."""

    venue: int
    rows: dict[AccountKey, Row] = field(default_factory=dict)
    records: dict[int, Record] = field(default_factory=dict)
    dust_e6: dict[int, int] = field(default_factory=dict)
    markets: dict[int, Market] = field(default_factory=dict)
    outbox: list[VersionLeg] = field(default_factory=list)
    raised: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    # Of the block under way: what shards tell the desks.
    ops: list["Op"] = field(default_factory=list)
    debts: list[tuple[int, int, int]] = field(default_factory=list)

    def row(self, account: int, market: int) -> Row:
        return self.rows.setdefault((account, market), Row())

    def standing(self, account: int, market: int) -> int:
        """Collateral at the record, floored."""
        row, record = self.rows.get((account, market), Row()), self.records.get(market, Record())
        return row.collateral + row.earned_e6(record.values) // PPM

    def drop_empty_rows(self) -> None:
        """A row with nothing in it is no row."""
        self.rows = {key: row for key, row in self.rows.items() if row.lots or row.collateral}


@dataclass
class Op:
    """What a shard sends a desk: one command of the block."""

    rank: int
    index: int
    market: int
    account: int
    command: Any
    sizes: Totals
    standing: int


class VersionSight:
    """A venue with its parameters at hand."""

    def __init__(self, state: State, block: Block, venue: int) -> None:
        self.state = state
        self.block = block
        self.venue = venue
        self.own: PerennialVenue = state.perennial[venue]
        self.terms = state.venues[venue]
        self.exact = self.terms.perennial.v2_exact
        self.parameters = {number: held for (owner, number), held in sorted(state.markets.items()) if owner == venue}

    def account(self, number: int) -> Any:
        return self.state.accounts[self.venue, number]

    def accounts(self) -> list[int]:
        return sorted(number for venue, number in self.state.accounts if venue == self.venue)

    def risk(self, market: int) -> RiskRules:
        return risk_rules(self.parameters[market].perennial)

    def rules(self, market: int) -> MarketRules:
        return market_rules(self.parameters[market].perennial)

    @property
    def protocol(self) -> ProtocolRules:
        return protocol_rules(self.terms.perennial)

    def market(self, number: int) -> Market:
        return self.own.markets.setdefault(number, Market())

    def published_ms(self, market: int) -> int:
        """When the mark's newest source published, -1 where the mark may not be used."""
        mark = self.block.marks[self.venue, market]
        return mark.published_ms if usable(mark) else -1

    def say(self, key: tuple[int, int, int, int], account: int, market: int = 0, **body: Any) -> None:
        self.block.say(key, self.venue, market, account, **body)


def version_sights(state: State, block: Block) -> list[VersionSight]:
    """All Perennial venues, by number."""
    return [VersionSight(state, block, venue) for venue in sorted(state.perennial)]


KINDS = batches_pb2
