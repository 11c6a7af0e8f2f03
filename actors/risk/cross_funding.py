"""Funding over a column of cross positions: what each pays at a boundary, compiled (MT-10).

Equal to the scalar rulebook on every row: payers rounded up, receivers down. Positions whose value leaves 64 bits are
done by the scalar rulebook itself.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.rulebooks import margin_trade
from actors.units import E9, INT64_MAX
from actors.units_kernels import mul_div_ceil

Int64Array = NDArray[np.int64]


def funding_payments_ceil_atoms(
    lots: Int64Array, oracle_ticks: int, quote_atoms_per_tick_lot: int, rate_e9: int, by_row: bool
) -> Int64Array:
    """What each position pays, negative where it receives, on its oracle notional; the odd atom is the fund's (MT-10).

    by_row: by the scalar rulebook throughout. OverflowError where a payment leaves int64.
    """
    largest = int(np.abs(lots).max(initial=0))
    if by_row or largest * oracle_ticks * quote_atoms_per_tick_lot > INT64_MAX:
        payments = [
            margin_trade.funding_payment_atoms(one, oracle_ticks, quote_atoms_per_tick_lot, rate_e9)
            for one in lots.tolist()
        ]
        return np.array(payments, dtype=np.int64)
    return _payments(lots, oracle_ticks * quote_atoms_per_tick_lot, rate_e9)


@njit(cache=True)
def _payments(lots: Int64Array, value_of_lot: int, rate_e9: int) -> Int64Array:
    payments = np.empty(lots.size, dtype=np.int64)
    for row in range(lots.size):
        payments[row] = mul_div_ceil(lots[row] * value_of_lot, rate_e9, E9)
    return payments
