"""Who may be deleveraged, with what budget: the other side, solvent, at most once its equity over all markets."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cross.book import VAULT, CrossBook
from actors.ways import Way
from tests.actors.cross.laddering import LOT, MARK, K, ladder_book, place, ranked, set_mark


@pytest.fixture(params=Way)
def book(request: pytest.FixtureRequest) -> CrossBook:
    return ladder_book(way=request.param)


def test_mt15_only_the_other_side_with_equity_above_zero_stands(book: CrossBook) -> None:
    place(book, 1, 10**6, m1=10)
    place(book, 2, 10**6, m1=-4)
    place(book, 3, 0, m1=-4)
    place(book, 4, 1, m1=-4)
    place(book, 5, 10**6, m2=-4)
    place(book, VAULT, 10**7, m1=-6)
    assert ranked(book, (1, 1, 10)) == [
        (1, VAULT, -6, -6 * LOT, 10**7, 10**7),
        (1, 2, -4, -4 * LOT, 10**6, 10**6),
        (1, 4, -4, -4 * LOT, 1, 1),
    ]
    assert ranked(book, (1, 2, -4)) == [(1, 1, 10, 10 * LOT, 10**6, 10**6)]
    assert ranked(book) == []


def test_mt15_a_budget_is_the_share_of_the_demanded_markets_it_stands_in(book: CrossBook) -> None:
    place(book, 1, 1_000, m1=-1, m2=-2, m3=40)
    # Market 3 is demanded from the other side and market 2 not at all: neither takes a share.
    assert [row[0::5] for row in ranked(book, (1, 9, 5), (3, 9, 5))] == [(1, 1_000)]
    assert [row[0::5] for row in ranked(book, (1, 9, 5), (2, 9, 5))] == [(1, 333), (2, 666)]


def test_equity_is_taken_at_the_marks_of_all_markets(book: CrossBook) -> None:
    place(book, 1, 10**6, m1=-1, m2=10)
    set_mark(book, 2, MARK - 500)
    assert [row[4] for row in ranked(book, (1, 9, 5))] == [10**6 - 10 * 500 * K]


def test_demands_of_both_sides_of_a_market_find_both(book: CrossBook) -> None:
    for account, lots in ((5, 3), (4, -3), (6, 1)):
        place(book, account, 10**6, m1=lots, m2=-lots)
    found = ranked(book, (2, 4, 3), (1, 4, -3), (1, 5, 3))
    assert [(row[0], row[1]) for row in found] == [(1, 4), (1, 5), (1, 6), (2, 5), (2, 6)]
    assert sum(row[5] for row in found if row[1] == 5) <= 10**6


@settings(max_examples=40)
@given(st.data())
def test_kernel_and_scalar_rulebook_rank_the_same(data: st.DataObject) -> None:
    twins = ladder_book(), ladder_book(way=Way.BY_ROW)
    for account in range(data.draw(st.integers(1, 8))):
        equity = data.draw(st.integers(-(10**6), 10**7))
        lots = {f"m{market}": data.draw(st.integers(-40, 40)) for market in data.draw(st.sets(st.integers(1, 3)))}
        for book in twins:
            place(book, account, equity, **lots)
    for market in (1, 2, 3):
        mark = MARK + data.draw(st.integers(-900, 900))
        for book in twins:
            set_mark(book, market, mark)
    demands = data.draw(
        st.lists(st.tuples(st.integers(1, 3), st.integers(20, 30), st.sampled_from([-7, 3])), max_size=4)
    )
    kernel, scalar = (ranked(book, *demands) for book in twins)
    assert kernel == scalar
    for account in {row[1] for row in kernel}:
        assert sum(row[5] for row in kernel if row[1] == account) <= twins[0].health(account).equity
