"""What the naive engine remembers of a Spin venue; orders and books are those of Margin Trade."""

from dataclasses import dataclass, field
from typing import Any

from actors.units import E9
from breakwater.v1 import parameters_pb2
from tests.engine.margin.state import Book, BookOrder, Caps, CrossLeg, Op, Sight
from tests.engine.state import AccountKey, Block, State


@dataclass
class Mids:
    """The samples of an epoch, and the cumulative index in 1e-9 ticks (SP-11)."""

    samples: list[int] = field(default_factory=list)
    next_ms: int = 0
    index_e9: int = 0


@dataclass
class Holding:
    """A position: signed lots, what they cost, and the funding index it has paid up to."""

    lots: int = 0
    cost: int = 0
    basis: int = 0


@dataclass(frozen=True)
class Reservation:
    """Lots a liquidator may have to take over, until the command's leg is back."""

    account: int
    market: int
    target: int
    lots: int


@dataclass(frozen=True)
class Claim:
    """What is claimed from the insurance fund, or paid into it."""

    command: int
    sequence: int
    account: int
    market: int
    kind: int
    amount: int
    counterparty: int


@dataclass
class Insurance:
    """The desk of the venue's money; the fund is deposits and shares less rewards and deficits."""

    fees: int = 0
    funding: int = 0
    deposited: int = 0
    shares: int = 0
    rewards: int = 0
    deficits: int = 0
    shortfall: int = 0
    unpaid_rewards: int = 0

    @property
    def fund(self) -> int:
        return self.deposited + self.shares - self.rewards - self.deficits


@dataclass
class SpinVenue:
    """Everything of a venue between two blocks but cash, which is the free balance of its accounts."""

    venue: int
    positions: dict[AccountKey, Holding] = field(default_factory=dict)
    orders: dict[int, BookOrder] = field(default_factory=dict)
    reservations: dict[int, Reservation] = field(default_factory=dict)
    books: dict[int, Book] = field(default_factory=dict)
    mids: dict[int, Mids] = field(default_factory=dict)
    # The funding index as shards have it: that of the marks they took last.
    index_e9: dict[int, int] = field(default_factory=dict)
    insurance: Insurance = field(default_factory=Insurance)
    outbox: list[CrossLeg] = field(default_factory=list)
    # Of the block under way: work for the books, what they must know of accounts, who was liquidated, claims and dues.
    ops: list[Op] = field(default_factory=list)
    caps: Caps = field(default_factory=dict)
    added_caps: Caps = field(default_factory=dict)
    liquidated: dict[int, int] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    dues: dict[int, int] = field(default_factory=dict)
    shard_legs: list[CrossLeg] = field(default_factory=list)

    def owe(self, kind: int, amount: int) -> None:
        self.dues[kind] = self.dues.get(kind, 0) + amount

    def orders_of(self, account: int) -> list[BookOrder]:
        """Orders and triggers, by number."""
        return [order for _, order in sorted(self.orders.items()) if order.account == account]


class SpinSight(Sight):
    """A venue with its parameters and marks at hand."""

    own: Any

    def __init__(self, state: State, block: Block, venue: int) -> None:
        self.state = state
        self.block = block
        self.venue = venue
        self.own = state.spin[venue]
        self.terms = state.venues[venue]
        self.rules: Any = self.terms.spin
        self.markets = {market: terms for (owner, market), terms in sorted(state.markets.items()) if owner == venue}

    def rules_of(self, market: int) -> parameters_pb2.SpinMarket:
        return self.markets[market].spin

    def k(self, market: int) -> int:
        return self.rules_of(market).quote_atoms_per_tick_lot

    def ratio_e9(self, market: int) -> int:
        return self.rules_of(market).collateral_ratio_e9

    def index_e9(self, market: int) -> int:
        """The market's cumulative funding in 1e-9 ticks."""
        index_e9: int = self.own.index_e9.get(market, 0)
        return index_e9

    def accrued(self, account: int, market: int) -> int:
        """What the position owes since it last paid, ceil; below zero it is owed (SP-11)."""
        held = self.own.positions.get((account, market), Holding())
        return -(-held.lots * (self.index_e9(market) - held.basis) * self.k(market) // E9)


def spin_sights(state: State, block: Block) -> list[SpinSight]:
    """All Spin venues, by number."""
    return [SpinSight(state, block, venue) for venue in sorted(state.spin)]
