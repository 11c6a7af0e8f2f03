"""A shard, messages in, messages out: settle, mark, fund, take, scan, ladder, pay out, admit."""

import pytest

from actors.rulebooks import twilight
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from tests.actors.calling import pending_list, table
from tests.actors.shard_calls import DROP, LADDER, LEVERAGE, MARGIN, PRICE, SCAN, STAGED, Shard, leg, open_row, order
from tests.building import LIMIT, LONG, MARKET, SHORT, STOP_LOSS, TAKE_PROFIT, bodies, refused, venue


def test_tw_14_a_market_and_a_crossing_limit_go_to_the_desk_as_takers_and_the_rest_rests() -> None:
    shard = Shard()
    rows = [open_row(0, 1), open_row(1, 1, LONG, LIMIT, PRICE), open_row(2, 2, SHORT, LIMIT, PRICE + 1)]
    reply = shard.run(opens=rows)
    assert list(zip(reply.opens.command, reply.opens.order, reply.opens.fee_rate_e9, strict=True)) == [
        (0, order(2, 0), 400_000),
        (1, order(2, 1), 400_000),
    ]
    assert list(reply.staged_outcomes.status) == [common.OUTCOME_STATUS_RESTING]
    assert [body.limit_ticks for body in bodies(pending_list(reply.staged_events), "order_rested")] == [PRICE + 1]
    assert shard.money(1) == (10**8 - 2 * MARGIN, 2 * MARGIN, 0, 0)
    assert shard.money(2) == (10**8 - MARGIN, MARGIN, 0, 0)
    shard.price = PRICE + 1  # the short's level is met, inclusive: it goes to the desk as maker
    reply = shard.run(legs=[leg(0, 1, order(2, 0)), leg(1, 1, order(2, 1))])
    assert list(zip(reply.opens.order, reply.opens.fee_rate_e9, reply.opens.command, strict=True)) == [
        (order(2, 2), 200_000, -1)
    ]


def test_opens_are_refused_in_their_order_with_the_numbers_that_decided() -> None:
    shard = Shard()
    shard.run(freezes=[(0, 1, 3, 1)])
    shard.state = common.MARK_STATE_HALTED
    reply = shard.run(opens=[open_row(0, 3), open_row(1, 1)])
    assert refused(reply.staged_outcomes) == [(0, "ACCOUNT_FROZEN", 0, 3), (1, "MARKET_HALTED", 30_000, 31_000)]
    shard.state = common.MARK_STATE_FRESH
    poor = (2, 1, 1, 1, LONG, MARKET, 10**8 + 1, 100, 0)
    huge = (3, 1, 2, 1, LONG, MARKET, 10**8, 5_000, 0)
    shard.price = 1 << 39
    reply = shard.run(opens=[poor, huge])
    assert [row[:3] for row in refused(reply.staged_outcomes)] == [
        (2, "INSUFFICIENT_BALANCE", 10**8 + 1),
        (3, "OVERFLOW", twilight.POSITION_SIZE_BOUND),
    ]
    assert shard.money(2) == (10**8, 0, 0, 0)


def test_tw_02_to_06_a_filled_open_becomes_a_position_of_the_rulebook_s_numbers() -> None:
    shard = Shard()
    position = shard.hold()
    (held,) = shard.view(1).positions
    value = MARGIN * LEVERAGE // 100
    maintenance = twilight.maintenance_margin_e9(LONG, value, MARGIN, 4_000_000, 400_000, 0)
    assert (held.position, held.entry_value_atoms, held.position_size) == (position, value, value * PRICE)
    assert held.margin_held_atoms == 996_000
    assert held.maintenance_atoms == -(-maintenance // 10**9)
    threshold = twilight.liquidation_threshold_ticks(LONG, value * PRICE, value, 996_000, maintenance)
    assert held.liquidation_ticks == threshold
    assert shard.money(1) == (10**8 - MARGIN, 0, 996_000, 0)


def test_credits_of_other_desks_reach_free_and_are_told_in_their_order() -> None:
    shard = Shard()
    none = (0, 0, 0, 0, 0)
    rows = [
        (1, 0, 1, 1, 2, events.LEG_KIND_PAYOUT, 7, 0, 0, 11, *none),
        (2, -1, 2, 1, 1, events.LEG_KIND_CLAIM, 5, 0, 0, 12, *none),
    ]
    reply = shard.run(legs=rows)
    assert [
        (body.kind, body.amount_atoms, body.reference) for body in bodies(pending_list(reply.events), "credited")
    ] == [
        (events.LEG_KIND_PAYOUT, 7, 11),
        (events.LEG_KIND_CLAIM, 5, 12),
    ]
    assert (shard.money(1)[0], shard.money(2)[0]) == (10**8 + 5, 10**8 + 7)
    assert list(reply.sums.free_atoms) == [4 * 10**8 + 12]


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_tw_10_the_scan_reports_who_meets_the_threshold_inclusive_and_nobody_at_a_halted_mark(side: int) -> None:
    shard = Shard()
    position = shard.hold(side=side)
    threshold = shard.view(1).positions[0].liquidation_ticks
    shard.price = threshold + side
    assert not shard.run().candidates.position
    shard.price = threshold
    shard.state = common.MARK_STATE_TRIPPED
    assert not shard.run().candidates.position
    shard.state = common.MARK_STATE_STALE
    found = shard.run().candidates
    assert list(zip(found.position, found.threshold_ticks, found.rung, strict=True)) == [(position, threshold, 1)]


def test_a_shard_that_reports_somebody_stages_nothing() -> None:
    shard = Shard()
    shard.hold()
    shard.price = 40_000
    reply = shard.run(opens=[open_row(0, 2)], withdrawals=[(1, 1, 2, 5)])
    assert reply.candidates.position
    assert not (reply.opens.order or reply.staged_outcomes.command or pending_list(reply.staged_events))
    assert shard.money(2) == (10**8, 0, 0, 0)


def ladder(position: int, account: int = 1) -> batches.LadderOrders:
    return table(batches.LadderOrders, (0, 1, 1, 1, account, position, 1))


def test_tw_11_the_ladder_closes_at_the_mark_pays_nothing_and_seizes_the_margin_held() -> None:
    shard = Shard()
    position = shard.hold()
    shard.price = 44_000
    shard.run()
    reply = shard.again(phases=(DROP, LADDER, SCAN, *STAGED), ladder=ladder(position), speculative=True)
    (body,) = bodies(pending_list(reply.events), "position_liquidated")
    assert (body.position, body.round, body.margin_held_atoms) == (position, 1, 996_000)
    assert body.outcome == events.LIQUIDATION_OUTCOME_LOSS_ABOVE_MARGIN
    assert body.deficit_atoms == -body.equity_atoms > 0
    assert list(zip(reply.seizures.position, reply.seizures.margin_held_atoms, strict=True)) == [(position, 996_000)]
    assert not reply.candidates.position
    assert shard.money(1) == (10**8 - MARGIN, 0, 0, 0)


def test_the_owner_checks_again_and_leaves_a_healthy_or_unknown_position_alone() -> None:
    shard = Shard()
    position = shard.hold()
    shard.run()
    for number in (position, 99):
        reply = shard.again(phases=(DROP, LADDER, SCAN), ladder=ladder(number), speculative=True)
        assert not (reply.seizures.position or pending_list(reply.events))
    assert len(shard.view(1).positions) == 1


def test_tw_08_funding_moves_the_margin_held_and_the_threshold_and_reports_the_net() -> None:
    shard = Shard()
    shard.hold(1, LONG)
    shard.hold(2, SHORT)
    before = {account: shard.view(account).positions[0] for account in (1, 2)}
    shard.boundary_ms = 3_600_000
    size = before[1].position_size
    reply = shard.run(totals=[batches.MarketTotals(venue=1, market=1, long_size=3 * size, short_size=size)])
    rate = twilight.funding_rate_e9(3 * size, size, 1)
    paid = {body.position: body.payment_atoms for body in bodies(pending_list(reply.events), "funding_paid")}
    for account, side in ((1, LONG), (2, SHORT)):
        payment = twilight.funding_payment_atoms(side, size, PRICE, rate)
        now = shard.view(account).positions[0]
        assert paid[now.position] == payment
        assert now.margin_held_atoms == 996_000 - payment
        assert now.liquidation_ticks != before[account].liquidation_ticks
    assert rate > 0 > paid[before[2].position]
    net = (1, 1, sum(paid.values()), rate, 3_600_000)
    assert tuple(column[0] for _, column in reply.funding.ListFields()) == net


def test_tw_13_and_14_one_exit_a_position_by_the_smallest_level_and_it_cancels_the_rest() -> None:
    shard = Shard()
    position = shard.hold()
    levels = [(0, 1, 1, position, TAKE_PROFIT, 52_000), (1, 1, 1, position, LIMIT, 51_000)]
    reply = shard.run(closes=[*levels, (2, 1, 1, position, STOP_LOSS, 48_000)])
    assert [body.level_ticks for body in bodies(pending_list(reply.staged_events), "level_set")] == [
        52_000,
        51_000,
        48_000,
    ]
    shard.price = 53_000
    reply = shard.run(closes=[(0, 1, 1, position, MARKET, 0)])
    assert list(zip(reply.closes.position, reply.closes.kind, reply.closes.level_ticks, strict=True)) == [
        (position, LIMIT, 51_000)
    ]
    fee = twilight.fee_ceil_atoms(10**7 * PRICE, 53_000, 200_000)
    assert list(reply.closes.fee_atoms) == [fee]  # rested: maker
    assert refused(reply.staged_outcomes) == [(0, "UNKNOWN_POSITION", 1, position)]
    assert not shard.view(1).positions


def test_tw_12_a_close_that_would_pay_out_less_than_nothing_is_a_liquidation() -> None:
    # A maker fee far above maintenance: what is left above the threshold does not cover the fee of leaving.
    shard = Shard(maintenance_ratio_e9=1, taker_fee_e9=0, maker_fee_e9=10**7)
    position = shard.hold()
    shard.price = shard.view(1).positions[0].liquidation_ticks + 1
    shard.run(closes=[(0, 1, 1, position, LIMIT, shard.price + 1)])
    shard.price += 1
    reply = shard.run()
    assert not reply.candidates.position
    (body,) = bodies(pending_list(reply.staged_events), "position_liquidated")
    assert (body.round, body.margin_held_atoms) == (0, 996_000)
    assert body.equity_atoms > 0 == body.deficit_atoms
    assert list(reply.closes.status) == [common.OUTCOME_STATUS_LIQUIDATED]
    assert (list(reply.closes.payout_atoms), list(reply.closes.fee_atoms)) == ([0], [0])


def test_new_parameters_charge_maintenance_anew() -> None:
    shard = Shard()
    shard.hold()
    before = shard.view(1).positions[0]
    shard.changes = batches.ParameterChanges(venues=[venue(maintenance_ratio_e9=50_000_000)])
    shard.run()
    after = shard.view(1).positions[0]
    assert after.maintenance_atoms > before.maintenance_atoms
    assert after.liquidation_ticks > before.liquidation_ticks


def test_withdrawals_wait_for_the_custodian_who_may_give_them_back() -> None:
    shard = Shard()
    reply = shard.run(withdrawals=[(0, 1, 1, 60), (1, 1, 1, 40), (2, 1, 1, 10**8)])
    assert refused(reply.staged_outcomes) == [(2, "INSUFFICIENT_BALANCE", 10**8, 10**8 - 100)]
    assert shard.money(1) == (10**8 - 100, 0, 0, 100)
    asked = [order(2, 0), order(2, 1)]
    rows = [(0, 1, 1, asked[0], 1), (1, 1, 1, asked[1], 0), (2, 1, 2, asked[1], 1), (3, 1, 1, asked[0], 1)]
    reply = shard.run(decisions=rows)
    assert [row[:2] for row in refused(reply.outcomes)] == [(2, "UNKNOWN_WITHDRAWAL"), (3, "UNKNOWN_WITHDRAWAL")]
    assert shard.money(1) == (10**8 - 60, 0, 0, 0)
    assert list(reply.sums.withdrawn_atoms) == [60]


def test_cancel_all_takes_orders_and_levels_and_another_account_s_are_unknown() -> None:
    shard = Shard()
    position = shard.hold()
    shard.run(
        opens=[open_row(0, 1, LONG, LIMIT, 40_000), open_row(1, 2, LONG, LIMIT, 40_000)],
        closes=[(2, 1, 1, position, STOP_LOSS, 45_000)],
    )
    theirs = order(shard.height, 1)
    reply = shard.run(cancels=[(0, 1, 1, theirs, 0), (1, 1, 1, 0, 0), (2, 1, 1, position, STOP_LOSS)])
    assert [row[:2] for row in refused(reply.outcomes)] == [(0, "UNKNOWN_ORDER"), (2, "UNKNOWN_ORDER")]
    assert not shard.view(1).orders
    assert shard.view(1).positions[0].stop_loss_ticks == 0
    assert shard.money(1) == (10**8 - MARGIN, 0, 996_000, 0)
    assert len(shard.view(2).orders) == 1
