"""What the auditor keeps of one Perennial market: rows of accounts, orders that wait, what is owed to whom."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

from node.simulation.auditing.perennial_market import NOTHING, Sizes
from node.simulation.auditing.seen import MILLION


@dataclass
class Row:
    """An account in a market, on its shard: sizes, what a unit of their side was worth then, collateral."""

    sizes: Sizes = NOTHING
    basis_e6: int = 0
    collateral_atoms: int = 0

    def earned_atoms(self, values: tuple[int, int, int]) -> int:
        """Since it was realised last, rounded down."""
        side = next((one for one, lots in enumerate(self.sizes) if lots), None)
        return 0 if side is None else self.sizes[side] * (values[side] - self.basis_e6) // MILLION


@dataclass
class Order:
    """Pinned to a version."""

    sizes: Sizes
    fee_atoms: int
    settlement_fee_atoms: int
    is_liquidation: bool


class Owed(NamedTuple):
    """What reaches an account with the next block: an op's, or a version's with its `order`."""

    account: int
    collateral_atoms: int = 0
    cash_atoms: int = 0
    counterparty: int = 0
    is_change: bool = False
    version_ms: int = 0
    valid: bool = True
    order: Order | None = None
    values: tuple[int, int, int] = (0, 0, 0)
    # Of the command it comes of: shards take them in this order.
    command: int = 0


@dataclass
class Market:
    """What the desk knows, and what shards have been told of it."""

    values: tuple[int, int, int] = (0, 0, 0)
    shard_values: tuple[int, int, int] = (0, 0, 0)
    price_ticks: int = 0
    settled_ms: int = 0
    valid_ms: int = 0
    rate_ppm: int = 0
    skew_ppm: int = 0
    totals: Sizes = NOTHING
    balance_atoms: int = 0
    fees_atoms: int = 0
    settled: dict[int, Sizes] = field(default_factory=dict)
    pending: dict[int, dict[int, Order]] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    ops: list[Owed] = field(default_factory=list)
    versions: list[Owed] = field(default_factory=list)
    # Collateral that ops of the block under way moved.
    moved: Counter[int] = field(default_factory=Counter)

    def row(self, account: int) -> Row:
        """The account's row, empty where there is none."""
        return self.rows.setdefault(account, Row())

    def target(self, account: int) -> Sizes:
        """Its sizes with everything pending."""
        orders = self.pending.get(account)
        return orders[max(orders)].sizes if orders else self.settled.get(account, NOTHING)

    def targets(self) -> Sizes:
        """The market's sizes with everything pending."""
        accounts = self.settled.keys() | self.pending.keys()
        every = [self.target(one) for one in accounts]
        return Sizes(
            sum(one.makers for one in every), sum(one.longs for one in every), sum(one.shorts for one in every)
        )

    def locked_ms(self, account: int) -> int:
        """Until which version a liquidation locks the account, 0 none (PE-08)."""
        return max((at for at, order in self.pending.get(account, {}).items() if order.is_liquidation), default=0)

    def standing_atoms(self, account: int) -> int:
        """Collateral at the values shards have, with what ops of this block moved."""
        row = self.row(account)
        return row.collateral_atoms + row.earned_atoms(self.shard_values) + self.moved[account]

    def pending_fees_atoms(self, account: int) -> int:
        """Of everything that waits."""
        return sum(one.fee_atoms + one.settlement_fee_atoms for one in self.pending.get(account, {}).values())


def realise(row: Row, values: tuple[int, int, int]) -> int:
    """What the position earned becomes collateral."""
    earned = row.earned_atoms(values)
    row.collateral_atoms += earned
    side = next((one for one, lots in enumerate(row.sizes) if lots), None)
    row.basis_e6 = 0 if side is None else values[side]
    return earned
