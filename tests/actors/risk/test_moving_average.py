"""Integer averages against exact rationals and against the exponential they stand for (MT-09)."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.moving_average import (
    DAYS_30,
    HOURS_8,
    Q32,
    SECONDS_30,
    SECONDS_150,
    Average,
    TimeConstant,
    after,
    average_of,
    decay_floor_q32,
    is_empty,
    multiple_floor,
    numbers_of,
    value_half_away,
    with_sample,
)

# The time constant in units.
UNITS = {SECONDS_30: 30_000, SECONDS_150: 150_000, HOURS_8: 28_800, DAYS_30: 2_592_000}
CONSTANTS = st.sampled_from(sorted(UNITS))


def exponential(units: int, constant: TimeConstant) -> Decimal:
    with localcontext() as context:
        context.prec = 40
        return (-Decimal(units) / UNITS[constant]).exp()


@pytest.mark.parametrize("constant", UNITS)
def test_mt_09_the_listed_constants_are_the_exponential_of_one_unit_to_nearest(constant: TimeConstant) -> None:
    assert constant.decay_q32 == int((exponential(1, constant) * Q32).to_integral_value())
    assert constant.unit_ms * UNITS[constant] in (30_000, 150_000, 8 * 3_600_000, 30 * 24 * 3_600_000)


@given(CONSTANTS, st.integers(0, 1 << 40))
def test_a_decay_is_below_the_exact_power_by_less_than_a_step_a_unit(constant: TimeConstant, units: int) -> None:
    found = decay_floor_q32(constant, units)
    if units > 50 * UNITS[constant]:
        assert found == 0
        return
    exact = exponential(units, constant) * Q32
    # The listed constant is off by half a step, squaring and multiplying lose one each, per unit times what is left.
    allowed = 2 * exact * units / Q32 + 2 * units.bit_length() + 2
    assert -allowed <= found - exact <= allowed
    assert decay_floor_q32(constant, units + 1) <= found


@pytest.mark.parametrize("constant", UNITS)
def test_a_time_constant_leaves_a_part_in_e(constant: TimeConstant) -> None:
    part = Decimal(decay_floor_q32(constant, UNITS[constant])) / Q32
    assert abs(part / exponential(UNITS[constant], constant) - 1) < Decimal("0.001")


@given(
    CONSTANTS,
    st.lists(
        st.tuples(st.integers(1, 100_000), st.one_of(st.none(), st.integers(-(1 << 41), 1 << 41))),
        min_size=1,
        max_size=30,
    ),
)
def test_mt_09_integers_stay_within_the_stated_bound_of_the_rationals(
    constant: TimeConstant, steps: list[tuple[int, int | None]]
) -> None:
    average, num, den = Average(), Fraction(0), Fraction(0)
    largest = 1
    for units, sample in steps:
        left = Fraction(decay_floor_q32(constant, units), Q32)
        emptied = is_empty(after(average, constant, units))
        num, den = (Fraction(0), Fraction(0)) if emptied else (num * left, den * left)
        if sample is None:
            average = after(average, constant, units)
        else:
            average = with_sample(average, constant, units, sample)
            num, den, largest = num + sample * units, den + units, max(largest, abs(sample))
        value = value_half_away(average)
        if value is None:
            assert is_empty(average)
        else:
            bound = Fraction(largest, 1 << 25) if sample is not None else Fraction(largest, 1 << 17)
            assert abs(value - num / den) <= bound + Fraction(1, 2)


@given(CONSTANTS, st.integers(-(1 << 41), 1 << 41), st.lists(st.integers(0, 10**6), min_size=1, max_size=20))
def test_a_constant_sample_is_its_own_average(constant: TimeConstant, sample: int, steps: list[int]) -> None:
    average = Average()
    for units in steps:
        average = with_sample(average, constant, units, sample)
    value = value_half_away(average)
    assert value is not None
    assert abs(value - sample) <= (abs(sample) >> 25) + 1


@given(CONSTANTS, st.integers(1, 1 << 38), st.integers(1, 1 << 38))
def test_it_converges_to_a_new_level_as_the_exponential_says(constant: TimeConstant, old: int, new: int) -> None:
    average = Average()
    step = UNITS[constant] // 100
    for _ in range(1_500):
        average = with_sample(average, constant, step, old)
    for _ in range(100):
        average = with_sample(average, constant, step, new)
    value = value_half_away(average)
    assert value is not None
    # One time constant later a part in e of the old level is left.
    expected = new + (old - new) * exponential(UNITS[constant], constant)
    assert abs(value - expected) <= abs(old - new) * Decimal("0.001") + (max(old, new) >> 24) + 1
    for _ in range(2_500):
        average = with_sample(average, constant, step, new)
    assert abs((value_half_away(average) or 0) - new) <= (max(old, new) >> 24) + 1


def test_without_samples_the_value_stays_until_it_is_forgotten() -> None:
    average = with_sample(with_sample(Average(), SECONDS_30, 0, 700), SECONDS_30, 500, 700)
    kept = after(average, SECONDS_30, 300_000)
    assert (value_half_away(kept), multiple_floor(kept, 10)) == (700, 7_000)
    gone = after(average, SECONDS_30, 900_000)
    assert (value_half_away(gone), multiple_floor(gone, 10)) == (None, None)
    assert value_half_away(with_sample(gone, SECONDS_30, 10, -3), divisor=2) == -2  # half away from zero


@given(st.integers(-(1 << 110), 1 << 110), st.integers(0, 1 << 110))
def test_an_average_is_int64_numbers_and_back(num: int, den: int) -> None:
    numbers = numbers_of(Average(num, den))
    assert all(-(1 << 63) <= number < 1 << 63 for number in numbers)
    assert average_of(numbers) == Average(num, den)
