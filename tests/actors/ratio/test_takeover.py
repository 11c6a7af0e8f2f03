"""Owners give up what may be taken over, all or nothing; SP-05 to SP-09. 100 lots at the mark need 10,000,000 atoms."""

import pytest

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.ratio.venue import (
    BUY,
    CERTAIN,
    LIQUIDATED,
    LOT,
    MARK,
    REDUCE_ONLY,
    SELL,
    UNRESERVED,
    VENUE,
    Done,
    Venue,
    fill,
    is_empty,
    number_of,
    order,
    takeover,
)

NEEDED = 10_000_000
ADMIT = 9
SHARE, REWARD, DEFICIT = (
    batches.INSURANCE_CLAIM_KIND_SHARE,
    batches.INSURANCE_CLAIM_KIND_REWARD,
    batches.INSURANCE_CLAIM_KIND_DEFICIT,
)
LAST = 1 << 40


def venue_with(equity: int, lots: int = 100) -> Venue:
    """Account 1 has lots at the mark and this equity, account 2 the other side; 3 and 4 are rich."""
    venue = Venue(cash_atoms=0)
    rich = [(number, VENUE, account, 1_000_000_000) for number, account in enumerate((2, 3, 4))]
    venue.call(CERTAIN, [fill(1, lots), fill(2, -lots)], deposits=[(9, VENUE, 1, 0), *rich])
    venue.book.accounts.post(1, free=equity)
    return venue


def closes(venue: Venue, *asked: tuple[int, ...]) -> Done:
    return venue.liquidate(*asked)[1]


@pytest.mark.parametrize(
    ("equity", "lots", "why"),
    [
        (7_000_000, 5, (refusals.REFUSAL_NOT_LIQUIDATABLE, 7_000_000, 7_000_000)),
        # One step brings it over 0.7 again.
        (6_999_999, 10, (refusals.REFUSAL_ABOVE_LIQUIDATABLE, 5, 10)),
        (6_999_999, 5, None),
        (3_000_000, 95, (refusals.REFUSAL_ABOVE_LIQUIDATABLE, 90, 95)),
        (3_000_000, 90, None),
        (2_999_999, 100, None),
        (2_999_999, 105, (refusals.REFUSAL_ABOVE_LIQUIDATABLE, 100, 105)),
    ],
)
def test_sp04_the_tiers_begin_exactly_at_their_bounds(equity: int, lots: int, why: tuple[int, int, int] | None) -> None:
    venue = venue_with(equity)
    done = closes(venue, takeover(0, 3, 1, lots))
    if why:
        assert done.answers[0].why == why
        assert venue.lots(1) == 100
        (leg,) = done.rows("staged_cross_legs")
        assert leg == (0, 0, 1, 0, VENUE, 3, UNRESERVED, 0, 0, 0, 0, 0, 0, number_of(2, 0))
        assert is_empty(done.reply.staged_insurance_claims)
    else:
        assert done.answers[0].status == common.OUTCOME_STATUS_LIQUIDATED
        assert venue.lots(1) == 100 - lots


def test_sp08_the_account_pays_reward_and_share_and_the_position_moves_at_the_mark() -> None:
    venue = venue_with(5_000_000)
    done = closes(venue, takeover(7, 3, 1, 45))
    assert venue.book.positions.position(1, 1) == (55, 55 * LOT)
    assert venue.cash(1) == 5_000_000 - 675_000 - 450_000
    (leg,) = done.rows("staged_cross_legs")
    assert leg == (0, 7, 1, 0, VENUE, 3, LIQUIDATED, 0, 45, 45 * LOT, 0, 0, 675_000, number_of(2, 7))
    assert done.rows("staged_insurance_claims") == [(7, 0, VENUE, 1, 1, SHARE, 450_000, 1)]
    answer = done.answers[7]
    assert (answer.reference, answer.price_ticks, answer.amount_atoms, answer.filled_lots) == (1, MARK, 675_000, 45)
    ((key, event),) = done.events
    assert key == (ADMIT, -2, 7, LAST)
    assert (event.account, event.market) == (1, 1)
    body = event.account_liquidated
    assert (body.liquidator, body.lots, body.value_atoms, body.tier) == (3, 45, 45 * LOT, 2)
    assert (body.equity_atoms, body.collateral_atoms) == (5_000_000, NEEDED)
    assert (body.liquidatable_lots, body.remaining_lots, body.cash_atoms) == (45, 55, 3_875_000)
    assert (body.reward_atoms, body.insurance_atoms, body.owed_reward_atoms) == (675_000, 450_000, 0)


def test_sp06_after_the_calculated_lots_it_is_at_its_target_and_one_step_less_would_not_do() -> None:
    venue = venue_with(5_000_000)
    closes(venue, takeover(7, 3, 1, 40))
    health = venue.book.health(1)
    assert health.equity * 10 < 7 * 60 * NEEDED // 100
    closes(venue, takeover(8, 3, 1, 5))
    health = venue.book.health(1)
    assert health.equity * 10 >= 7 * 55 * NEEDED // 100


def test_sp07_of_two_liquidators_in_one_block_each_finds_what_the_other_left() -> None:
    venue = venue_with(5_000_000)
    asked = [takeover(1, 3, 1, 30), takeover(2, 4, 1, 30), takeover(3, 4, 1, 15), takeover(4, 3, 1, 5)]
    done = closes(venue, *asked)
    assert done.answers[1].status == common.OUTCOME_STATUS_LIQUIDATED
    # 4,250,000 of equity, 7,000,000 needed: 14.4 lots are missing.
    assert done.answers[2].why == (refusals.REFUSAL_ABOVE_LIQUIDATABLE, 15, 30)
    assert done.answers[3].status == common.OUTCOME_STATUS_LIQUIDATED
    assert done.answers[4].why == (refusals.REFUSAL_NOT_LIQUIDATABLE, 3_850_000, 3_875_000)
    kinds = [(leg[1], leg[5], leg[6], leg[8]) for leg in done.rows("staged_cross_legs")]
    assert kinds == [(1, 3, LIQUIDATED, 30), (2, 4, UNRESERVED, 0), (3, 4, LIQUIDATED, 15), (4, 3, UNRESERVED, 0)]
    keys = [key for key, event in done.events]
    assert keys == [(ADMIT, -2, command, LAST) for command in (1, 2, 3, 4)]
    # The next block brings the legs home: nobody has anything reserved any more.
    venue.settle(*done.rows("staged_cross_legs"))
    assert (venue.lots(3), venue.lots(4), venue.lots(1)) == (30, 15, 55)
    assert [venue.book.reservations.of_account(account) for account in (3, 4)] == [[], []]


def test_a_short_is_taken_over_as_a_long_is() -> None:
    venue = venue_with(2_000_000, lots=-100)
    done = closes(venue, takeover(0, 3, 1, 100))
    assert venue.book.positions.position(1, 1) == (0, 0)
    (leg,) = done.rows("staged_cross_legs")
    assert leg[8:10] == (-100, -100 * LOT)
    (body,) = done.bodies("account_liquidated")
    assert (body.lots, body.remaining_lots, body.tier, body.value_atoms) == (-100, 0, 3, 100 * LOT)
    assert (body.reward_atoms, body.insurance_atoms) == (1_500_000, 500_000)


@pytest.mark.parametrize(
    ("equity", "claims", "cash"),
    [
        # The reward first, then the share; the fund owes its own share to nobody.
        (1_600_000, [(0, SHARE, 100_000, 1, 1)], 0),
        (1_000_000, [(1, REWARD, 500_000, 3, 1)], 0),
        (0, [(1, REWARD, 1_500_000, 3, 1)], 0),
        (-2_000_000, [(1, REWARD, 1_500_000, 3, 1), (2, DEFICIT, 2_000_000, 1, 0)], -2_000_000),
    ],
)
def test_sp09_what_equity_cannot_pay_is_claimed(equity: int, claims: list[tuple[int, ...]], cash: int) -> None:
    venue = venue_with(equity)
    done = closes(venue, takeover(5, 3, 1, 100))
    assert venue.cash(1) == cash
    found = done.rows("staged_insurance_claims")
    assert [(row[1], row[5], row[6], row[3], row[4]) for row in found] == claims
    assert {row[0] for row in found} == {5}
    assert {row[7] for row in found} <= {0, 1}


def test_sp05_orders_that_increase_leave_and_others_are_capped() -> None:
    venue = venue_with(1_000_000_000)
    reducing, increasing = order(1, 1, SELL, 60, MARK + 50), order(2, 1, SELL, 60, MARK + 60)
    others = [order(0, 1, BUY, 5, MARK - 100), order(3, 1, BUY, 5, MARK, market=2)]
    kept = order(4, 1, SELL, 100, MARK + 70, flags=REDUCE_ONLY)
    venue.call((*CERTAIN, batches.SHARD_PHASE_ADMIT), orders=[*others, reducing, increasing, kept])
    height = venue.height
    venue.book.accounts.post(1, free=5_000_000 - 1_000_000_000)
    venue.settle()
    done = closes(venue, takeover(9, 3, 1, 45))
    cancelled = [number_of(height, command) for command in (0, 2, 3)]
    assert [row[2] for row in done.rows("staged_order_ops")] == cancelled
    assert {row[:2] for row in done.rows("staged_order_ops")} == {(0, 9)}
    told = [(key, event.order_done) for key, event in done.events if event.HasField("order_done")]
    assert [key for key, _ in told] == [(ADMIT, -2, 9, 1 + place) for place in range(3)]
    assert [body.order for _, body in told] == cancelled
    assert {(body.refusal, body.required, body.actual) for _, body in told} == {
        (refusals.REFUSAL_BEING_LIQUIDATED, 0, 2)
    }
    assert venue.book.orders.of_account(1) == [number_of(height, command) for command in (1, 4)]
    # What rests may fill no more than what is left, in this block already.
    assert done.rows("staged_caps") == [(VENUE, 1, 1, 55, 1)]
    (body,) = done.bodies("account_liquidated")
    assert body.cancelled_orders == 3


def test_an_account_that_was_liquidated_enters_nothing_in_that_block() -> None:
    venue = venue_with(5_000_000)
    _, done = venue.liquidate(takeover(0, 3, 1, 45), orders=[order(1, 1, SELL, 5), order(2, 3, BUY, 5)])
    assert done.answers[1].why == (refusals.REFUSAL_BEING_LIQUIDATED, 0, 2)
    assert [row[2] for row in done.rows("staged_order_ops")] == [number_of(2, 2)]
    venue.settle(*done.rows("staged_cross_legs"))
    later = venue.stage(batches.SHARD_PHASE_ADMIT, orders=[order(1, 1, SELL, 5)])
    assert 1 not in later.answers


def test_sp11_accrued_funding_counts_and_is_paid() -> None:
    venue = venue_with(7_000_000)
    # 100 lots * 1e9 * 100: 10,000 atoms.
    venue.mark(MARK, index_e9=1_000_000_000)
    venue.settle()
    done = closes(venue, takeover(0, 3, 1, 5))
    assert done.answers[0].status == common.OUTCOME_STATUS_LIQUIDATED
    (key, event), _ = done.events
    assert key == (ADMIT, -2, 0, 0)
    body = event.funding_settled
    assert (body.payment_atoms, body.index_e9, body.cash_atoms) == (10_000, 1_000_000_000, 6_990_000)
    assert done.rows("dues") == [(VENUE, batches.CROSS_DUE_KIND_FUNDING, 10_000)]
    assert venue.book.positions.read(1, 1).paid_e9 == 1_000_000_000
    assert venue.cash(1) == 6_990_000 - 75_000 - 50_000


def test_a_market_that_may_not_be_used_refuses_and_its_gains_count_as_nothing() -> None:
    venue = venue_with(10_000_000)
    venue.settle(fill(1, 100, price=MARK - 500, market=2), fill(2, -100, price=MARK - 500, market=2))
    # 15,000,000 with the gain of market 2, 20,000,000 needed: enough. Halted, the gain is none.
    done = closes(venue, takeover(0, 3, 1, 5))
    assert done.answers[0].why == (refusals.REFUSAL_NOT_LIQUIDATABLE, 14_000_000, 15_000_000)
    venue.mark(MARK, market=2, state=common.MARK_STATE_HALTED)
    venue.settle(*done.rows("staged_cross_legs"))
    assert closes(venue, takeover(0, 3, 1, 5)).answers[0].status == common.OUTCOME_STATUS_LIQUIDATED
    first = venue.liquidate(takeover(1, 3, 1, 5, market=2))[0]
    assert first.answers[1].why == (refusals.REFUSAL_MARKET_HALTED, 0, 7)
    asked = batches.Reservations(command=[2], venue=[VENUE], account=[1], market=[2], liquidator=[3], lots=[5])
    done = venue.call((batches.SHARD_PHASE_TAKE_OVER,), reservations=asked)
    assert done.answers[2].why == (refusals.REFUSAL_MARKET_HALTED, 0, 7)


def test_without_a_position_there_is_nothing_to_take() -> None:
    venue = venue_with(2_000_000)
    done = closes(venue, takeover(0, 3, 1, 5, market=2), takeover(1, 4, 3, 5))
    assert done.answers[0].why == (refusals.REFUSAL_NOT_LIQUIDATABLE, 7_000_000, 2_000_000)
    assert done.answers[1].why == (refusals.REFUSAL_NOT_LIQUIDATABLE, 0, 1_000_000_000)
