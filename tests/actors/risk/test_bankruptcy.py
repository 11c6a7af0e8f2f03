"""Equity shares, bankruptcy quotes and limits: sums that add up and limits that leave nobody short (MT-12, MT-15)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk import bankruptcy
from actors.units import PRICE_BOUND

amounts = st.integers(-(2**59), 2**59)
sizes = st.integers(1, 2**40)


def test_equity_is_shared_by_maintenance_and_adds_up() -> None:
    assert bankruptcy.equity_shares_atoms(100, [1, 1, 1]) == [33, 33, 34]
    assert bankruptcy.equity_shares_atoms(-100, [1, 1, 1]) == [-34, -33, -33]
    assert bankruptcy.equity_shares_atoms(100, [0, 3, 1]) == [0, 75, 25]
    with pytest.raises(AssertionError, match="positive in sum"):
        bankruptcy.equity_shares_atoms(100, [0, 0])


@given(amounts, st.lists(st.integers(0, 2**59), min_size=1, max_size=8).filter(any))
def test_shares_add_up_and_differ_from_the_exact_part_by_less_than_an_atom(total: int, weights: list[int]) -> None:
    shares = bankruptcy.split_by_cumulative_floor(total, weights)
    assert sum(shares) == total
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share * sum(weights) - total * weight) < sum(weights)


def test_mt15_closing_everything_at_its_bankruptcy_quote_ends_at_zero() -> None:
    """A long worth 5,000 and a short worth 3,000 on a cash of -1,900: equity 100 before, 0 after."""
    positions, cash, mark = [(50, 100), (-30, 100)], -1_900, 1
    equity = cash + sum(lots * price * mark for lots, price in positions)
    shares = bankruptcy.equity_shares_atoms(equity, [250, 150])
    assert equity == 100 and shares == [62, 38]
    quotes = [
        bankruptcy.bankruptcy_quote_atoms(lots, price, mark, share)
        for (lots, price), share in zip(positions, shares, strict=True)
    ]
    assert quotes == [4_938, -3_038]
    assert cash + sum(quotes) == 0


def test_a_limit_is_rounded_so_that_the_account_keeps_what_its_share_covers() -> None:
    assert bankruptcy.bankruptcy_limit_ticks(10, 1_001, 10) == 11
    assert bankruptcy.bankruptcy_limit_ticks(10, -5, 10) == 1
    assert bankruptcy.bankruptcy_limit_ticks(-10, -1_099, 10) == 10
    assert bankruptcy.bankruptcy_limit_ticks(-10, -99, 10) is None
    assert bankruptcy.bankruptcy_limit_ticks(-10, 5, 10) is None
    assert bankruptcy.bankruptcy_limit_ticks(1, PRICE_BOUND, 1) is None
    assert bankruptcy.bankruptcy_limit_ticks(1, PRICE_BOUND - 1, 1) == PRICE_BOUND - 1
    assert bankruptcy.bankruptcy_limit_ticks(-1, -PRICE_BOUND, 1) == PRICE_BOUND - 1
    with pytest.raises(AssertionError, match="no position"):
        bankruptcy.bankruptcy_limit_ticks(0, 5, 10)


@given(st.integers(-(2**30), 2**30).filter(bool), st.integers(-(2**59), 2**59), st.integers(1, 1_000))
def test_a_fill_at_the_limit_covers_the_quote_and_one_tick_worse_does_not(lots: int, quote: int, per_tick: int) -> None:
    limit = bankruptcy.bankruptcy_limit_ticks(lots, quote, per_tick)
    if limit is not None:
        worse = limit - 1 if lots > 0 else limit + 1
        assert lots * limit * per_tick >= quote
        assert lots * worse * per_tick < quote or worse in (0, PRICE_BOUND)


@given(amounts, sizes, st.data())
def test_parts_of_a_quote_add_up_and_never_leave_the_closed_account_short(
    quote: int, whole: int, data: st.DataObject
) -> None:
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, whole), max_size=5))), whole]
    parts = [bankruptcy.quote_part_ceil_atoms(quote, low, high, whole) for low, high in pairwise(cuts)]
    assert sum(parts) == quote
    for at, cut in enumerate(cuts[1:], 1):
        assert sum(parts[:at]) * whole >= quote * cut


def test_mt16a_the_fund_pays_fully_or_not_at_all() -> None:
    assert bankruptcy.deficit_atoms(-7) == 7 and bankruptcy.deficit_atoms(0) == bankruptcy.deficit_atoms(7) == 0
    assert bankruptcy.fund_can_pay(8, 7) and bankruptcy.fund_can_pay(7, 7) and not bankruptcy.fund_can_pay(6, 7)
    assert bankruptcy.fund_can_pay(0, 0)
