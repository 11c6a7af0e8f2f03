"""What a book shows: its levels, the price of an impact, the list of its orders. Nothing here changes anything."""

import numpy as np

from actors.compiling import kernel
from actors.matching.layout import (
    ACCOUNT_ID,
    BEST,
    BID_SHIFT,
    COUNT,
    FIRST,
    FLAG_MASK,
    KEY,
    LEVEL_AND_MARKS,
    LOTS,
    MARKS_SHIFT,
    NEXT,
    NIBBLE,
    ORDER_ID,
    OWNER,
    REMAINING,
    SELF_TRADE_SHIFT,
    TIME_IN_FORCE_SHIFT,
    WORSE,
)
from actors.matching.price_index import key_of
from actors.matching.taking import price_at


@kernel
def order_row(memory: np.ndarray, order: np.int64, row: np.ndarray) -> None:
    """Writes one order in the columns of a dump."""
    marks = memory[order + LEVEL_AND_MARKS] >> MARKS_SHIFT
    bid = marks >> BID_SHIFT
    row[0] = memory[order + ORDER_ID]
    row[1] = memory[memory[order + OWNER] + ACCOUNT_ID]
    row[2] = 2 * bid - 1
    row[3] = price_at(memory, bid, order)
    row[4] = memory[order + REMAINING]
    row[5] = marks & FLAG_MASK
    row[6] = (marks >> TIME_IN_FORCE_SHIFT) & NIBBLE
    row[7] = (marks >> SELF_TRADE_SHIFT) & NIBBLE


@kernel
def dump_rows(memory: np.ndarray, rows: np.ndarray) -> None:
    """All orders: bids from the best, then asks from the best, each level in the order of time."""
    count = 0
    for bid in (1, 0):
        level = memory[BEST + bid]
        while level != 0:
            order = memory[level + FIRST]
            while order != 0:
                order_row(memory, order, rows[count])
                count += 1
                order = memory[order + NEXT]
            level = memory[level + WORSE]


@kernel
def depth_rows(memory: np.ndarray, bid: np.int64, rows: np.ndarray) -> np.int64:
    """(price, lots, orders) of the best levels of a side, as many as there are rows; how many there were."""
    count = np.int64(0)
    level = memory[BEST + bid]
    while level != 0 and count < rows.shape[0]:
        rows[count, 0] = key_of(bid, memory[level + KEY])
        rows[count, 1] = memory[level + LOTS]
        rows[count, 2] = memory[level + COUNT]
        count += 1
        level = memory[level + WORSE]
    return count


@kernel
def impact(memory: np.ndarray, bid: np.int64, notional: np.int64) -> tuple[np.int64, np.int64, np.int64]:
    """Where a notional (ticks * lots) ends on a side: (lots of the levels before, notional left for it, its price).

    The price is 0 where the depth does not suffice.
    """
    lots = np.int64(0)
    left = notional
    level = memory[BEST + bid]
    while level != 0:
        price_ticks = key_of(bid, memory[level + KEY])
        # Compared as lots: a level's own notional may not fit.
        if memory[level + LOTS] > (left - 1) // price_ticks:
            return lots, left, price_ticks
        lots += memory[level + LOTS]
        left -= memory[level + LOTS] * price_ticks
        level = memory[level + WORSE]
    return lots, left, np.int64(0)
