"""Positions of a Margin Trade venue on one shard: the row, and what its orders add to the sums holds are read from."""

from typing import NamedTuple

from actors.ledger.account_marks import Marks
from actors.ledger.position_rows import MARKET_BITS, PositionRows
from actors.ledger.table import StagingLog, Table

# What a snapshot keeps of a row: account, market, lots, cost, leverage.
KEPT_COLUMNS = 5
# Places of cells in a row.
_BUYS, _SELLS, _RESTING = 5, 8, 11


class CrossPosition(NamedTuple):
    """One row. lots and cost are signed: a long paid its cost, a short received it; leverage 0 is not chosen.

    Sums over live resting orders that are not reduce-only, a side: lots, value (lots * limit * k) and adverse (what
    filling at the limits would lose at the mark, MT-02). resting counts live resting orders, reduce_only those of them
    that are reduce-only. tried_height: block in which the ladder's order here was not filled whole. owner_slot: slot of
    the account's row.
    """

    account: int
    market: int
    lots: int = 0
    cost: int = 0
    leverage: int = 0
    buy_lots: int = 0
    buy_value: int = 0
    buy_adverse: int = 0
    sell_lots: int = 0
    sell_value: int = 0
    sell_adverse: int = 0
    resting: int = 0
    reduce_only: int = 0
    tried_height: int = 0
    owner_slot: int = 0


class CrossPositions(PositionRows[CrossPosition]):
    """There while lots are open, an order rests or a leverage is chosen."""

    def __init__(self, log: StagingLog, marks: Marks, accounts: Table) -> None:
        super().__init__(CrossPosition, ("lots", "resting", "leverage"), KEPT_COLUMNS, log, marks, accounts)

    def add_to_sums(self, account: int, market: int, side: int, lots: int, value: int, adverse: int, step: int) -> None:
        """Adds to the sums of a side of a row that is there, and `step` to its resting orders.

        Neither equity nor the digest knows of sums: the orders touch their account.
        """
        row = self.table.changing(account << MARKET_BITS | market)
        first = _BUYS if side > 0 else _SELLS
        row[first] += lots
        row[first + 1] += value
        row[first + 2] += adverse
        row[_RESTING] += step
