"""Withdrawals of cross accounts: what must stay behind, to the atom (MT-04)."""

from typing import Any

import pytest

from actors.columns import RowGatherer
from actors.cross.book import CrossBook
from actors.cross.payout import pay_out
from actors.sinks import AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.calling import pending_list
from tests.actors.cross.entering import (
    BUY,
    CASH,
    MARK,
    SELL,
    VENUE,
    K,
    enter,
    entry_book,
    order,
    order_number,
    set_mark,
)

LOT = MARK * K


def stand(book: CrossBook, lots: int, account: int = 1, market: int = 1) -> None:
    book.positions.move(account, market, lots, lots * LOT)


def pay(book: CrossBook, *amounts: int, account: int = 1) -> tuple[list[tuple[int, ...]], list[Any]]:
    """Withdrawals of these amounts; the answers without the command, and the events with their keys."""
    gathered = RowGatherer(batches.AmountRows)
    for command, amount in enumerate(amounts):
        gathered.add(command, VENUE, account, amount)
    sink = EventSink()
    answers = AnswerSink(sink)
    pay_out(book, gathered.message(), sink, answers)
    told, given = sink.message(), answers.message()
    listed = [
        (status, refusal, required, actual, reference, amount)
        for status, refusal, required, actual, reference, amount in zip(
            given.status,
            given.refusal,
            given.required,
            given.actual,
            given.reference,
            given.amount_atoms,
            strict=True,
        )
    ]
    keys = zip(told.phase, told.a, told.b, told.c, strict=True)
    return listed, [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(told), strict=True)]


def refusal(book: CrossBook, amount: int) -> tuple[int, ...]:
    before = book.dump()
    ((_, *why, _, _),), _ = pay(book, amount)
    assert book.dump() == before
    return tuple(why)


def test_cash_becomes_pending_under_the_number_of_the_command():
    book = entry_book()
    answers, told = pay(book, 400, CASH - 400, 1)
    assert answers[0] == (common.OUTCOME_STATUS_DONE, 0, 0, 0, order_number(0), 400)
    assert answers[2][:4] == (common.OUTCOME_STATUS_REFUSED, refusals.REFUSAL_WITHDRAWAL_MARGIN, 0, -1)
    (key, event), *_, (last_key, last) = told
    assert key == (8, 0, 0, 0) and last_key == (8, 2, 0, 0)
    assert (event.venue, event.account) == (VENUE, 1)
    assert event.withdrawal_requested == events.WithdrawalRequested(withdrawal=order_number(0), amount_atoms=400)
    assert last.command_refused.refusal == refusals.REFUSAL_WITHDRAWAL_MARGIN
    assert book.accounts.free(1) == 0 and book.accounts.table.get(1, "pending") == CASH
    assert book.accounts.withdrawals_of(1) == [order_number(0), order_number(1)]


def test_a_frozen_account_waits():
    book = entry_book()
    book.accounts.freeze(1, True)
    assert refusal(book, 1) == (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 1)


@pytest.mark.parametrize(
    ("mark_state", "why"),
    [
        (common.MARK_STATE_HALTED, (refusals.REFUSAL_MARKET_HALTED, 0, 12)),
        (common.MARK_STATE_TRIPPED, (refusals.REFUSAL_MARKET_TRIPPED, 0, 12)),
        (common.MARK_STATE_REDUCE_ONLY, (refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, 12)),
    ],
)
def test_a_position_in_a_market_that_may_not_be_used_keeps_everything(mark_state, why):
    book = entry_book()
    enter(book, orders=[order(0, 1, BUY, 5, market=2)])
    set_mark(book, 2, state=mark_state)
    answers, _ = pay(book, 1)
    assert answers[0][0] == common.OUTCOME_STATUS_DONE, "an order there is no position"
    stand(book, 1, market=2)
    assert refusal(book, 1) == why


def test_ten_percent_of_positions_and_of_what_orders_would_add_stays():
    """At 20x the margin of 10 lots is half a lot; a tenth of 10 + 6 + 4 lots is two: the sell closes 10 of 14."""
    book = entry_book()
    stand(book, 10)
    enter(book, orders=[order(0, 1, BUY, 6), order(1, 1, SELL, 14)])
    assert book.health(1).initial_margin + book.health(1).holds < 2 * LOT
    stays = 2 * LOT
    assert refusal(book, CASH - stays + 1) == (refusals.REFUSAL_WITHDRAWAL_MARGIN, stays, stays - 1)
    answers, _ = pay(book, CASH - stays)
    assert answers[0][0] == common.OUTCOME_STATUS_DONE


def test_the_tenth_is_rounded_up():
    book = entry_book()
    set_mark(book, 1, 10_001)
    book.set_market(book.markets[1])
    book.markets[1].margin_trade.quote_atoms_per_tick_lot = 1
    book.positions.move(1, 1, 1, 10_001)
    assert refusal(book, CASH - 1_000) == (refusals.REFUSAL_WITHDRAWAL_MARGIN, 1_001, 1_000)


def test_initial_margin_and_holds_stay_where_they_are_more():
    """Leverage 5: a fifth of the position and of the order, and the fee, are above a tenth."""
    book = entry_book()
    stand(book, 10)
    enter(book, leverages=[(0, VENUE, 1, 1, 5)], orders=[order(1, 1, BUY, 10)])
    stays = 4 * LOT + 10 * LOT // 2_000
    assert refusal(book, CASH - stays + 1) == (refusals.REFUSAL_WITHDRAWAL_MARGIN, stays, stays - 1)
    answers, _ = pay(book, CASH - stays)
    assert answers[0][0] == common.OUTCOME_STATUS_DONE


def test_unrealised_profit_may_leave_and_loss_may_not():
    """Equity counts, not cash: 10 lots up 1,000 ticks are worth a lot more, and cash goes below zero."""
    book = entry_book()
    stand(book, 10)
    set_mark(book, 1, MARK + 1_000)
    stays = 10 * 11_000 * K // 10
    profit = 10 * 1_000 * K
    assert refusal(book, CASH + profit - stays + 1) == (refusals.REFUSAL_WITHDRAWAL_MARGIN, stays, stays - 1)
    book.accounts.post(1, free=stays - CASH)
    answers, _ = pay(book, profit)
    assert answers[0][0] == common.OUTCOME_STATUS_DONE
    assert book.accounts.free(1) == stays - profit
    set_mark(book, 1, MARK)
    assert refusal(book, 1)[2] == stays - profit - 1


def test_undone_with_the_staging():
    book = entry_book()
    before = book.dump()
    book.log.open()
    pay(book, 400)
    book.log.roll_back()
    assert book.dump() == before and book.accounts.withdrawals_of(1) == []
