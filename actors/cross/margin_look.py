"""What margin says of accounts with resting orders, and how far marks may move until it might say otherwise (MT-02)."""

from typing import Final

import numpy as np

from actors.compiling import kernel
from actors.cross.margin_kernel import BUYS, LOTS, MARKET, REDUCING, RESTING, SELLS, UNKNOWN, free_margin_atoms
from actors.cross.margin_zones import FAILS, NO_ORDERS, PASSES, UNSURE, Looked
from actors.fetching import fetch
from actors.ledger.position_rows import fetch_position
from actors.ledger.slot_map import ROWS_AHEAD, WORDS_AHEAD
from actors.orders.check_kernel import MARK, MOST_LOTS, K
from actors.units import PPM

_GROSS_BOUND: Final = 1 << 61
# Roundings of the requirements of a row, atoms: two initial margins of a position, two of either side's hold.
_ROUNDINGS: Final = 6


def look(
    slots: np.ndarray,
    first: np.ndarray,
    following: np.ndarray,
    cash: np.ndarray,
    positions: np.ndarray,
    rules: np.ndarray,
) -> Looked:
    """Of the accounts in these slots, moves rounded down."""
    looked = Looked(np.zeros(slots.size, np.int8), np.zeros(slots.size, np.bool_), np.zeros(slots.size, np.int64))
    _look(slots, first, following, cash, positions, rules, *looked)
    return looked


@kernel
def _look(
    slots: np.ndarray,
    first: np.ndarray,
    following: np.ndarray,
    cash: np.ndarray,
    positions: np.ndarray,
    rules: np.ndarray,
    verdicts: np.ndarray,
    reducing: np.ndarray,
    moves_ppm: np.ndarray,
) -> None:
    """Fills verdicts, reducing and moves, which are zeros.

    Let every mark m become m' with |m' - m| <= d * m. A row's uPnL falls by at most d * |lots| * m * k. A requirement's
    slope is at most 1: that of the position rises by as much, that of a side's hold, the difference of two, by at most
    d * (2 * |lots| + orders) * m * k, and the same orders lose up to d * orders * m * k more against the mark. So free
    margin falls by at most 2 * d * gross beside roundings, gross being the sum of (2 * |lots| + orders) * m * k.
    """
    for place in range(slots.size):
        if place + WORDS_AHEAD < slots.size:
            fetch(first, slots[place + WORDS_AHEAD] * first.itemsize)
        if place + ROWS_AHEAD < slots.size:
            ahead = slots[place + ROWS_AHEAD]
            fetch_position(positions, np.int64(first[ahead]) - 1)
            fetch(cash, ahead * cash.strides[0])
        begin = np.int64(first[slots[place]])
        resting, gross, count = np.int64(0), np.int64(0), np.int64(0)
        link = begin
        while link != 0:
            row = link - 1
            market = positions[MARKET, row]
            resting += positions[RESTING, row]
            reducing[place] |= positions[REDUCING, row] != 0
            lots = 2 * abs(positions[LOTS, row]) + max(positions[BUYS, row], positions[SELLS, row])
            if lots > 4 * rules[market, MOST_LOTS] or gross >= _GROSS_BOUND:
                gross = np.int64(_GROSS_BOUND)
            else:
                gross += lots * rules[market, MARK] * rules[market, K]
            count += 1
            link = np.int64(following[row])
        if resting == 0:
            verdicts[place] = NO_ORDERS
            continue
        free = free_margin_atoms(rules, positions, following, begin, cash[slots[place]])
        if free == UNKNOWN:
            verdicts[place] = UNSURE
        elif free < 0:
            verdicts[place] = FAILS
        else:
            verdicts[place] = PASSES
            room = free - _ROUNDINGS * count
            if room > 0 and gross < _GROSS_BOUND:
                part = 2 * gross // PPM + 1
                moves_ppm[place] = min(room // part, np.int64(PPM))
