"""What positions and orders are worth and cost, compiled, as venues with order books share it.

Whatever might leave 64 bits has no answer (UNKNOWN) and is worked by hand in Python's integers.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined
from actors.orders.check_kernel import FEE_E9, MARK, MOST_LOTS, USABLE, K
from actors.units import E9, TOTAL_BOUND

UNKNOWN: Final = -(1 << 63)


@inlined
def div_ceil(number: np.int64, divisor: np.int64) -> np.int64:
    """number / divisor rounded up; number is not negative."""
    return (number + divisor - 1) // divisor


@inlined
def fee_ceil_atoms(rules: np.ndarray, market: np.int64, value: np.int64) -> np.int64:
    """The taker fee on a value from 0 to TOTAL_BOUND: whole multiples of 1e9 apart, so that no product is too long."""
    whole = value // E9
    return whole * rules[market, FEE_E9] + div_ceil((value - whole * E9) * rules[market, FEE_E9], np.int64(E9))


@inlined
def counted_upnl_atoms(rules: np.ndarray, market: np.int64, lots: np.int64, cost: np.int64) -> np.int64:
    """uPnL of a position at the mark, a gain only where the mark may be used, or UNKNOWN."""
    if abs(lots) > rules[market, MOST_LOTS] or abs(cost) >= TOTAL_BOUND:
        return np.int64(UNKNOWN)
    upnl = lots * rules[market, MARK] * rules[market, K] - cost
    return upnl if rules[market, USABLE] != 0 else min(np.int64(0), upnl)


@inlined
def drawn_in_ticks(
    rules: np.ndarray, market: np.int64, side: np.int64, limit: np.int64, lots: np.int64, left: np.int64
) -> np.int64:
    """`worst_prices.drawn_in_ticks`: the worst price, or the nearer one at which the lots use what is left up."""
    mark = rules[market, MARK]
    worst = mark + side * (max(np.int64(0), left) // (lots * rules[market, K]))
    return max(limit, worst) if side < 0 else min(limit, worst)
