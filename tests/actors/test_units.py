"""Integer arithmetic: what each rounding means, and the compiled twins equal to it."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor, trunc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors import units, units_kernels

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1

words = st.one_of(
    st.integers(INT64_MIN, INT64_MAX),
    st.integers(-1000, 1000),
    st.sampled_from([INT64_MIN, INT64_MIN + 1, INT64_MAX, 1 << 32, (1 << 32) - 1, -(1 << 32), 1 << 62, units.E9]),
)
divisors = st.one_of(st.integers(1, INT64_MAX), st.integers(1, 1000), st.sampled_from([1, 1 << 32, 1 << 62, INT64_MAX]))


@pytest.mark.parametrize(
    ("divide", "expected"),
    [
        (units.div_floor, [-4, -3, -2, 2, 3, 3]),
        (units.div_ceil, [-3, -3, -1, 3, 3, 4]),
        (units.div_half_away, [-4, -3, -2, 3, 3, 4]),
        (units.div_toward_zero, [-3, -3, -1, 2, 3, 3]),
    ],
)
def test_each_rounding_says_where_the_fraction_goes(divide: Callable[[int, int], int], expected: list[int]) -> None:
    assert [divide(numerator, 2) for numerator in (-7, -6, -3, 5, 6, 7)] == expected


@given(words, words, divisors)
def test_products_are_rounded_from_the_exact_value(left: int, right: int, divisor: int) -> None:
    exact = Fraction(left * right, divisor)
    assert units.mul_div_floor(left, right, divisor) == floor(exact)
    assert units.mul_div_ceil(left, right, divisor) == ceil(exact)
    assert units.mul_div_toward_zero(left, right, divisor) == trunc(exact)
    nearest = units.mul_div_half_away(left, right, divisor)
    assert abs(nearest - exact) <= Fraction(1, 2)
    if abs(nearest - exact) == Fraction(1, 2):
        assert abs(nearest) > abs(exact)


@pytest.mark.parametrize("divisor", [0, -1])
def test_a_divisor_that_is_not_positive_is_a_broken_assertion(divisor: int) -> None:
    with pytest.raises(AssertionError, match="divisor must be positive"):
        units.div_floor(1, divisor)


@pytest.mark.parametrize("wrong", [1.0, np.int64(1), "1"])
def test_only_python_ints_are_taken(wrong: object) -> None:
    with pytest.raises(AssertionError, match="must be a Python int"):
        units.mul_div_floor(wrong, 1, 1)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="must be a Python int"):
        units.mul_div_ceil(1, wrong, 1)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="must be a Python int"):
        units.div_floor(1, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kernel", "scalar"),
    [
        (units_kernels.mul_div_floor, units.mul_div_floor),
        (units_kernels.mul_div_ceil, units.mul_div_ceil),
    ],
)
@settings(max_examples=1000)
@given(left=words, right=words, divisor=divisors)
@example(left=INT64_MIN, right=1, divisor=1)
@example(left=INT64_MIN, right=INT64_MIN, divisor=INT64_MAX)
@example(left=INT64_MAX, right=-INT64_MAX, divisor=INT64_MAX)
@example(left=-1, right=1, divisor=INT64_MAX)
@example(left=0, right=-5, divisor=3)
def test_kernels_equal_python_or_refuse(
    kernel: Callable[[int, int, int], int], scalar: Callable[[int, int, int], int], left: int, right: int, divisor: int
) -> None:
    expected = scalar(left, right, divisor)
    if INT64_MIN <= expected <= INT64_MAX:
        assert kernel(left, right, divisor) == expected
    else:
        with pytest.raises(OverflowError, match="outside int64"):
            kernel(left, right, divisor)


@settings(max_examples=500)
@given(left=st.integers(0, INT64_MAX), right=st.integers(0, INT64_MAX), divisor=divisors, cap=st.integers(0, INT64_MAX))
@example(left=INT64_MAX, right=INT64_MAX, divisor=1, cap=1 << 62)
def test_capped_kernels_never_refuse(left: int, right: int, divisor: int, cap: int) -> None:
    floored = units_kernels.mul_div_floor_capped(left, right, divisor, cap)
    ceiled = units_kernels.mul_div_ceil_capped(left, right, divisor, cap)
    assert floored == min(cap, units.mul_div_floor(left, right, divisor))
    assert ceiled == min(cap, units.mul_div_ceil(left, right, divisor))


@pytest.mark.parametrize("kernel", [units_kernels.mul_div_floor, units_kernels.mul_div_ceil])
@pytest.mark.parametrize("divisor", [0, -1])
def test_kernels_refuse_a_divisor_that_is_not_positive(kernel: Callable[[int, int, int], int], divisor: int) -> None:
    with pytest.raises(ValueError, match="divisor must be positive"):
        kernel(1, 1, divisor)
