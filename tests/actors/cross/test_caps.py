"""Caps: who the books hear of after a scan, and what admission adds to it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import RowGatherer, rows
from actors.cross.book import CrossBook
from actors.cross.caps import scan_caps
from actors.cross.settle import take_marks
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from tests.actors.cross.entering import (
    ACCOUNTS,
    BUY,
    CASH,
    MARK,
    MARKETS,
    REDUCE_ONLY,
    SELL,
    STOP,
    VAULT,
    VENUE,
    K,
    amend,
    enter,
    entry_book,
    order,
    order_number,
    set_mark,
)

SPARE = 100_000
orders = st.lists(
    st.tuples(
        st.sampled_from(ACCOUNTS),
        st.sampled_from(MARKETS),
        st.sampled_from((BUY, SELL)),
        st.integers(1, 3_000),
        st.integers(-700, 700),
        st.sampled_from((0, 0, REDUCE_ONLY)),
    ),
    max_size=24,
)


def stand(book: CrossBook, account: int, lots: int, market: int = 1) -> None:
    book.positions.move(account, market, lots, lots * MARK * K)


def caps_of(book: CrossBook) -> list[tuple[int, ...]]:
    gathered = RowGatherer(batches.PositionCaps)
    scan_caps(book, gathered)
    return list(rows(gathered.message()))


def caps_by_the_orders(book: CrossBook) -> list[tuple[int, ...]]:
    """The rows by the definition, from health and the orders themselves."""
    wanted = []
    for account in (VAULT, *ACCOUNTS):
        fails = int(book.health(account).free_margin < 0)
        for market in MARKETS:
            resting = [book.orders.read(number) for number in book.orders.of_account_in(account, market)]
            resting = [row for row in resting if row.is_resting]
            if any(fails or row.is_reduce_only for row in resting):
                wanted.append((VENUE, market, account, book.positions.lots(account, market), fails))
    return wanted


def new_marks(book: CrossBook, moves: dict[int, int], state: int = common.MARK_STATE_FRESH) -> None:
    """Marks as the oracle sends them: sums of resting orders are taken anew."""
    marks = [
        common.Mark(venue=VENUE, market=market, mark_ticks=mark, version=2, state=state, index_ticks=mark)
        for market, mark in moves.items()
    ]
    take_marks(book, marks)


def test_a_healthy_account_is_told_only_where_it_has_reduce_only_orders():
    book = entry_book()
    stand(book, 1, 10)
    enter(book, orders=[order(0, 1, SELL, 4), order(1, 1, BUY, 5, market=2), order(2, 2, BUY, 5)])
    assert caps_of(book) == [] and book.capped == set()
    enter(book, orders=[order(3, 1, SELL, 4, flags=REDUCE_ONLY)])
    assert caps_of(book) == [(VENUE, 1, 1, 10, 0)]
    assert book.capped == {book.positions.key(1, 1)}


def test_an_account_that_fails_is_told_in_every_market_with_its_orders():
    """A trigger is no order at a book, and a position without orders needs no cap."""
    book = entry_book()
    stand(book, 1, -10, market=2)
    enter(book, orders=[order(0, 1, BUY, 10), order(1, 1, BUY, 7, market=2), order(2, 3, BUY, 7)])
    stand(book, 2, 10)
    enter(book, orders=[order(3, 2, SELL, 10, market=2, trigger=STOP, trigger_ticks=MARK - 1)])
    for account in (1, 2):
        book.accounts.post(account, free=-CASH)
    assert caps_of(book) == [(VENUE, 1, 1, 0, 1), (VENUE, 2, 1, -10, 1)]


@pytest.mark.parametrize("chosen", [20, 10])
def test_by_one_atom(chosen):
    """At 10x, the leverage of the last tier, the rough bound is all but exact."""
    book = entry_book()
    enter(book, leverages=[(0, VENUE, 1, 1, chosen)], orders=[order(1, 1, BUY, 10)])
    book.accounts.post(1, free=book.health(1).holds - CASH)
    assert caps_of(book) == []
    book.accounts.post(1, free=-1)
    assert caps_of(book) == [(VENUE, 1, 1, 0, 1)]


@settings(max_examples=80)
@given(
    st.lists(st.integers(-4_000, 4_000), min_size=8, max_size=8),
    orders,
    st.tuples(st.integers(9_000, 11_000), st.integers(9_000, 11_000)),
    st.sampled_from((common.MARK_STATE_FRESH, common.MARK_STATE_HALTED)),
    st.sampled_from(Way),
)
def test_the_rough_bound_skips_nobody_who_fails(lots, drawn, marks, state, way):
    """At new marks, rows by the columns equal the rows by health and orders; the scalar book's, too."""
    book = entry_book()
    book.way = way
    for index, amount in enumerate(lots):
        stand(book, ACCOUNTS[index // 2], amount, MARKETS[index % 2])
    commands = [
        order(command, account, side, size, MARK + gap, market=market, flags=flags)
        for command, (account, market, side, size, gap, flags) in enumerate(drawn)
    ]
    enter(book, orders=commands)
    for account in ACCOUNTS[1:]:
        book.accounts.post(account, free=SPARE * account - book.health(account).free_margin)
    new_marks(book, dict(zip(MARKETS, marks, strict=True)), state)
    assert sorted(caps_of(book)) == sorted(caps_by_the_orders(book))


def test_admission_tells_the_first_reduce_only_order_of_a_market_once():
    book = entry_book()
    stand(book, 1, 10)
    stand(book, 2, 10)
    enter(book, orders=[order(0, 1, SELL, 1, flags=REDUCE_ONLY)])
    caps_of(book)
    reducing = [order(command, 1 + command % 2, SELL, 2, flags=REDUCE_ONLY) for command in range(1, 5)]
    told = enter(book, orders=[*reducing, order(6, 2, SELL, 1)])
    assert told.caps == [(VENUE, 1, 2, 10, 0)] and len(told.ops) == 5


def test_what_the_scan_told_of_an_account_that_fails_is_not_told_again():
    """The leverage of command 1 lets it pass again; the row of the scan stands, and admission adds none beside it."""
    book = entry_book()
    stand(book, 1, 100)
    enter(book, leverages=[(0, VENUE, 1, 1, 5)], orders=[order(1, 1, SELL, 1)])
    book.accounts.post(1, free=10_000_000 - CASH)
    assert caps_of(book) == [(VENUE, 1, 1, 100, 1)]
    told = enter(book, leverages=[(2, VENUE, 1, 1, 20)], orders=[order(3, 1, SELL, 2, flags=REDUCE_ONLY)])
    assert book.health(1).free_margin > 0
    assert told.caps == [] and len(told.ops) == 1


def test_admission_says_that_an_account_fails():
    book = entry_book()
    stand(book, 1, 100)
    book.accounts.post(1, free=-CASH)
    assert caps_of(book) == []
    told = enter(book, orders=[order(0, 1, SELL, 60, flags=REDUCE_ONLY), order(1, 1, SELL, 60)])
    assert told.caps == [(VENUE, 1, 1, 100, 1)] and len(told.ops) == 2


def test_an_amended_reduce_only_order_is_known_already():
    book = entry_book()
    stand(book, 1, 10)
    enter(book, orders=[order(0, 1, SELL, 4, flags=REDUCE_ONLY)])
    caps_of(book)
    told = enter(book, amends=[amend(1, order_number(0), 9)])
    assert told.caps == [] and len(told.ops) == 1


def test_a_new_scan_forgets_the_caps_of_the_last():
    book = entry_book()
    stand(book, 1, 10)
    enter(book, orders=[order(0, 1, SELL, 4, flags=REDUCE_ONLY)])
    caps_of(book)
    book.remove_order(order_number(0))
    assert caps_of(book) == [] and book.capped == set()
    set_mark(book, 1)
    assert enter(book, orders=[order(1, 1, SELL, 4, flags=REDUCE_ONLY)]).caps == [(VENUE, 1, 1, 10, 0)]
