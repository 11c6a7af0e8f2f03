"""Opens and closes at the pool while it owes nobody and is owed nothing, row after row on its exact totals.

`work` and `opens` say what a row does. A row the pool could not pay whole, or that 64 bits may be too few for, ends the
run: it and those behind it go row by row.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined, kernel
from actors.rulebooks import twilight
from actors.units import INT64_MAX, PPM, TOTAL_BOUND
from actors.units_kernels import mul_div_ceil, mul_div_floor, mul_div_floor_capped
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals

# The pool's own cells.
NAV, TRADER_MARGIN, FEES, DEFICIT = range(4)
POOL_CELLS: Final = 4
# Rows of the totals, by the market's number: sums by side, positions, the mark, what closing all would owe; CHANGED
# where a position came or went.
LONG_SIZE, SHORT_SIZE, LONG_ENTRY, SHORT_ENTRY, POSITIONS, MARK, OWED, CHANGED = range(8)
TOTAL_ROWS: Final = 8
# What the venue allows.
CAP, LIMITS_ON, MAX_OI, MAX_NET, MAX_POSITION = range(5)
RULE_CELLS: Final = 5
# Columns of `OpenOps` and `CloseOps` that are read, and rows of an open's terms.
_MARKET, _SIDE, _MARGIN, _LEVERAGE, _FEE_RATE = 5, 7, 9, 10, 11
_STATUS, _VALUE, _SIZE, _HELD, _FEE, _PAYOUT, _DEFICIT = 9, 11, 12, 14, 16, 17, 18
VALUE, SIZE, FEE, HELD = range(4)
TERM_ROWS: Final = 4
_E9: Final = np.int64(10**9)
_FILLED: Final = int(common.OUTCOME_STATUS_FILLED)
_EMPTY: Final = int(refusals.REFUSAL_POOL_EMPTY)
_UTILISED: Final = int(refusals.REFUSAL_UTILISATION_CAP)
_TOO_LARGE: Final = int(refusals.REFUSAL_POSITION_SIZE_LIMIT)
_INTEREST: Final = int(refusals.REFUSAL_OPEN_INTEREST_LIMIT)
_SKEW: Final = int(refusals.REFUSAL_SKEW_LIMIT)
_LIMIT: Final = int(refusals.REFUSAL_LIMIT)
_VENUE_TOTAL: Final = int(refusals.REFUSAL_VENUE_TOTAL)


@kernel
def close_rows(closes: np.ndarray, pool: np.ndarray, totals: np.ndarray) -> np.int64:
    """Settles closes in their order; returns how many before the first that leaves a claim or a shortfall."""
    for row in range(closes.shape[1]):
        gain = closes[_HELD, row] - closes[_PAYOUT, row]
        if pool[NAV] + gain < 0 or (gain < 0 and closes[_STATUS, row] != _FILLED):
            return np.int64(row)
        market = closes[_MARKET, row]
        size, value, held = closes[_SIZE, row], closes[_VALUE, row], closes[_HELD, row]
        _count(pool, totals, market, closes[_SIDE, row], -size, -value, -held, -1)
        pool[DEFICIT] += closes[_DEFICIT, row]
        pool[FEES] += closes[_FEE, row]
        pool[NAV] += gain
    return np.int64(closes.shape[1])


@kernel
def open_rows(
    opens: np.ndarray, pool: np.ndarray, totals: np.ndarray, rules: np.ndarray, terms: np.ndarray, why: np.ndarray
) -> np.int64:
    """Fills opens at the mark in their order, or says in `why` (refusal, required, actual) why not; `terms` are those
    of all. Returns how many before the first that is too wide.
    """
    for market in range(totals.shape[1]):
        if not _take_owed(totals, market):
            return np.int64(0)
    for row in range(opens.shape[1]):
        market, side, margin = opens[_MARKET, row], opens[_SIDE, row], opens[_MARGIN, row]
        mark = totals[MARK, market]
        value = mul_div_floor(margin, opens[_LEVERAGE, row], np.int64(twilight.LEVERAGE_UNIT))
        assert value > 0 and mark > 0, "an empty position"
        if value > (TOTAL_BOUND - 1) // mark:
            return np.int64(row)
        size = value * mark
        fee = max(np.int64(twilight.MINIMUM_FEE_ATOMS), -((-mul_div_ceil(size, opens[_FEE_RATE, row], _E9)) // mark))
        terms[VALUE, row], terms[SIZE, row], terms[FEE, row], terms[HELD, row] = value, size, fee, margin - fee
        refusal, required, actual = _why_not(pool, totals, rules, market, side, value, size, fee, margin - fee)
        why[0, row], why[1, row], why[2, row] = refusal, required, actual
        if refusal == 0:
            _count(pool, totals, market, side, size, value, margin - fee, 1)
            pool[FEES] += fee
            pool[NAV] += fee
            if not _take_owed(totals, market):
                return np.int64(row + 1)
    return np.int64(opens.shape[1])


@inlined
def _count(
    pool: np.ndarray,
    totals: np.ndarray,
    market: np.int64,
    side: np.int64,
    size: np.int64,
    value: np.int64,
    held: np.int64,
    step: np.int64,
) -> None:
    if side > 0:
        totals[LONG_SIZE, market] += size
        totals[LONG_ENTRY, market] += value
    else:
        totals[SHORT_SIZE, market] += size
        totals[SHORT_ENTRY, market] += value
    totals[POSITIONS, market] += step
    totals[CHANGED, market] = 1
    pool[TRADER_MARGIN] += held


@inlined
def _take_owed(totals: np.ndarray, market: np.int64) -> bool:
    """What the pool would get if all positions of a market closed at its mark, rounded down; False where 64 bits are
    too few.
    """
    mark = totals[MARK, market]
    if totals[POSITIONS, market] == 0 or mark == 0:
        totals[OWED, market] = 0
        return True
    most = max(totals[LONG_ENTRY, market], totals[SHORT_ENTRY, market])
    if most > (TOTAL_BOUND - 1) // mark:
        return False
    longs = totals[LONG_ENTRY, market] * mark - totals[LONG_SIZE, market]
    shorts = totals[SHORT_SIZE, market] - totals[SHORT_ENTRY, market] * mark
    totals[OWED, market] = -(longs + shorts) // mark
    return True


@inlined
def _why_not(
    pool: np.ndarray,
    totals: np.ndarray,
    rules: np.ndarray,
    market: np.int64,
    side: np.int64,
    value: np.int64,
    size: np.int64,
    fee: np.int64,
    held: np.int64,
) -> tuple[np.int64, np.int64, np.int64]:
    """`opens.why_not_open` of a pool without claims."""
    if pool[NAV] <= 0:
        return np.int64(_EMPTY), np.int64(1), pool[NAV]
    margin_after = pool[TRADER_MARGIN] + held
    if margin_after >= 0:
        used = mul_div_floor_capped(margin_after, np.int64(PPM), pool[NAV] + fee, np.int64(INT64_MAX))
        if used >= rules[CAP]:
            return np.int64(_UTILISED), rules[CAP], used
    if rules[LIMITS_ON] != 0:
        refusal, required = _why_limited(pool, totals, rules, market, side, value)
        if refusal != 0:
            return refusal, required, value
    after = (totals[LONG_SIZE, market] if side > 0 else totals[SHORT_SIZE, market]) + size
    if after >= TOTAL_BOUND:
        return np.int64(_VENUE_TOTAL), np.int64(TOTAL_BOUND), after
    return np.int64(0), np.int64(0), np.int64(0)


@inlined
def _why_limited(
    pool: np.ndarray, totals: np.ndarray, rules: np.ndarray, market: np.int64, side: np.int64, value: np.int64
) -> tuple[np.int64, np.int64]:
    """(the limit of TW-19 an open would break, the room under it), by the precedence SIZE > OI > SKEW > LIMIT."""
    owed, mark, none = np.int64(0), totals[MARK, market], np.int64(0)
    for other in range(totals.shape[1]):
        owed += totals[OWED, other]
    equity = max(none, min(pool[NAV], pool[NAV] + owed))
    longs, shorts = totals[LONG_SIZE, market] // mark, totals[SHORT_SIZE, market] // mark
    position_max = mul_div_floor(equity, rules[MAX_POSITION], np.int64(PPM))
    room_oi = max(none, mul_div_floor(equity, rules[MAX_OI], np.int64(PPM)) - longs - shorts)
    net_max = mul_div_floor(equity, rules[MAX_NET], np.int64(PPM))
    room_net = max(none, net_max - side * (longs - shorts))
    largest = max(none, min(position_max, room_oi, room_net))
    if value > position_max:
        return np.int64(_TOO_LARGE), position_max
    if value > room_oi:
        return np.int64(_INTEREST), room_oi
    if value > room_net:
        return np.int64(_SKEW), room_net
    if value > largest:
        return np.int64(_LIMIT), largest
    return none, none
