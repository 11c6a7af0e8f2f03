"""Opens, closes and new positions over columns; the rulebook's functions say what each of them comes to.

Amounts are small enough for 64-bit intermediates: whoever calls keeps wide rows away (`opens_by_columns`) or does those
that are named by the rulebook.
"""

from typing import Final

import numpy as np
from numba import njit

from actors.risk.funding import NARROW_VALUE_ATOMS, narrow_threshold
from actors.rulebooks import twilight
from actors.units import E9, INT64_MAX
from actors.units_kernels import mul_div_ceil, mul_div_floor
from breakwater.v1 import refusals_pb2 as refusals

# Rows of what is known of a market, by its number: mark, funding rate, and why nothing may be done at the mark.
MARK, RATE, REFUSAL, REQUIRED, ACTUAL = range(5)
MARKET_ROWS: Final = 5
# Rows of `OpenRows` and, in a position, the cells a new one is given.
_ACCOUNT, _MARKET, _SIDE, _MARGIN, _LEVERAGE = 2, 3, 4, 6, 7
POSITION_CELLS: Final = 14
_LEVERAGE_UNIT: Final = np.int64(twilight.LEVERAGE_UNIT)
_SIZE_BOUND: Final = twilight.POSITION_SIZE_BOUND
_FROZEN: Final = int(refusals.REFUSAL_ACCOUNT_FROZEN)
_BALANCE: Final = int(refusals.REFUSAL_INSUFFICIENT_BALANCE)
_OVERFLOW: Final = int(refusals.REFUSAL_OVERFLOW)
_MAINTENANCE: Final = int(refusals.REFUSAL_BELOW_MAINTENANCE_MARGIN)
# A value times the mark, and a size, stay below this.
_PRODUCT_BOUND: Final = 1 << 60


@njit(cache=True)
def fee_ceil(size: np.int64, price: np.int64, rate_e9: np.int64) -> np.int64:
    """`twilight.fee_ceil_atoms`; dividing by 1e9 first keeps every quotient in 64 bits."""
    owed = mul_div_ceil(size, rate_e9, np.int64(E9))
    return max(np.int64(twilight.MINIMUM_FEE_ATOMS), -((-owed) // price))


@njit(cache=True)
def admit_opens(
    opens: np.ndarray,
    places: np.ndarray,
    frozen: np.ndarray,
    free: np.ndarray,
    markets: np.ndarray,
    ratio_e9: np.int64,
    fee_e9: np.int64,
) -> np.ndarray:
    """(refusal, required, actual) of each open at market, 0 where it is admitted and its margin taken from `free`.

    places: of every open that of its account in `frozen` and `free`.
    """
    why = np.zeros((3, places.size), dtype=np.int64)
    for row in range(places.size):
        place, market, margin = places[row], opens[_MARKET, row], opens[_MARGIN, row]
        if frozen[place]:
            refusal, required, actual = np.int64(_FROZEN), np.int64(0), opens[_ACCOUNT, row]
        elif markets[REFUSAL, market] != 0:
            refusal, required, actual = markets[REFUSAL, market], markets[REQUIRED, market], markets[ACTUAL, market]
        elif free[place] < margin:
            refusal, required, actual = np.int64(_BALANCE), margin, free[place]
        else:
            side, leverage = opens[_SIDE, row], opens[_LEVERAGE, row]
            mark, rate = markets[MARK, market], markets[RATE, market]
            refusal, required, actual = _why_not_open(side, margin, leverage, mark, rate, ratio_e9, fee_e9)
            if refusal == 0:
                free[place] -= margin
        why[0, row], why[1, row], why[2, row] = refusal, required, actual
    return why


@njit(cache=True)
def _why_not_open(
    side: np.int64,
    margin: np.int64,
    leverage: np.int64,
    mark: np.int64,
    rate_e9: np.int64,
    ratio_e9: np.int64,
    fee_e9: np.int64,
) -> tuple[np.int64, np.int64, np.int64]:
    """Its size leaves the exact range, or it would be liquidatable at once."""
    none = np.int64(0)
    value = mul_div_floor(margin, leverage, _LEVERAGE_UNIT)
    assert value > 0 and mark > 0, "an empty position"
    if value > (_SIZE_BOUND - 1) // mark:
        size = value * mark if value <= INT64_MAX // mark else np.int64(INT64_MAX)
        return np.int64(_OVERFLOW), np.int64(_SIZE_BOUND), size
    held = margin - fee_ceil(value * mark, mark, fee_e9)
    charged = fee_e9 + max(none, side * rate_e9)
    maintenance, threshold = narrow_threshold(side, value * mark, value, margin, held, ratio_e9, charged)
    if (mark <= threshold) if side > 0 else (mark >= threshold):
        return np.int64(_MAINTENANCE), -(-maintenance // E9), held
    return none, none, none


@njit(cache=True)
def opened_cells(
    accounts: np.ndarray, margins_held: np.ndarray, opened: np.ndarray, rates: np.ndarray, ratio_e9: int, fee_e9: int
) -> tuple[np.ndarray, np.ndarray]:
    """(cells of new positions, a column each; which of them are wide: their last two numbers are left at 0).

    opened: market, side, entry in ticks, initial margin and leverage of each; rates: of funding, by market.
    """
    count = accounts.size
    cells, wide = np.zeros((POSITION_CELLS, count), dtype=np.int64), np.zeros(count, dtype=np.bool_)
    for row in range(count):
        market, side, entry, initial, leverage = (
            opened[0, row],
            opened[1, row],
            opened[2, row],
            opened[3, row],
            opened[4, row],
        )
        value, held = mul_div_floor(initial, leverage, _LEVERAGE_UNIT), margins_held[row]
        assert value > 0 and 0 < entry <= (_SIZE_BOUND - 1) // value, "a position out of bounds"
        cells[0, row], cells[1, row], cells[2, row], cells[3, row] = accounts[row], market, side, entry
        cells[4, row], cells[5, row], cells[6, row] = value, value * entry, initial
        cells[7, row], cells[8, row] = held, leverage
        if value + abs(held) >= NARROW_VALUE_ATOMS or initial >= NARROW_VALUE_ATOMS:
            wide[row] = True
            continue
        charged = fee_e9 + max(np.int64(0), side * rates[market])
        maintenance, threshold = narrow_threshold(side, value * entry, value, initial, held, ratio_e9, charged)
        cells[9, row], cells[10, row] = maintenance, threshold
    return cells, wide


@njit(cache=True)
def close_terms(cells: np.ndarray, marks: np.ndarray, fee_e9: np.int64) -> tuple[np.ndarray, np.ndarray]:
    """((uPnL, fee, payout) of positions closed at the marks of their markets, which of them go by the rulebook).

    Those are too wide for 64 bits, or their payout is below zero: a liquidation (TW-12).
    """
    count = cells.shape[1]
    terms, by_rows = np.zeros((3, count), dtype=np.int64), np.zeros(count, dtype=np.bool_)
    for row in range(count):
        mark, side, value, size = marks[cells[1, row]], cells[2, row], cells[4, row], cells[5, row]
        if value > _PRODUCT_BOUND // mark or size >= _PRODUCT_BOUND:
            by_rows[row] = True
            continue
        gain = side * (value * mark - size)
        magnitude = (2 * abs(gain) + mark) // (2 * mark)
        upnl = magnitude if gain >= 0 else -magnitude
        fee = fee_ceil(size, mark, fee_e9)
        payout = cells[7, row] + upnl - fee
        terms[0, row], terms[1, row], terms[2, row] = upnl, fee, payout
        by_rows[row] = payout < 0
    return terms, by_rows
