"""Legs of a book as one run over columns: fills, orders that are gone, positions that move, and the cash of these.

The legs of an account touch nobody else's rows, so those of accounts with a leg of another kind go row by row
(`actors.orders.moves`) and everybody else's here, whatever their order among each other.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.columns import among
from actors.ledger.position_rows import COST, LOTS, MARKET_BITS
from actors.legs import kernel
from actors.legs.kernel import run_legs
from actors.orders.book import OrderedBook

# Fewer legs than these are not worth the columns.
FEW_LEGS = 8
_MARKET_MASK = (1 << MARKET_BITS) - 1
# An order's number is its command's place in the block below the height.
COMMAND_BITS = 20

Int64Array = NDArray[np.int64]


class Run(NamedTuple):
    """What legs did, by the position they moved, ascending: `done` has a row of `kernel.DONE_COLUMNS` for each.

    missing: accounts in which an order was filled that has no row.
    """

    accounts: Int64Array
    markets: Int64Array
    lots: Int64Array
    cost_atoms: Int64Array
    done: Int64Array
    missing: Int64Array

    def total(self, column: int) -> int:
        """The sum of what was done to all positions, atoms."""
        return sum(self.done[:, column].tolist())


def split_legs(legs: Int64Array, kinds: Collection[int]) -> tuple[Int64Array, Int64Array]:
    """Places of the legs that go by columns and of those that go row by row, given the kinds columns can do."""
    accounts, is_known = legs[kernel.LEG_ACCOUNT], among(legs[kernel.LEG_KIND], kinds)
    by_rows = np.zeros(accounts.size, dtype=np.bool_)
    if not is_known.all():
        by_rows = np.isin(accounts, accounts[~is_known])
    return np.flatnonzero(~by_rows), np.flatnonzero(by_rows)


def run(book: OrderedBook, legs: Int64Array, tried_height: int = 0) -> Run:
    """Carries out legs that `split_legs` gave to the columns; never while staging. Cash is posted.

    tried_height: written where a ladder's order is gone; 0 outside the ladder.
    """
    assert not book.log.is_open, "legs are never staged"
    positions, orders = book.positions, book.orders
    keys, places = np.unique(legs[kernel.LEG_ACCOUNT] << MARKET_BITS | legs[kernel.LEG_MARKET], return_inverse=True)
    moves = np.zeros(keys.size, dtype=np.bool_)
    moves[places[legs[kernel.LEG_KIND] != kernel.GONE]] = True
    moved = keys[moves]
    positions.ensure_bulk(moved)
    slots, cells = positions.table.slots_of(keys), positions.table.whole()
    at = slots[moves]
    lots_before, cost_before = cells[LOTS, at], cells[COST, at]
    order_slots, rows = orders.slots_of(legs[kernel.LEG_ORDER]), orders.whole()
    markets = market_columns(book)
    done, fates = run_legs(legs, places, slots, order_slots, cells, rows, markets, positions.layout, tried_height)
    lots, cost = cells[LOTS, at], cells[COST, at]
    _add_totals(book, moved, lots_before, lots, cost - cost_before)
    orders.remove_bulk(legs[kernel.LEG_ORDER, fates == kernel.LEFT])
    tried = legs[kernel.LEG_ACCOUNT, fates == kernel.TRIED]
    book.money.add_many(tried)
    positions.drop_empty_bulk(keys)
    accounts, done = moved >> MARKET_BITS, done[moves]
    _post_cash(book, accounts, done)
    missing = legs[kernel.LEG_ACCOUNT, fates == kernel.MISSING]
    return Run(accounts, moved & _MARKET_MASK, lots, cost, done, missing)


def _add_totals(
    book: OrderedBook, keys: Int64Array, lots_before: Int64Array, lots: Int64Array, cost_grown: Int64Array
) -> None:
    """Tells the table by how much its open interest, its count of positions and their cost rose."""
    markets, at = np.unique(keys & _MARKET_MASK, return_inverse=True)
    longs, shorts = np.zeros_like(markets), np.zeros_like(markets)
    np.add.at(longs, at, np.maximum(lots, 0) - np.maximum(lots_before, 0))
    np.add.at(shorts, at, np.maximum(-lots, 0) - np.maximum(-lots_before, 0))
    opened = int(np.count_nonzero(lots)) - int(np.count_nonzero(lots_before))
    book.positions.moved_bulk(keys >> MARKET_BITS, markets, longs, shorts, opened, sum(cost_grown.tolist()))


def assert_known(book: OrderedBook, legs: Int64Array, own: NDArray[np.bool_] | bool = True) -> None:
    """No leg names an order of a later block; `own` are the orders that have rows at all."""
    late = legs[:, own & (legs[kernel.LEG_ORDER] >> COMMAND_BITS > book.height)]
    if late.size:
        order, account = late[kernel.LEG_ORDER, 0], late[kernel.LEG_ACCOUNT, 0]
        raise AssertionError(f"order {order} of account {account} is of a later block")


def _post_cash(book: OrderedBook, accounts: Int64Array, done: Int64Array) -> None:
    """What positions realised less what they paid is cash of their accounts, which ascend."""
    if accounts.size:
        first = np.flatnonzero(np.diff(accounts, prepend=-1))
        paid = done[:, kernel.FEE] + done[:, kernel.LIQUIDATION_FEE] + done[:, kernel.ACCRUED]
        book.accounts.post_bulk(accounts[first], np.add.reduceat(done[:, kernel.REALISED] - paid, first))


def free_of(book: OrderedBook, accounts: Int64Array) -> Int64Array:
    """The cash of these accounts, atoms."""
    slots = book.accounts.slots_of(accounts)
    free: Int64Array = book.accounts.table.column("free")[slots]
    return free


def market_columns(book: OrderedBook) -> Int64Array:
    """What a run knows of the venue's markets: mark, atoms a lot and tick, funding index, by the market's number."""
    columns = np.zeros((kernel.MARKET_COLUMNS, max(book.markets, default=0) + 1), dtype=np.int64)
    for market in book.markets:
        mark = book.marks.get(market)
        columns[kernel.QUOTE_ATOMS, market] = book.k(market)
        if mark:
            columns[kernel.MARK, market] = mark.mark_ticks
            columns[kernel.INDEX_E9, market] = mark.funding_index_e9
    return columns
