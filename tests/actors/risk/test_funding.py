"""The funding kernel against the scalar rulebook, row by row (TW-04, TW-06, TW-08)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.risk.funding import apply_funding_step
from actors.rulebooks import twilight
from actors.units import E9, LONG, PRICE_BOUND, SHORT

Row = tuple[int, int, int, int, int, int]


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """side, size, entry value, initial margin, margin held, fee rate; narrow rows and rows too wide for 64 bits."""
    margin = draw(st.one_of(st.integers(1, 10_000_000), st.integers(1, 1 << 31)))
    value = twilight.entry_value_floor_atoms(margin, draw(st.integers(100, 5_000)))
    highest_entry = max(1, min(PRICE_BOUND - 1, (twilight.POSITION_SIZE_BOUND - 1) // value))
    entry = draw(st.one_of(st.integers(1, min(200_000, highest_entry)), st.integers(1, highest_entry)))
    held = margin + margin * draw(st.integers(-300, 300)) // 100
    fee = draw(st.sampled_from([200_000, 400_000]))
    return draw(st.sampled_from([LONG, SHORT])), twilight.position_size(value, entry), value, margin, held, fee


def expected(row: Row, mark: int, rate: int, ratio: int) -> tuple[int, int, int, int]:
    side, size, value, margin, held, fee = row
    payment = twilight.funding_payment_atoms(side, size, mark, rate)
    paid = twilight.funding_paid_e9(side, rate)
    maintenance = twilight.maintenance_margin_e9(side, value, margin, ratio, fee, paid)
    threshold = twilight.liquidation_threshold_ticks(side, size, value, held - payment, maintenance)
    return payment, held - payment, maintenance, threshold


@settings(max_examples=300)
@given(
    st.lists(rows(), max_size=6),
    st.one_of(st.integers(1, 200_000), st.integers(1, PRICE_BOUND - 1)),
    st.one_of(st.integers(-1_250_000, 1_250_000), st.integers(-(1 << 26), 1 << 26)),
    st.sampled_from([0, 4_000_000, 1 << 28]),
)
def test_every_row_equals_the_scalar_rulebook(positions: list[Row], mark: int, rate: int, ratio: int) -> None:
    columns = [np.array([row[field] for row in positions], dtype=np.int64) for field in range(6)]
    *state, held, fees = columns
    wanted = [expected(row, mark, rate, ratio) for row in positions]
    if any(maintenance >= 1 << 63 for _, _, maintenance, _ in wanted):
        with pytest.raises(OverflowError):
            apply_funding_step(*state, held, mark, rate, ratio, fees)
        return
    step = apply_funding_step(*state, held, mark, rate, ratio, fees)
    produced = (step.payments_atoms, held, step.maintenance_e9, step.thresholds_ticks)
    got = zip(*(column.tolist() for column in produced), strict=True)
    assert list(got) == wanted


def test_one_fee_rate_serves_all_rows_and_inputs_but_the_margin_stay() -> None:
    value, entry = 1_000_000, 50_000
    side, size = np.array([LONG, SHORT]), np.array([value * entry] * 2)
    values, margins, held = np.array([value] * 2), np.array([100_000] * 2), np.array([99_600] * 2)
    step = apply_funding_step(side, size, values, margins, held, entry, 1_250_000, 4_000_000, 400_000)
    assert step.payments_atoms.tolist() == [1_250, -1_250]
    assert held.tolist() == [98_350, 100_850]
    assert step.maintenance_e9.tolist() == [5_815 * E9, 4_360 * E9]
    assert margins.tolist() == [100_000] * 2


def test_a_maintenance_beyond_64_bits_is_refused_and_not_wrapped() -> None:
    value = 1 << 42
    columns = (np.array([number]) for number in (LONG, value, value, value // 2, value // 2))
    with pytest.raises(OverflowError):
        apply_funding_step(*columns, 1, 0, 4_000_000, 400_000)


@pytest.mark.parametrize(
    ("mark", "rate", "ratio", "fee", "complaint"),
    [
        (0, 0, 4_000_000, 400_000, "mark out of bounds"),
        (PRICE_BOUND, 0, 4_000_000, 400_000, "mark out of bounds"),
        (1, E9, 4_000_000, 400_000, "funding rate out of bounds"),
        (1, 0, -1, 400_000, "must not be negative"),
        (1, 0, 4_000_000, -1, "must not be negative"),
        (1, 0, 1 << 29, 0, "rates out of bounds"),
    ],
)
def test_numbers_out_of_bounds_are_broken_assertions(
    mark: int, rate: int, ratio: int, fee: int, complaint: str
) -> None:
    columns = (np.array([number]) for number in (LONG, 50_000, 10, 1, 1))
    with pytest.raises(AssertionError, match=complaint):
        apply_funding_step(*columns, mark, rate, ratio, fee)
