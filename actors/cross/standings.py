"""What accounts are worth and require, many at once: the ladder's second look, the scan and the deleveraging ranks.

By the kernel over columns, or by the scalar rulebook where liquidations go by row; both give the same
numbers. An account's own resting orders and holds have no part in it: the ladder is decided on equity and maintenance
margin alone (MT-11).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actors.cross.book import CrossBook
from actors.cross.holds import margin_terms
from actors.ledger.row_chains import rows_of_owners
from actors.risk.cross_scan import (
    Int64Array,
    MarketAtMark,
    MarketColumns,
    PositionColumns,
    maintenance_ceil_atoms,
    notionals_atoms,
    standing_of,
)
from actors.rulebooks import margin_trade


class Holding(NamedTuple):
    """One position at the mark, atoms unsigned."""

    market: int
    lots: int
    notional_atoms: int
    maintenance_atoms: int


class Standing(NamedTuple):
    """An account at the marks in force: equity exact, maintenance margin rounded up, positions in market order."""

    equity_atoms: int
    maintenance_atoms: int
    holdings: list[Holding]


def standings(book: CrossBook, accounts: Sequence[int]) -> list[Standing]:
    """The standing of each of these accounts, in their order; an account is named once."""
    if book.way.liquidates_by_row:
        return [_scalar_standing(book, account) for account in accounts]
    if not accounts:
        return []
    at = book.accounts.slots_of(np.array(accounts, dtype=np.int64))
    positions, markets = _positions_of(book, at), columns_of_markets(book)
    sums = standing_of(book.accounts.table.column("free")[at], positions, markets)
    columns = (positions.market, positions.lots, notionals_atoms(positions, markets))
    cells = zip(*(column.tolist() for column in (*columns, maintenance_ceil_atoms(positions, markets))), strict=True)
    holdings = list(map(Holding._make, cells))
    counts = sums.positions
    begins = (np.cumsum(counts) - counts).tolist()
    held = [holdings[begin : begin + count] for begin, count in zip(begins, counts.tolist(), strict=True)]
    return list(map(Standing, sums.equity_atoms.tolist(), sums.maintenance_atoms.tolist(), held))


def _positions_of(book: CrossBook, at: Int64Array) -> PositionColumns:
    """The positions of accounts in these slots by (account, market), `owner` being the place in `at`."""
    counts, rows = position_rows_of(book, at)
    return position_columns(book).rows(rows)._replace(owner=np.repeat(np.arange(at.size, dtype=np.int64), counts))


def _scalar_standing(book: CrossBook, account: int) -> Standing:
    equity, maintenance, holdings = book.accounts.free(account), 0, []
    for market in book.positions.of_account(account):
        row = book.positions.read(account, market)
        if row.lots == 0:
            continue
        mark, k = book.mark_ticks(market), book.k(market)
        upnl = margin_trade.upnl_atoms(row.lots, row.cost, mark, k)
        notional = margin_trade.notional_atoms(row.lots, mark, k)
        required = margin_trade.maintenance_margin_ceil_atoms(notional, book.tiers[market])
        equity += upnl if upnl < 0 or book.is_usable(market) else 0
        maintenance += required
        holdings.append(Holding(market, row.lots, notional, required))
    return Standing(equity, maintenance, holdings)


def position_rows_of(book: CrossBook, at: Int64Array) -> tuple[Int64Array, Int64Array]:
    """How many positions with lots accounts in these slots have, and the slots of all, by (account, market)."""
    table = book.positions.table
    counts, rows = rows_of_owners(book.positions.chains(), table.index.arrays.keys, at)
    held = table.column("lots")[rows] != 0
    owner = np.repeat(np.arange(at.size, dtype=np.int64), counts)
    return np.bincount(owner[held], minlength=at.size), rows[held]


def position_columns(book: CrossBook) -> PositionColumns:
    """All positions of the book; views that the next new row may leave behind."""
    table = book.positions.table
    made = table.slots_made
    return PositionColumns(*(table.column(name)[:made] for name in ("owner_slot", "market", "lots", "cost")))


def columns_of_markets(book: CrossBook) -> MarketColumns:
    """The markets at their marks, as kernels read them."""
    listed = {}
    for market in sorted(book.markets):
        ticks, k, tiers, _, _, usable = margin_terms(book, market)
        listed[market] = MarketAtMark(ticks, k, usable, tiers)
    return book.zones.columns_of(listed)
