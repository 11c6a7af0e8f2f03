"""The points inside a bar: corners in their order, straight lines between, half up to whole ticks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.load.bars import QUOTE_E18, Bar, PriceFileError
from node.load.price_path import bar_ticks, price_path, quoted

USD_E9 = 10**9


def _bar(open_: int, high: int, low: int, close: int, time_ms: int = 60_000, cents: bool = False) -> Bar:
    unit = QUOTE_E18 // 100 if cents else QUOTE_E18
    return Bar(time_ms, open_ * unit, high * unit, low * unit, close * unit, "prices.csv: line 2")


def test_the_extreme_nearer_the_open_comes_first() -> None:
    assert bar_ticks(_bar(100, 130, 90, 120), 4, USD_E9) == [100, 90, 130, 120]
    assert bar_ticks(_bar(100, 110, 70, 80), 4, USD_E9) == [100, 110, 70, 80]


def test_the_low_comes_first_where_both_are_as_near() -> None:
    assert bar_ticks(_bar(100, 110, 90, 100), 4, USD_E9) == [100, 90, 110, 100]


def test_twelve_points_are_linear_between_the_corners() -> None:
    assert bar_ticks(_bar(100, 140, 80, 120), 12, USD_E9) == [100, 95, 90, 85, 80, 100, 120, 140, 135, 130, 125, 120]


def test_prices_are_rounded_half_up() -> None:
    assert bar_ticks(_bar(10_050, 10_149, 10_049, 10_149, cents=True), 4, USD_E9) == [101, 100, 101, 101]


def test_points_are_spread_evenly_over_the_minute() -> None:
    points = price_path([_bar(100, 100, 100, 100, 60_000), _bar(100, 100, 100, 100, 120_000)], 12, USD_E9)
    assert [point.time_ms for point in points] == [60_000 + 5_000 * step for step in range(24)]


def test_a_bar_ends_where_the_next_begins() -> None:
    points = price_path([_bar(1, 1, 1, 1, 60_000), _bar(1, 1, 1, 1, 64_000)], 4, USD_E9)
    assert [point.time_ms for point in points] == [60_000, 61_000, 62_000, 63_000, 64_000, 79_000, 94_000, 109_000]


def test_a_price_of_no_tick_names_its_line() -> None:
    with pytest.raises(PriceFileError, match=r"prices\.csv: line 2: a price comes to 0 ticks"):
        price_path([_bar(49, 49, 49, 49, cents=True)], 12, USD_E9)


@pytest.mark.parametrize("ticks_per_bar", [0, 121])
def test_too_few_or_too_many_points_are_refused(ticks_per_bar: int) -> None:
    with pytest.raises(ValueError, match="must be 1 to 120"):
        price_path([_bar(1, 1, 1, 1)], ticks_per_bar, USD_E9)


def test_with_few_points_a_bar_ends_at_its_close() -> None:
    bar = _bar(4, 9, 1, 5)
    assert bar_ticks(bar, 1, USD_E9) == [5]
    assert bar_ticks(bar, 3, USD_E9) == [1, 9, 5]


@given(
    st.lists(st.integers(50, 10**9), min_size=4, max_size=4),
    st.integers(4, 120),
)
def test_every_bar_touches_its_four_prices_and_stays_within_them(cents: list[int], ticks_per_bar: int) -> None:
    low, first, second, high = sorted(cents)
    ticks = bar_ticks(_bar(first, high, low, second, cents=True), ticks_per_bar, USD_E9)
    rounded = {name: (value + 50) // 100 for name, value in (("o", first), ("h", high), ("l", low), ("c", second))}
    assert len(ticks) == ticks_per_bar
    assert (ticks[0], ticks[-1], max(ticks), min(ticks)) == (rounded["o"], rounded["c"], rounded["h"], rounded["l"])


@pytest.mark.parametrize(
    ("ticks", "tick_size_e9", "text"),
    [(67_645, 10**9, "67,645"), (1_170_053, 10**8, "117,005.3"), (32_970, 10**4, "0.32970"), (7, 25 * 10**7, "1.75")],
)
def test_a_price_is_quoted_with_the_decimals_of_its_tick(ticks: int, tick_size_e9: int, text: str) -> None:
    assert quoted(ticks, tick_size_e9) == text
