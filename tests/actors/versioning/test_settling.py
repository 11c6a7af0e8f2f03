"""Versions: which slots settle, valid or not, in what order; what the interval came to; where fees go (PE-04 to 15)."""

from actors.versioning.slots import Due, due_slots, first_slot_after_ms
from breakwater.v1 import common_pb2 as common
from tests.actors.calling import pending_list
from tests.actors.versioning.market import DONE, PENDING, PRICE, SLOT_MS, START_MS, UNIT, USD, Market, body, outcomes
from tests.building import bodies


def settled(reply: object) -> list[tuple[int, bool, int]]:
    """(slot counted from the start, valid, orders) of the versions of a block."""
    told = bodies(pending_list(reply.events), "version_settled")  # type: ignore[attr-defined]
    return [((one.version_ms - START_MS) // SLOT_MS, one.valid, one.settled) for one in told]


def test_the_first_slot_after_a_time_is_later_than_it() -> None:
    assert [first_slot_after_ms(time_ms, 10) for time_ms in (0, 9, 10, 11)] == [10, 10, 20, 20]


def test_a_slot_is_valid_by_a_price_from_its_time_to_the_end_of_its_grace() -> None:
    def due(published_ms: int, now_ms: int, requested: tuple[int, ...] = (20,)) -> list[Due]:
        return due_slots(10, requested, published_ms, now_ms, width_ms=10, grace_ms=3)

    assert due(19, 21) == []
    assert due(20, 20) == due(23, 23) == due(20, 99) == [Due(20, True)]
    assert due(24, 23) == []  # a price from the future may still be followed by the slot's own
    assert due(-1, 23) == due(19, 23) == []
    assert due(-1, 24) == due(24, 24) == [Due(20, False)]
    assert due(21, 19) == []
    assert due(20, 20, ()) == [Due(20, True)]
    assert due(24, 24, ()) == due(-1, 99, ()) == []
    assert due(30, 31, (20, 30)) == [Due(20, False), Due(30, True)]
    assert due(10, 10, ()) == []  # settled before


def test_a_slot_that_waits_holds_back_later_ones_and_one_price_may_be_that_of_several() -> None:
    assert due_slots(0, (20, 30), 30, 30, width_ms=10, grace_ms=15) == [Due(20, True), Due(30, True)]
    assert due_slots(0, (20, 30, 40), 36, 36, width_ms=10, grace_ms=15) == [Due(20, False), Due(30, True)]
    assert due_slots(0, (15, 20), 20, 18, width_ms=10, grace_ms=4) == []
    assert due_slots(0, (15, 25), 30, 31, width_ms=10, grace_ms=5) == [Due(15, False), Due(25, True), Due(30, True)]


def test_pe_05_a_slot_with_a_price_settles_though_nobody_asked() -> None:
    market = Market()
    market.start()
    reply = market.until(1, PRICE + 1)
    assert settled(reply) == [(1, True, 0)]
    assert reply.record.price_ticks == PRICE + 1


def test_pe_05_slots_nobody_asked_for_are_passed_over_without_a_price() -> None:
    market = Market()
    market.start()
    reply = market.at(7 * SLOT_MS + 3_001)
    assert settled(reply) == [] and not reply.HasField("record")
    assert settled(market.until(9)) == [(9, True, 0)]


def test_pe_05_several_slots_settle_in_one_block_in_their_order() -> None:
    market = Market(max_pending=9, grace_ms=12_000)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.change(2, long=UNIT, collateral=100 * USD)
    market.change(1, maker=9 * UNIT)
    market.at(SLOT_MS + 1)
    market.change(1, maker=8 * UNIT)
    market.at(2 * SLOT_MS + 1)
    reply = market.at(3 * SLOT_MS + 2_500, PRICE + USD)
    assert settled(reply) == [(1, False, 1), (2, False, 2), (3, True, 1)]
    assert (reply.legs.command, reply.legs.account) == ([0, 1, 1, 2], [1, 1, 2, 1])
    assert reply.legs.maker_lots == [0, 0, 0, 8 * UNIT]
    assert reply.legs.flags == [0, 0, 4, 5]
    assert reply.record.version_ms == market.slot(3)
    assert market.position(1) == (8 * UNIT, 0, 0, 1_000 * USD)
    assert market.position(2) == (0, 0, 0, 100 * USD)


def test_pe_05_versions_settle_when_their_price_comes_late() -> None:
    market = Market(grace_ms=25_000)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.change(2, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(SLOT_MS + 1)
    reply = market.at(2 * SLOT_MS + 5, PRICE + USD)
    assert settled(reply) == [(1, True, 1), (2, True, 1)]


def test_a_price_nobody_may_use_settles_nothing() -> None:
    market = Market()
    market.start()
    for state in (common.MARK_STATE_HALTED, common.MARK_STATE_TRIPPED, common.MARK_STATE_NONE):
        market.now_ms = market.slot(1)
        market.publish(PRICE, state=state)
        assert settled(market.work()) == []
    market.publish(PRICE, state=common.MARK_STATE_STALE)
    assert settled(market.work()) == [(1, True, 0)]


def test_pe_06_an_invalid_version_refunds_position_fees_and_keeps_settlement_fees() -> None:
    market = Market(maker_fee_ppm=1_000, settlement_fee_atoms=7)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    assert outcomes(market.at(1)) == [(0, PENDING, market.slot(1), USD + 7)]
    reply = market.at(SLOT_MS + 3_001)
    assert settled(reply) == [(1, False, 1)]
    assert (reply.legs.fee_atoms, reply.legs.settlement_fee_atoms, reply.legs.flags) == ([0], [7], [4])
    assert market.position(1) == (0, 0, 0, 1_000 * USD - 7)
    assert (reply.sums.fees_atoms, market.view().pending_maker_lots) == (7, 0)


def test_pe_06_an_invalid_version_accrues_at_the_price_before() -> None:
    market = Market(funding_fee_ppm=100_000, controller_k_e6=10 * USD)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.change(2, long=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    market.change(3, maker=UNIT, collateral=100 * USD)
    market.at(SLOT_MS + 1)
    reply = market.at(2 * SLOT_MS + 3_001)
    version = body(reply, "version_settled")
    # 10 s of full skew move the rate from 0 to 1 a year: half of it on 1,000 for 10 s is 158 atoms, a tenth the fee.
    assert (version.funding_rate_ppm, version.price_ticks, version.valid) == (10**6, PRICE, False)
    assert (version.long_value_e6, version.maker_value_e6, version.funding_fee_atoms) == (-17, 15, 15)
    assert (market.position(1)[3], market.position(2)[3]) == (1_000 * USD + 150, 1_000 * USD - 170)


def test_pe_10_pe_12_takers_win_what_makers_lose_to_the_atom_and_dust_is_kept() -> None:
    market = Market()
    market.start()
    market.change(1, maker=7 * UNIT, collateral=1_000 * USD)
    market.change(2, long=3 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    version = body(market.until(2, PRICE + 1), "version_settled")
    assert (version.maker_pnl_atoms, version.long_pnl_atoms, version.short_pnl_atoms) == (-3, 3, 0)
    assert (version.maker_value_e6, version.long_value_e6) == (-1, 1)
    assert (market.position(1)[3], market.position(2)[3]) == (1_000 * USD - 7, 1_000 * USD + 3)
    assert (market.reply.sums.dust_atoms, market.reply.sums.dust_rest_e6) == (4, 0)


def test_pe_13a_fees_go_to_protocol_oracle_risk_and_the_rest() -> None:
    market = Market(
        taker_fee_ppm=10_000,
        position_fee_ppm=500_000,
        oracle_fee_ppm=200_000,
        risk_fee_ppm=300_000,
        settlement_fee_atoms=11,
    )
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    market.change(2, long=UNIT, collateral=100 * USD)
    market.at(SLOT_MS + 1)
    version = body(market.until(2), "version_settled")
    assert (version.position_fee_atoms, version.settlement_fee_atoms) == (USD // 2, 11)
    view = market.view()
    assert (view.protocol_fee_atoms, view.oracle_fee_atoms) == (50_000, 90_000 + 22)
    assert (view.risk_fee_atoms, view.donation_atoms) == (135_000, 225_000)
    assert view.sums.fees_atoms == 500_022
    assert market.position(1)[3] == 1_000 * USD - 11 + USD // 2
    assert market.position(2)[3] == 100 * USD - 11 - USD


def test_a_closed_market_stands_still() -> None:
    market = Market(min_rate_ppm=500_000, target_rate_ppm=500_000, max_rate_ppm=500_000)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.change(2, long=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    market.alter(closed=True)
    reply = market.until(2, 2 * PRICE)
    assert reply.record.long_value_e6 == 0
    assert market.position(2) == (0, 10 * UNIT, 0, 1_000 * USD)


def test_the_view_tells_what_is_settled_and_what_is_pending() -> None:
    market = Market(settlement_fee_atoms=5)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    market.change(1, maker=20 * UNIT)
    market.change(2, long=4 * UNIT, collateral=100 * USD)
    market.at(SLOT_MS + 1)
    view = market.view(2)
    assert (view.height, view.record.version_ms, view.sums.maker_lots) == (market.height, market.slot(1), 10 * UNIT)
    assert (view.pending_maker_lots, view.pending_long_lots) == (20 * UNIT, 4 * UNIT)
    assert (view.utilisation_ppm, view.efficiency_ppm) == (200_000, 10**6)
    assert (list(view.requested_ms), view.next_version_ms) == ([market.slot(2)], market.slot(2))
    assert [(order.account, order.long_lots, order.settlement_fee_atoms) for order in view.pending] == [
        (2, 4 * UNIT, 5)
    ]
    assert [order.account for order in market.view(everyone=True).pending] == [1, 2]
    assert not market.view().pending


def test_a_change_in_the_block_of_a_version_sees_the_price_before_it() -> None:
    market = Market()
    market.start()
    market.change(1, maker=UNIT, collateral=100 * USD)
    market.at(1)
    market.change(1, maker=2 * UNIT)
    market.change(3, collateral=USD)
    reply = market.until(1, 2 * PRICE)
    assert bodies(pending_list(reply.events), "position_pinned")[0].price_ticks == PRICE
    assert [status for _, status, _, _ in outcomes(reply)] == [PENDING, DONE]
    assert settled(reply) == [(1, True, 1)]
    assert [order.version_ms for order in market.view(1).pending] == [market.slot(2)]
    assert market.position(1)[:3] == (UNIT, 0, 0)


def test_a_value_stays_in_its_range_and_the_market_keeps_what_lies_beyond() -> None:
    market = Market(min_maintenance_atoms=0, maintenance_ppm=1, maker_limit_lots=1 << 40)
    market.shard.free[2] += 10**9 * USD
    market.money += 10**9 * USD
    market.start()
    market.change(1, maker=1, collateral=USD)
    market.at(1)
    market.until(1)
    market.alter(maker_fee_ppm=1_000_000)
    market.change(2, maker=100_000 * UNIT, collateral=10**8 * USD)
    market.at(SLOT_MS + 1)
    reply = market.until(2)
    fee = 100_000 * PRICE
    assert fee * UNIT > 1 << 62
    assert reply.record.maker_value_e6 == 1 << 62
    assert market.position(1)[3] == USD + (1 << 62) // UNIT
    assert market.position(2) == (100_000 * UNIT, 0, 0, 10**8 * USD - fee)
    assert reply.sums.dust_atoms == fee - (1 << 62) // UNIT - 1
    market.alter(maker_fee_ppm=0)
    assert market.until(3, PRICE + 7).record.maker_value_e6 == 1 << 62
    market.settle()
