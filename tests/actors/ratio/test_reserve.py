"""Liquidators set aside what they would take over, and stay above a margin ratio of 1; SP-07."""

import pytest

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.ratio.venue import (
    BUY,
    CASH,
    CERTAIN,
    LOT,
    MARK,
    NEEDED,
    RESERVE,
    SELL,
    VENUE,
    Done,
    Venue,
    fill,
    number_of,
    order,
    takeover,
)

PAY_OUT_EVENTS = 8
ADMIT = batches.SHARD_PHASE_ADMIT


def asks(venue: Venue, *asked: tuple[int, ...]) -> Done:
    return venue.stage(RESERVE, takeovers=asked)


def test_what_passes_is_set_aside_and_goes_to_the_owner() -> None:
    venue = Venue()
    done = asks(venue, takeover(3, 4, 1, 10))
    assert done.rows("reservations") == [(3, VENUE, 1, 1, 4, 10)]
    assert venue.book.reservations.of_account(4) == [number_of(1, 3)]
    assert venue.book.health(4).reserved_e9 == 10 * NEEDED * 10**9
    ((key, event),) = done.events
    assert key == (PAY_OUT_EVENTS, 3, 1, 0)
    assert event.account == 4
    body = event.takeover_reserved
    assert (body.target, body.lots, body.equity_atoms, body.collateral_atoms) == (1, 10, CASH, 10 * NEEDED)
    assert done.answers == {}


@pytest.mark.parametrize(("cash", "taken"), [(10 * NEEDED, False), (10 * NEEDED + 1, True)])
def test_the_ratio_must_stay_above_one(cash: int, taken: bool) -> None:
    venue = Venue(cash_atoms=cash)
    done = asks(venue, takeover(0, 4, 1, 10))
    if taken:
        assert done.answers == {}
    else:
        assert done.answers[0].why == (refusals.REFUSAL_LIQUIDATOR_RATIO, 10 * NEEDED, cash)
        assert venue.book.reservations.of_account(4) == []


def test_positions_orders_and_earlier_reservations_count() -> None:
    venue = Venue(cash_atoms=30 * NEEDED + 100_000)
    venue.settle(fill(4, -10), fill(2, 10))
    venue.stage(ADMIT, orders=[order(0, 4, BUY, 15, MARK - 100), order(1, 4, SELL, 5, MARK + 100)])
    # 10 lots short, 5 of the buys increase, 5 sold: 2,000,000 less 50,000 and with 50,000.
    assert venue.book.health(4).orders_e9 == (5 * 99_000 + 5 * 101_000) * 10**9
    done = asks(venue, takeover(2, 4, 1, 10), takeover(3, 4, 1, 5), takeover(4, 4, 1, 5, market=2))
    assert 2 not in done.answers
    assert done.answers[3].why == (refusals.REFUSAL_LIQUIDATOR_RATIO, 35 * NEEDED, 30 * NEEDED + 100_000)
    assert done.answers[4].why == (refusals.REFUSAL_LIQUIDATOR_RATIO, 35 * NEEDED, 30 * NEEDED + 100_000)


def test_what_its_orders_may_lose_is_not_staked_again() -> None:
    venue = Venue(cash_atoms=30 * NEEDED)
    venue.stage(ADMIT, orders=[order(0, 4, BUY, 10, MARK + 1_000)])
    # 1,100,000 for the order; 1,000,000 and a fee of 8,800 are gone if it is filled.
    left = 30 * NEEDED - 1_000_000 - 8_800
    done = asks(venue, takeover(1, 4, 1, 10), takeover(2, 4, 1, 5))
    assert done.answers[1].why == (refusals.REFUSAL_LIQUIDATOR_RATIO, 21 * NEEDED, left)
    assert 2 not in done.answers


def test_refusals_come_in_their_order() -> None:
    venue = Venue()
    venue.mark(MARK, market=2, state=common.MARK_STATE_TRIPPED)
    venue.call(CERTAIN, freezes=[(0, VENUE, 5, 1)])
    done = asks(
        venue,
        takeover(0, 5, 5, 3, market=2),
        takeover(1, 4, 4, 3, market=2),
        takeover(2, 4, 1, 3, market=2),
        takeover(3, 4, 1, 7),
        takeover(4, 4, 1, 0),
        takeover(5, 4, 1, 10_005),
        takeover(6, 4, 1, 10_000),
    )
    assert {command: answer.why for command, answer in done.answers.items()} == {
        0: (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 5),
        1: (refusals.REFUSAL_OWN_ACCOUNT, 0, 4),
        2: (refusals.REFUSAL_MARKET_TRIPPED, 0, 7),
        3: (refusals.REFUSAL_BELOW_STEP, 5, 7),
        4: (refusals.REFUSAL_BELOW_STEP, 5, 0),
        5: (refusals.REFUSAL_POSITION_CAP, 10_000, 10_005),
        6: (refusals.REFUSAL_LIQUIDATOR_RATIO, 10_000 * NEEDED, CASH),
    }
    assert [key for key, _ in done.events] == [(PAY_OUT_EVENTS, command, 1, 0) for command in range(7)]
    assert {event.account for _, event in done.events} == {4, 5}


def test_the_largest_position_counts_what_is_held_ordered_and_reserved() -> None:
    venue = Venue(max_position_lots=40)
    venue.settle(fill(4, 10), fill(2, -10))
    venue.stage(ADMIT, orders=[order(0, 4, BUY, 5, MARK - 100), order(1, 4, SELL, 15, MARK + 100)])
    done = asks(venue, takeover(2, 4, 1, 10), takeover(3, 4, 1, 20), takeover(4, 4, 1, 15))
    assert {command: answer.why for command, answer in done.answers.items()} == {
        3: (refusals.REFUSAL_POSITION_CAP, 40, 45)
    }


def test_an_order_of_the_same_block_finds_the_collateral_set_aside() -> None:
    venue = Venue(cash_atoms=20 * NEEDED + 8_000)
    asks(venue, takeover(0, 4, 1, 15))
    done = venue.stage(ADMIT, orders=[order(1, 4, BUY, 10), order(2, 4, BUY, 5)])
    assert done.answers[1].why == (refusals.REFUSAL_MARGIN_RATIO, 25 * NEEDED, 20 * NEEDED)
    assert 2 not in done.answers
    assert venue.book.positions.read(4, 1)[5:10] == (5, 5 * LOT, 0, 0, 15)
