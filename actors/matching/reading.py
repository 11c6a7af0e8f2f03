"""What a book shows: its levels, the price of an impact, the list of its orders. Nothing here changes anything."""

import numpy as np
from numba import njit

from actors.matching.layout import (
    ACCOUNT_ID,
    ACCOUNT_SLOT,
    BEST,
    COUNT,
    FIRST,
    FLAG_MASK,
    KEY,
    LEVEL,
    LOTS,
    MARKS,
    NEXT,
    NIBBLE,
    NONE,
    ORDER_ID,
    ORDERS_LIVE,
    REMAINING,
    SELF_TRADE_SHIFT,
    SIDE_SHIFT,
    TIME_IN_FORCE_SHIFT,
    WORSE,
    Store,
)
from actors.matching.price_index import key_of


@njit(cache=True)
def order_row(store: Store, slot: np.int64, row: np.ndarray) -> None:
    """Writes one order in the columns of a dump."""
    marks = store.orders[slot, MARKS]
    book_side = (marks >> SIDE_SHIFT) & 1
    row[0] = store.orders[slot, ORDER_ID]
    row[1] = store.accounts[store.orders[slot, ACCOUNT_SLOT], ACCOUNT_ID]
    row[2] = 2 * book_side - 1
    row[3] = key_of(book_side, store.levels[store.orders[slot, LEVEL], KEY])
    row[4] = store.orders[slot, REMAINING]
    row[5] = marks & FLAG_MASK
    row[6] = (marks >> TIME_IN_FORCE_SHIFT) & NIBBLE
    row[7] = (marks >> SELF_TRADE_SHIFT) & NIBBLE


@njit(cache=True)
def dump_rows(store: Store) -> np.ndarray:
    """All orders: bids from the best, then asks from the best, each level in the order of time."""
    rows = np.empty((store.heads[ORDERS_LIVE], 8), dtype=np.int64)
    count = 0
    for book_side in (1, 0):
        level = store.heads[BEST + book_side]
        while level != NONE:
            slot = store.levels[level, FIRST]
            while slot != NONE:
                order_row(store, slot, rows[count])
                count += 1
                slot = store.orders[slot, NEXT]
            level = store.levels[level, WORSE]
    return rows


@njit(cache=True)
def depth_rows(store: Store, book_side: np.int64, most: np.int64) -> np.ndarray:
    """(price, lots, orders) of the best levels of a side."""
    rows = np.empty((most, 3), dtype=np.int64)
    count = 0
    level = store.heads[BEST + book_side]
    while level != NONE and count < most:
        rows[count, 0] = key_of(book_side, store.levels[level, KEY])
        rows[count, 1] = store.levels[level, LOTS]
        rows[count, 2] = store.levels[level, COUNT]
        count += 1
        level = store.levels[level, WORSE]
    return rows[:count]


@njit(cache=True)
def impact(store: Store, book_side: np.int64, notional: np.int64) -> tuple[np.int64, np.int64, np.int64]:
    """Where a notional (ticks * lots) ends on a side: (lots of the levels before, notional left for it, its price).

    The price is 0 where the depth does not suffice.
    """
    lots = np.int64(0)
    left = notional
    level = store.heads[BEST + book_side]
    while level != NONE:
        price_ticks = key_of(book_side, store.levels[level, KEY])
        # Compared as lots: a level's own notional may not fit.
        if store.levels[level, LOTS] > (left - 1) // price_ticks:
            return lots, left, price_ticks
        lots += store.levels[level, LOTS]
        left -= store.levels[level, LOTS] * price_ticks
        level = store.levels[level, WORSE]
    return lots, left, np.int64(0)
