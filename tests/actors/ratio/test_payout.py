"""Withdrawals and transfers: what must stay, and nothing but cash leaves; SP-01, SP-04."""

import pytest

from actors.ratio.views import account_view
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.ratio.venue import (
    BUY,
    CASH,
    CERTAIN,
    MARK,
    NEEDED,
    PAY_OUT,
    SELL,
    TRANSFER,
    VENUE,
    Venue,
    fill,
    number_of,
    order,
)

PAY_OUT_EVENTS = 8
ADMIT = batches.SHARD_PHASE_ADMIT


def paid(venue: Venue, account: int, amount: int) -> tuple[int, int, int]:
    return venue.stage(PAY_OUT, withdrawals=[(0, VENUE, account, amount)]).answers[0].why


@pytest.mark.parametrize(("amount", "is_paid"), [(CASH - 10 * NEEDED, True), (CASH - 10 * NEEDED + 1, False)])
def test_sp04_the_ratio_may_be_exactly_one_after_it(amount: int, is_paid: bool) -> None:
    venue = Venue()
    venue.settle(fill(1, 10), fill(2, -10))
    why = paid(venue, 1, amount)
    assert why == ((0, 0, 0) if is_paid else (refusals.REFUSAL_MARGIN_RATIO, 10 * NEEDED, 10 * NEEDED - 1))
    assert venue.book.accounts.withdrawals_of(1) == ([number_of(2, 0)] if is_paid else [])


def test_orders_need_their_collateral() -> None:
    venue = Venue()
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, BUY, 10, MARK - 1_000)])
    venue.settle()
    assert paid(venue, 1, CASH - 899_999) == (refusals.REFUSAL_MARGIN_RATIO, 900_000, 899_999)
    assert paid(venue, 1, CASH - 900_000) == (0, 0, 0)


def test_what_a_fill_may_still_cost_does_not_leave() -> None:
    venue = Venue(cash_atoms=5_000_000)
    venue.settle(fill(1, 10), fill(2, -10))
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, SELL, 5, MARK - 4_000)])
    venue.settle()
    lost = 5 * 4_000 * 100 + 5 * 6_000 * 100 * 8 // 10_000
    most = 5_000_000 - lost - 10 * NEEDED
    assert account_view(venue.book, 1).ratio.withdrawable_atoms == most
    assert paid(venue, 1, most + 1) == (refusals.REFUSAL_MARGIN_RATIO, 10 * NEEDED, 10 * NEEDED - 1)
    assert paid(venue, 1, most) == (0, 0, 0)


def test_without_anything_open_all_cash_may_leave_and_no_more() -> None:
    venue = Venue()
    assert paid(venue, 1, CASH + 1) == (refusals.REFUSAL_MARGIN_RATIO, 0, -1)
    assert paid(venue, 1, CASH) == (0, 0, 0)


def test_gains_are_not_cash() -> None:
    venue = Venue(cash_atoms=2_000_000)
    venue.settle(fill(1, 10), fill(2, -10))
    venue.mark(2 * MARK)
    venue.settle()
    assert venue.book.health(1).equity == 12_000_000
    assert paid(venue, 1, 2_000_001) == (refusals.REFUSAL_INSUFFICIENT_BALANCE, 2_000_001, 2_000_000)
    assert paid(venue, 1, 2_000_000) == (0, 0, 0)


def test_frozen_accounts_and_unusable_markets_pay_nothing() -> None:
    venue = Venue()
    venue.settle(fill(1, 10), fill(2, -10))
    venue.mark(MARK, state=common.MARK_STATE_HALTED)
    venue.call(CERTAIN, freezes=[(0, VENUE, 2, 1)])
    assert paid(venue, 2, 1) == (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 2)
    assert paid(venue, 1, 1) == (refusals.REFUSAL_MARKET_HALTED, 0, 7)
    assert paid(venue, 3, 1) == (0, 0, 0)


def test_transfers_and_withdrawals_are_worked_together_by_command() -> None:
    venue = Venue(cash_atoms=100)
    done = venue.stage(
        PAY_OUT,
        SELL,
        withdrawals=[(1, VENUE, 1, 60), (4, VENUE, 1, 1)],
        transfers=[(0, VENUE, 1, 2, 40), (2, VENUE, 1, 3, 1), (3, VENUE, 2, 1, 100)],
    )
    assert done.answers[2].why == (refusals.REFUSAL_MARGIN_RATIO, 0, -1)
    assert done.answers[4].why == (refusals.REFUSAL_MARGIN_RATIO, 0, -1)
    assert done.rows("staged_cross_legs") == [
        (4, 0, 0, 0, VENUE, 2, TRANSFER, 0, 0, 0, 0, 0, 40, 1),
        (4, 3, 0, 0, VENUE, 1, TRANSFER, 0, 0, 0, 0, 0, 100, 2),
    ]
    assert [key for key, _ in done.events] == [(PAY_OUT_EVENTS, command, 0, 0) for command in range(5)]
    first = done.events[0][1]
    assert (first.account, first.transferred.counterparty) == (1, 2)
    assert (first.transferred.amount_atoms, first.transferred.cash_atoms) == (-40, 60)
    assert (done.answers[0].reference, done.answers[0].amount_atoms) == (2, 40)
    venue.settle(*done.rows("staged_cross_legs"))
    assert (venue.cash(1), venue.cash(2)) == (100, 40)
