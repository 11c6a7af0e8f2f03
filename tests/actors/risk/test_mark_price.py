"""Margin Trade's mark: medians, inputs as far as they are, caps (MT-09)."""

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk.mark_price import (
    NO_BOOK,
    NUMBERS,
    BookTop,
    MarkMemory,
    book_price_ticks,
    median_ticks,
    price_bound_ticks,
    weighted_median_ticks,
)
from actors.units import PRICE_BOUND, TOTAL_BOUND
from node.margin_presets import margin_trade_market
from tests.building import market

BOUND = PRICE_BOUND
START_MS = 1_760_001_000_000


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 6)), min_size=1, max_size=9))
def test_the_weighted_median_is_the_middle_of_the_prices_repeated_by_weight(votes: list[tuple[int, int]]) -> None:
    prices = sorted(price for price, weight in votes for _ in range(weight))
    low, high = prices[(len(prices) - 1) // 2], prices[len(prices) // 2]
    assert weighted_median_ticks(votes) == (low + high + 1) // 2
    assert weighted_median_ticks(votes[::-1]) == weighted_median_ticks(votes)


@given(st.lists(st.integers(1, 1 << 39), min_size=1, max_size=5))
def test_the_median_is_that_of_the_library_half_up(prices: list[int]) -> None:
    assert 2 * median_ticks(prices) in (2 * median(prices), 2 * median(prices) + 1)


@pytest.mark.parametrize(
    ("top", "price"),
    [
        (NO_BOOK, None),
        (BookTop(best_bid_ticks=100, last_ticks=90), None),
        (BookTop(best_ask_ticks=100, last_ticks=90), None),
        (BookTop(100, 103), 102),  # no trade yet: the mean, half up
        (BookTop(100, 103, 90), 100),
        (BookTop(100, 103, 102), 102),
        (BookTop(100, 103, 900), 103),
    ],
)
def test_mt_09_the_book_s_price_needs_both_sides(top: BookTop, price: int | None) -> None:
    assert book_price_ticks(top) == price


def test_mt_09_the_mark_is_the_median_of_three() -> None:
    memory = MarkMemory()
    # Oracle plus basis: 1,000 + 100; the book: 1,102 by its last trade; perpetuals: 1,050.
    assert memory.step(START_MS, 1_000, BookTop(1_098, 1_102, 1_150), 1_050, 0, BOUND) == 1_100
    assert memory.step(START_MS + 500, 1_000, BookTop(1_098, 1_102, 1_101), 1_300, 1_100, BOUND) == 1_101


def test_mt_09_of_two_inputs_the_book_s_30_second_average_makes_three() -> None:
    memory = MarkMemory()
    top = BookTop(1_098, 1_102, 1_150)
    for step in range(61):
        now_ms = START_MS + 500 * step
        memory.step(now_ms, 1_000, top, 1_100, 1_100, BOUND)
    # No book: oracle plus basis is 900, perpetuals 1,500, the book's average still 1,102.
    assert memory.step(START_MS + 31_000, 800, NO_BOOK, 1_500, 1_100, BOUND) == 1_102
    # No perpetuals: oracle plus basis is 1,500, the book 1,310, its average of before.
    found = memory.step(START_MS + 31_500, 1_400, BookTop(1_300, 1_320, 1_310), None, 1_100, BOUND)
    assert found == 1_310


def test_mt_09_of_two_inputs_without_such_an_average_it_is_their_mean() -> None:
    assert MarkMemory().step(START_MS, 1_000, NO_BOOK, 1_005, 0, BOUND) == 1_003


def test_mt_09_with_fewer_than_two_inputs_the_last_mark_stays_the_first_follows_the_oracle() -> None:
    memory = MarkMemory()
    assert memory.step(START_MS, 1_000, NO_BOOK, None, 0, BOUND) == 1_000
    assert memory.step(START_MS + 500, 1_200, NO_BOOK, None, 1_000, BOUND) == 1_000


def test_mt_09_the_basis_is_an_average_over_150_seconds() -> None:
    memory = MarkMemory()
    for step in range(3_001):  # ten time constants at a basis of 100
        memory.step(START_MS + 500 * step, 1_000, BookTop(1_090, 1_110), 1_000, 1_100, BOUND)
    start_ms = START_MS + 1_500_000
    for step in range(1, 301):  # one at a basis of 0: a part in e of 100 is left
        now_ms = start_ms + 500 * step
        found = memory.step(now_ms, 1_000, BookTop(999, 1_001, 5_000), 5_000, 1_000, BOUND)
    assert found == 1_037  # between the book, 1,001, and the perpetuals


def test_mt_09_the_mark_is_capped_at_ten_times_its_8_hour_average() -> None:
    memory = MarkMemory()
    mark = memory.step(START_MS, 100, NO_BOOK, 100, 0, BOUND)
    mark = memory.step(START_MS + 1_000, 5_000, NO_BOOK, 5_000, mark, BOUND)
    assert mark == 1_000
    # The cap rises with the average: 100 for no time at all, 1,000 for one second.
    assert memory.step(START_MS + 2_000, 50_000, NO_BOOK, 50_000, mark, BOUND) > 5_000


def test_mt_09_the_oracle_is_capped_at_four_times_the_30_day_average_of_the_mark() -> None:
    memory = MarkMemory()
    assert memory.oracle_capped_ticks(10**9) == 10**9  # nothing to go by yet
    for step in range(100):
        memory.step(START_MS + 1_000 * step, 100, NO_BOOK, 100, 100, BOUND)
    assert [memory.oracle_capped_ticks(ticks) for ticks in (399, 400, 401)] == [399, 400, 400]


def test_a_mark_stays_below_its_market_s_bound_and_above_zero() -> None:
    assert MarkMemory().step(START_MS, 900, NO_BOOK, 1_100, 0, 1_000) == 999
    falling = MarkMemory()
    falling.step(START_MS, 1_000, BookTop(1, 2), None, 0, BOUND)
    assert falling.step(START_MS + 500, 10, NO_BOOK, 1, 1, BOUND) == 1


@given(st.sampled_from(("BTC", "ETH", "ALGO")), st.integers(1, (1 << 44) - 1))
def test_all_lots_the_cap_allows_are_worth_less_than_a_total_at_any_price(asset: str, cap_lots: int) -> None:
    made = margin_trade_market(1, asset)
    made.margin_trade.open_interest_cap_lots = cap_lots
    bound = price_bound_ticks(made)
    assert bound <= PRICE_BOUND
    assert cap_lots * made.margin_trade.quote_atoms_per_tick_lot * (bound - 1) < TOTAL_BOUND
    assert price_bound_ticks(market(1)) == PRICE_BOUND


PRICES = st.integers(1, 1 << 39)
TOPS = st.one_of(
    st.just(NO_BOOK), st.builds(lambda bid, up, last: BookTop(bid, bid + up, last), PRICES, PRICES, PRICES)
)
STEPS = st.lists(
    st.tuples(st.integers(0, 4_000_000), PRICES, TOPS, st.one_of(st.none(), PRICES), st.booleans()),
    min_size=1,
    max_size=12,
)


@given(STEPS)
def test_a_memory_of_its_numbers_goes_on_as_if_nothing_had_been(
    steps: list[tuple[int, int, BookTop, int | None, bool]],
) -> None:
    memory, now_ms, mark = MarkMemory(), START_MS, 0
    for wait_ms, oracle, top, perp, held in steps:
        now_ms += wait_ms
        numbers = memory.numbers()
        assert len(numbers) == NUMBERS
        assert all(-(1 << 63) <= number < 1 << 63 for number in numbers)
        copy = MarkMemory.of_numbers(numbers)
        assert copy.oracle_capped_ticks(oracle) == memory.oracle_capped_ticks(oracle)
        if held:
            memory.hold(now_ms)
            copy.hold(now_ms)
        else:
            found = copy.step(now_ms, oracle, top, perp, mark, BOUND)
            mark = memory.step(now_ms, oracle, top, perp, mark, BOUND)
            assert found == mark
            assert 0 < mark < BOUND
        assert copy.numbers() == memory.numbers()
