"""What filling resting orders at their limits would lose at marks (MT-02), read straight from the orders' columns."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.ledger.book_orders import REDUCE_ONLY
from actors.ledger.order_columns import ACCOUNT, FLAGS, LIMIT, MARKET, NUMBER, REMAINING, SIDE, TRIGGER
from actors.ledger.position_rows import MARKET_BITS
from actors.orders.book import OrderedBook
from actors.units_kernels import mul_div_floor

Int64Array = NDArray[np.int64]


class Losing(NamedTuple):
    """The orders that would lose: the key of their position (account << 16 | market), side and loss in atoms."""

    keys: Int64Array
    sides: Int64Array
    atoms: Int64Array


def losing_orders(book: OrderedBook, marks: Mapping[int, int], with_reduce_only: bool) -> Losing:
    """Resting orders of the markets that have a mark here, in ticks, that would lose against it."""
    width = max(book.markets, default=0) + 1
    ticks, worth = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    for market in marks.keys() & book.markets.keys():
        ticks[market], worth[market] = marks[market], book.k(market)
    return Losing(*_losing(book.orders.whole(), ticks, worth, with_reduce_only))


@njit(cache=True)
def _losing(
    orders: np.ndarray, marks: np.ndarray, worth: np.ndarray, with_reduce_only: np.bool_
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A lot that is worth nothing is of a market nobody asked for. OverflowError where a loss is outside int64."""
    keys, sides, atoms = np.empty((3, orders.shape[0]), dtype=np.int64)
    count = 0
    for slot in range(orders.shape[0]):
        market, side = orders[slot, MARKET], orders[slot, SIDE]
        gap = side * (orders[slot, LIMIT] - marks[market])
        if gap <= 0 or worth[market] == 0 or orders[slot, NUMBER] == 0 or orders[slot, TRIGGER] != 0:
            continue
        if with_reduce_only or not orders[slot, FLAGS] & REDUCE_ONLY:
            keys[count] = orders[slot, ACCOUNT] << MARKET_BITS | market
            sides[count] = side
            atoms[count] = mul_div_floor(gap, orders[slot, REMAINING] * worth[market], np.int64(1))
            count += 1
    return keys[:count], sides[:count], atoms[:count]
