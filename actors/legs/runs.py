"""Legs of a book as one run over columns: fills, orders that are gone, positions that move, and the cash of these.

The legs of an account touch nobody else's rows, so those of accounts with a leg of another kind go row by row
(`actors.orders.moves`) and everybody else's here, whatever their order among each other.
"""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.columns import among
from actors.ledger.order_columns import ACCOUNT, TRIGGER, drop_rows
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
    keys, moves, places = kernel.pairs_of(legs, kernel.rows_for(legs.shape[1]))
    moved, slots = keys[moves], positions.table.slots_of(keys)
    lacking = moves & (slots < 0)
    if lacking.any():
        slots[lacking] = positions.ensure_bulk(keys[lacking])
    at, cells = slots[moves], positions.table.whole()
    before = cells[LOTS : COST + 1, at]
    order_slots, rows, markets = orders.slots_of(legs[kernel.LEG_ORDER]), orders.whole(), market_columns(book)
    done = np.zeros((keys.size, kernel.DONE_COLUMNS), dtype=np.int64)
    fates = np.zeros(places.size, dtype=np.int64)
    layout = positions.layout
    run_legs(legs, places, slots, order_slots, cells, rows, markets, layout, tried_height, done, fates)
    after = cells[LOTS : COST + 1, at]
    _add_totals(book, moved, before, after)
    left = fates == kernel.LEFT
    drop_orders(book, legs[kernel.LEG_ORDER, left], order_slots[left])
    book.money.add_many(legs[kernel.LEG_ACCOUNT, fates == kernel.TRIED])
    empty = np.zeros(keys.size, dtype=np.bool_)
    kernel.empty_rows(cells, slots, layout, empty)
    if empty.any():
        positions.drop_empty_bulk(keys[empty])
    order = np.argsort(moved)
    moved, done = moved[order], done[moves][order]
    _post_cash(book, moved >> MARKET_BITS, done)
    missing = legs[kernel.LEG_ACCOUNT, fates == kernel.MISSING]
    return Run(moved >> MARKET_BITS, moved & _MARKET_MASK, after[0, order], after[1, order], done, missing)


def drop_orders(book: OrderedBook, numbers: Int64Array, slots: Int64Array) -> None:
    """Orders that hold nothing any more leave the table, armed ones by the way that knows of their triggers."""
    armed = book.orders.whole()[slots, TRIGGER] != 0
    if armed.any():
        book.orders.remove_bulk(numbers[armed])
        slots = slots[~armed]
    if slots.size:
        book.touched.add_many(book.orders.whole()[slots, ACCOUNT])
        drop_rows(*book.orders.arrays(), slots)


def _add_totals(book: OrderedBook, keys: Int64Array, before: Int64Array, after: Int64Array) -> None:
    """Tells the table by how much its open interest, its count of positions and their cost rose.

    before and after: lots and cost of the positions, a column each.
    """
    width = max(book.markets) + 1
    longs, shorts = kernel.interest_grown(keys & _MARKET_MASK, before[0], after[0], width)
    markets = np.flatnonzero(np.bincount(keys & _MARKET_MASK, minlength=width))
    opened = int(np.count_nonzero(after[0])) - int(np.count_nonzero(before[0]))
    cost_grown = sum((after[1] - before[1]).tolist())
    book.positions.moved_bulk(keys >> MARKET_BITS, markets, longs[markets], shorts[markets], opened, cost_grown)


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
