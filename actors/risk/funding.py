"""One funding step over the columns of isolated positions: Twilight's boundary, compiled (TW-08).

Equal to the scalar rulebook on every row: payments rounded in the pool's favour, margin held reduced by them,
maintenance recomputed with the new rate, thresholds from both. Rows too large for 64-bit intermediates are done by
the scalar rulebook itself.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.rulebooks import twilight
from actors.units import E9, PRICE_BOUND
from actors.units_kernels import mul_div_ceil, mul_div_ceil_capped, mul_div_floor_capped

Int64Array = NDArray[np.int64]

# (EV + |margin|) * 1e9 stays below 2**62 for values below this: 43 BTC, eight times the largest position of a venue.
NARROW_VALUE_ATOMS = 1 << 32
# Maintenance in 1e-9 atoms stays below 2**62 for narrow rows while the rates charged on them sum to less than this.
RATE_SUM_BOUND_E9 = 1 << 29


class FundingStep(NamedTuple):
    """Columns that one step produced; the margin held was changed in place."""

    payments_atoms: Int64Array
    maintenance_e9: Int64Array
    thresholds_ticks: Int64Array


def apply_funding_step(
    side: Int64Array,
    position_size: Int64Array,
    entry_value_atoms: Int64Array,
    initial_margin_atoms: Int64Array,
    margin_held_atoms: Int64Array,
    mark_ticks: int,
    rate_e9: int,
    maintenance_ratio_e9: int,
    fee_rate_e9: int | Int64Array,
) -> FundingStep:
    """Charges the rate at the mark on every row, `margin_held_atoms` in place; positive payments leave the trader.

    fee_rate_e9 is one rate for all or a column, for positions opened as maker and as taker. Maintenance must fit
    in int64, which the bounds at the door ensure; OverflowError otherwise.
    """
    fee_rates = np.broadcast_to(np.asarray(fee_rate_e9, dtype=np.int64), side.shape)
    assert 0 < mark_ticks < PRICE_BOUND, f"mark out of bounds: {mark_ticks}"
    assert abs(rate_e9) < E9, f"funding rate out of bounds: {rate_e9}"
    highest_fee = int(fee_rates.max(initial=0))
    assert maintenance_ratio_e9 >= 0 and int(fee_rates.min(initial=0)) >= 0, "rates must not be negative"
    assert maintenance_ratio_e9 + 2 * (highest_fee + abs(rate_e9)) < RATE_SUM_BOUND_E9, "rates out of bounds"
    step = FundingStep(*(np.empty(side.shape, dtype=np.int64) for _ in range(3)))
    wide = _fund_rows(
        side,
        position_size,
        entry_value_atoms,
        initial_margin_atoms,
        margin_held_atoms,
        mark_ticks,
        rate_e9,
        maintenance_ratio_e9,
        fee_rates,
        step.payments_atoms,
        step.maintenance_e9,
        step.thresholds_ticks,
    )
    for row in np.flatnonzero(wide):
        step.maintenance_e9[row], step.thresholds_ticks[row] = _wide_row(
            int(side[row]),
            int(position_size[row]),
            int(entry_value_atoms[row]),
            int(initial_margin_atoms[row]),
            int(margin_held_atoms[row]),
            rate_e9,
            maintenance_ratio_e9,
            int(fee_rates[row]),
        )
    return step


@njit(cache=True)
def narrow_threshold(
    side: int, position_size: int, entry_value: int, initial_margin: int, margin_held: int, ratio: int, charged: int
) -> tuple[int, int]:
    """(maintenance in 1e-9 atoms, threshold) of a position below NARROW_VALUE_ATOMS.

    charged: fee and funding rates on the bankruptcy value, 1e-9 fractions, together in bounds with the ratio.
    """
    requirement = ratio * entry_value + charged * (entry_value + side * initial_margin)
    breakeven = (entry_value + side * margin_held) * E9 - side * requirement
    if breakeven <= 0:
        return requirement, twilight.ALWAYS_LONG if side > 0 else twilight.NEVER_SHORT
    if side > 0:
        return requirement, mul_div_floor_capped(position_size, E9, breakeven, twilight.ALWAYS_LONG)
    return requirement, mul_div_ceil_capped(position_size, E9, breakeven, twilight.NEVER_SHORT)


@njit(cache=True)
def _fund_rows(
    side: Int64Array,
    position_size: Int64Array,
    entry_value: Int64Array,
    initial_margin: Int64Array,
    margin_held: Int64Array,
    mark: int,
    rate: int,
    maintenance_ratio: int,
    fee_rates: Int64Array,
    payments: Int64Array,
    maintenance: Int64Array,
    thresholds: Int64Array,
) -> NDArray[np.bool_]:
    """Fills the output columns and charges the margins; returns the rows whose maintenance and threshold are left."""
    wide = np.zeros(side.size, dtype=np.bool_)
    for row in range(side.size):
        signed_rate = side[row] * rate
        # ceil(ceil(x / a) / b) is ceil(x / (a * b)): dividing by 1e9 first keeps every quotient in 64 bits.
        owed = mul_div_ceil(position_size[row], signed_rate, E9)
        payment = -((-owed) // mark)
        payments[row] = payment
        margin_held[row] -= payment
        value = entry_value[row]
        if value + abs(margin_held[row]) >= NARROW_VALUE_ATOMS:
            wide[row] = True
            continue
        maintenance[row], thresholds[row] = narrow_threshold(
            side[row],
            position_size[row],
            value,
            initial_margin[row],
            margin_held[row],
            maintenance_ratio,
            fee_rates[row] + max(signed_rate, 0),
        )
    return wide


def _wide_row(
    side: int,
    position_size: int,
    entry_value: int,
    initial_margin: int,
    margin_held: int,
    rate_e9: int,
    maintenance_ratio_e9: int,
    fee_rate_e9: int,
) -> tuple[int, int]:
    """Maintenance and threshold of one row by the scalar rulebook."""
    paid = twilight.funding_paid_e9(side, rate_e9)
    maintenance = twilight.maintenance_margin_e9(
        side, entry_value, initial_margin, maintenance_ratio_e9, fee_rate_e9, paid
    )
    threshold = twilight.liquidation_threshold_ticks(side, position_size, entry_value, margin_held, maintenance)
    return maintenance, threshold
