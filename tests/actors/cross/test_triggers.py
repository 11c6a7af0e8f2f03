"""Stops and take-profits of cross accounts: armed with what they say, fired by the mark, cut, held or ended then."""

import pytest

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.cross.entering import (
    BUY,
    CASH,
    GTC,
    IOC,
    LIMIT,
    MARK,
    MARKET,
    MARKET_FLAG,
    PLACE,
    REDUCE_ONLY,
    SELL,
    STOP,
    TAKE_PROFIT,
    VENUE,
    K,
    amend,
    enter,
    entry_book,
    market_terms,
    order,
    order_number,
    set_mark,
    state,
)

FIRST = order_number(0)
ARMED = common.OUTCOME_STATUS_ARMED


def stand(book, lots: int, account: int = 1) -> None:
    book.positions.move(account, 1, lots, lots * MARK * K)


def trigger(command: int, side: int, at: int, what: int = STOP, size: int = 10, **cells):
    named = {"kind": MARKET, "limit": 0} | cells
    return order(command, 1, side, size, trigger=what, trigger_ticks=at, **named)


def fire(book, mark: int, **columns):
    """The next block, in which the mark is here."""
    book.height += 1
    set_mark(book, 1, mark)
    return enter(book, **columns)


def test_armed_it_holds_nothing_and_says_what_it_waits_for():
    book = entry_book()
    told = enter(book, orders=[trigger(0, SELL, 9_800, limit=9_700, kind=LIMIT, client_id=8, flags=REDUCE_ONLY)])
    ((key, event),) = told.events
    assert key == (9, 0, 0, FIRST) and (event.venue, event.market, event.account) == (VENUE, 1, 1)
    assert event.order_armed == events.OrderArmed(
        order=FIRST,
        client_order_id=8,
        side=common.SIDE_SHORT,
        trigger=STOP,
        trigger_ticks=9_800,
        limit_ticks=9_700,
        size_lots=10,
        flags=REDUCE_ONLY,
    )
    assert told.answers[0] == (ARMED, 0, 0, 0, FIRST, 9_800, 0, 0, 10)
    assert told.ops == told.caps == [] and book.health(1).holds == 0
    assert book.orders.armed(1) == [FIRST] and book.orders.by_client(1, 8) == FIRST


@pytest.mark.parametrize(
    ("side", "kind", "fires_at"),
    [(BUY, STOP, MARK), (SELL, STOP, MARK), (BUY, TAKE_PROFIT, MARK), (SELL, TAKE_PROFIT, MARK)],
)
def test_a_price_the_mark_meets_already_is_refused(side, kind, fires_at):
    """Inclusive: at the mark it would fire, a tick away from it, on the side it waits for, it is armed."""
    book = entry_book()
    away = side if kind == STOP else -side
    bad = (refusals.REFUSAL_BAD_TRIGGER_PRICE, MARK)
    assert enter(book, orders=[trigger(0, side, fires_at, kind)]).refusal(0) == (*bad, fires_at)
    assert enter(book, orders=[trigger(0, side, fires_at - away, kind)]).refusal(0) == (*bad, fires_at - away)
    assert enter(book, orders=[trigger(0, side, 0, kind)]).refusal(0) == (*bad, 0)
    assert enter(book, orders=[trigger(0, side, fires_at + away, kind)]).answers[0][0] == ARMED
    assert fire(book, fires_at).ops == []
    assert fire(book, fires_at + away).ops[0][:4] == (3, -1, FIRST, VENUE)


def test_refused_before_it_is_armed_like_an_order_but_for_margin_and_position():
    book = entry_book()
    book.set_market(market_terms(1, min_notional_atoms=10 * MARK * K))
    book.accounts.post(1, free=-CASH)
    told = enter(
        book,
        orders=[
            trigger(0, BUY, MARK + 5, size=9),
            trigger(1, BUY, MARK + 5, kind=LIMIT, limit=19_501),
            trigger(2, BUY, MARK + 5),
            trigger(3, BUY, MARK + 5, flags=REDUCE_ONLY, size=1),
        ],
    )
    assert told.refusal(0) == (refusals.REFUSAL_MIN_NOTIONAL, 10 * MARK * K, 9 * MARK * K)
    assert told.refusal(1) == (refusals.REFUSAL_TOO_FAR_FROM_ORACLE, 19_500, 19_501)
    assert told.answers[2][0] == told.answers[3][0] == ARMED
    set_mark(book, 1, state=common.MARK_STATE_REDUCE_ONLY)
    told = enter(book, orders=[trigger(4, BUY, MARK + 5), trigger(5, SELL, MARK - 5, flags=REDUCE_ONLY)])
    assert told.refusal(4) == (refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, 12)
    assert told.answers[5][0] == ARMED


def test_fired_it_is_an_order_with_a_hold_and_goes_to_the_book_before_the_commands():
    book = entry_book()
    enter(book, orders=[trigger(0, BUY, 10_100, kind=LIMIT, limit=10_200, client_id=3)])
    told = fire(book, 10_150, orders=[order(0, 2)])
    assert told.ops[0] == (3, -1, FIRST, VENUE, 1, 1, PLACE, BUY, 10_200, 10, 0, GTC, 0, 1, 3, 0)
    assert [op[0] for op in told.ops] == [3, 4] and told.answers == {}
    ((key, event),) = told.events
    assert key == (9, -1, 0, 2 * FIRST)
    assert event.order_triggered == events.OrderTriggered(order=FIRST, trigger_ticks=10_100, mark_ticks=10_150)
    row = book.orders.read(FIRST)
    assert book.orders.armed(1) == [] and (row.trigger, row.trigger_ticks) == (0, 0)
    worst = 10 * 10_200 * K
    assert book.health(1).holds == 10 * 10_150 * K // 20 + worst // 2_000 + 10 * 50 * K
    assert fire(book, 10_150).ops == []


@pytest.mark.parametrize(("side", "at", "mark", "worst"), [(BUY, 10_100, 10_101, 10_607), (SELL, 9_900, 9_899, 9_404)])
def test_a_market_trigger_gets_its_protection_price_when_it_fires(side, at, mark, worst):
    book = entry_book()
    enter(book, orders=[trigger(0, side, at)])
    assert book.orders.read(FIRST).limit == 0
    told = fire(book, mark)
    assert told.ops[0][7:13] == (side, worst, 10, 0, IOC, MARKET_FLAG)
    assert book.orders.read(FIRST).limit == worst


def test_reduce_only_is_cut_to_the_position_and_the_book_hears_where_it_stands():
    book = entry_book()
    stand(book, 4)
    enter(book, orders=[trigger(0, SELL, 9_900, flags=REDUCE_ONLY)])
    told = fire(book, 9_900)
    assert told.ops[0][7:10] == (SELL, 9_405, 4)
    assert told.caps == [(VENUE, 1, 1, 4, 0)]
    row = book.orders.read(FIRST)
    assert (row.size, row.remaining) == (4, 4) and book.health(1).holds == 0


def done(told) -> events.OrderDone:
    """What ended a trigger that fired: two events, one key after the other, no operation and no answer."""
    (first, fired), (second, ended) = told.events
    assert fired.WhichOneof("body") == "order_triggered"
    assert (first, second) == ((9, -1, 0, 2 * FIRST), (9, -1, 0, 2 * FIRST + 1))
    assert told.ops == told.caps == [] and told.answers == {}
    return ended.order_done


def test_what_refuses_it_then_ends_it():
    """Reduce-only without a position, no margin, frozen, liquidated in this block."""
    book = entry_book()
    enter(book, orders=[trigger(0, SELL, 9_900, flags=REDUCE_ONLY)])
    ended = done(fire(book, 9_900))
    assert (ended.refusal, ended.required, ended.actual) == (refusals.REFUSAL_REDUCE_ONLY, 0, 10)
    assert (ended.order, ended.side, ended.remaining_lots) == (FIRST, common.SIDE_SHORT, 10)
    assert not ended.was_armed and not ended.was_resting
    assert FIRST not in book.orders

    book = entry_book()
    enter(book, orders=[trigger(0, SELL, 9_900)])
    book.accounts.post(1, free=1 - CASH)
    ended = done(fire(book, 9_900))
    added = 10 * 9_900 * K // 20 + 10 * 9_405 * K // 2_000 + 1 + 10 * 495 * K
    assert (ended.refusal, ended.required, ended.actual) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, added, 1)
    assert ended.price_ticks == 9_405

    book = entry_book()
    enter(book, orders=[trigger(0, SELL, 9_900)])
    book.accounts.freeze(1, True)
    assert done(fire(book, 9_900)).refusal == refusals.REFUSAL_ACCOUNT_FROZEN


def test_they_fire_by_number_over_all_markets_and_only_where_the_mark_may_be_used():
    book = entry_book()
    rows = [trigger(2, BUY, 10_100), trigger(0, BUY, 10_050), trigger(1, BUY, 10_050, market=2)]
    enter(book, orders=rows)
    set_mark(book, 2, 10_200)
    told = fire(book, 10_200)
    assert [op[2] for op in told.ops] == [order_number(command) for command in range(3)]

    book = entry_book()
    enter(book, orders=rows)
    for stopped in (common.MARK_STATE_HALTED, common.MARK_STATE_TRIPPED, common.MARK_STATE_REDUCE_ONLY):
        set_mark(book, 1, 10_200, stopped)
        assert enter(book).ops == [] and len(book.orders.armed(1)) == 2


def test_an_armed_trigger_is_amended_here():
    book = entry_book()
    enter(book, orders=[trigger(0, BUY, 10_100, kind=LIMIT, limit=10_200)])
    told = enter(book, amends=[amend(4, FIRST, 25, 10_300)])
    ((key, event),) = told.events
    assert key == (9, 4, 0, FIRST)
    assert event.order_amended == events.OrderAmended(
        order=FIRST,
        side=common.SIDE_LONG,
        price_ticks_before=10_200,
        price_ticks=10_300,
        remaining_lots_before=10,
        remaining_lots=25,
    )
    assert told.ops == [] and told.answers[4] == (ARMED, 0, 0, 0, FIRST, 10_100, 0, 0, 25)
    assert enter(book, amends=[amend(5, FIRST, 25, 19_501)]).refusal(5)[0] == refusals.REFUSAL_TOO_FAR_FROM_ORACLE
    assert fire(book, 10_100).ops[0][8:10] == (10_300, 25)


def test_firing_is_undone_with_the_staging():
    book = entry_book()
    stand(book, 4)
    enter(book, orders=[trigger(0, SELL, 9_900, flags=REDUCE_ONLY), trigger(1, SELL, 9_900, size=20_000)])
    set_mark(book, 1, 9_900)
    before = state(book)
    book.log.open()
    told = enter(book)
    assert len(told.ops) == 1 and len(book.orders) == 1
    book.log.roll_back()
    assert state(book) == before and book.orders.triggered(1, 9_900) == [FIRST, order_number(1)]
    assert enter(book) == told
