"""Changes: what is pinned and what it costs, and every refusal with its numbers (PE-03, PE-04, PE-08, PE-13, PE-14)."""

from typing import Any

import pytest

from breakwater.v1 import batches_pb2 as batches
from tests.actors.calling import pending_list
from tests.actors.versioning.market import (
    ALL_OUT,
    DONE,
    PENDING,
    PRICE,
    SLOT_MS,
    START_MS,
    UNIT,
    USD,
    Market,
    body,
    outcomes,
)
from tests.building import bodies, refused


def made(**rules: Any) -> Market:
    """A market with a price, a maker of 10 (account 1) and a long of 5 (account 2), both settled; then these rules."""
    market = Market()
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    market.change(2, long=5 * UNIT, collateral=500 * USD)
    market.at(SLOT_MS + 1)
    market.until(2)
    market.now_ms += 1
    market.alter(**rules)
    assert market.position(1) == (10 * UNIT, 0, 0, 1_000 * USD)
    assert market.position(2) == (0, 5 * UNIT, 0, 500 * USD)
    return market


def refusals(market: Market) -> list[tuple[str, int, int]]:
    """The block's refusals without their commands."""
    return [row[1:] for row in refused(market.work().outcomes)]


def test_pe_04_a_change_is_pinned_to_the_first_slot_later_than_its_block_and_settles_there() -> None:
    market = Market()
    market.start()
    market.change(1, maker=UNIT, collateral=100 * USD)
    reply = market.at(0)  # the slot of its own time is too early
    assert outcomes(reply) == [(0, PENDING, market.slot(1), 0)]
    pinned = body(reply, "position_pinned")
    assert (pinned.version_ms, pinned.maker_lots, pinned.price_ticks) == (market.slot(1), UNIT, PRICE)
    assert (pinned.collateral_atoms, pinned.requirement_atoms) == (100 * USD, 20 * USD)
    assert market.position(1) == (0, 0, 0, 100 * USD)
    reply = market.until(1)
    settled = body(reply, "version_settled")
    assert (settled.version_ms, settled.valid, settled.settled, settled.maker_lots) == (market.slot(1), True, 1, UNIT)
    assert reply.record.version_ms == market.slot(1)
    assert market.position(1) == (UNIT, 0, 0, 100 * USD)


def test_pe_04_nobody_is_pinned_before_a_price_that_can_be_seen_already() -> None:
    market = Market()
    market.start()
    market.now_ms = market.slot(1) - 1
    market.publish(PRICE, market.slot(1) + 1)  # a publisher's clock is ahead
    market.change(1, maker=UNIT, collateral=100 * USD)
    reply = market.work()
    assert outcomes(reply) == [(0, PENDING, market.slot(2), 0)]
    assert not bodies(pending_list(reply.events), "version_settled")  # nor does a slot settle before its time


def test_pe_04_a_second_order_in_a_version_replaces_the_sizes_and_fees_add_up() -> None:
    market = Market(maker_fee_ppm=1_000, settlement_fee_atoms=7)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.change(1, maker=4 * UNIT)
    reply = market.at(2)
    fee = 6 * PRICE // 1_000
    assert outcomes(reply) == [(0, PENDING, market.slot(1), fee + 7)]
    (waiting,) = market.view(1).pending
    assert (waiting.maker_lots, waiting.fee_atoms, waiting.settlement_fee_atoms) == (4 * UNIT, PRICE // 100 + fee, 14)
    market.until(1)
    assert market.position(1) == (4 * UNIT, 0, 0, 1_000 * USD - 16 * PRICE // 1_000 - 14)
    assert market.view().sums.fees_atoms == 16 * PRICE // 1_000 + 14  # the first maker's fee finds no other maker


def test_pe_04_sizes_of_a_version_are_absolute_whatever_becomes_of_the_one_before() -> None:
    market = Market(max_pending=2)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.change(1, maker=12 * UNIT)
    market.at(SLOT_MS + 1)  # no price for slot 1 yet
    assert [order.maker_lots for order in market.view(1).pending] == [10 * UNIT, 12 * UNIT]
    reply = market.at(2 * SLOT_MS, PRICE)
    told = bodies(pending_list(reply.events), "version_settled")
    assert [(one.valid, one.maker_lots) for one in told] == [(False, 0), (True, 12 * UNIT)]
    assert market.position(1) == (12 * UNIT, 0, 0, 1_000 * USD)


def test_pe_14_fees_are_those_of_the_moment_against_everything_pending() -> None:
    market = made(taker_fee_ppm=1_000, taker_skew_ppm=2_000, taker_impact_ppm=4_000, virtual_taker_lots=5 * UNIT)
    # The skew goes from 5/(5+5) to (5-5)/(5+5).
    market.change(3, short=5 * UNIT, collateral=500 * USD)
    # And this one finds both pending: from 0 to 1/(6+5), floored to 90,909 ppm.
    market.change(4, long=UNIT, collateral=500 * USD)
    reply = market.work()
    first = 5 * PRICE * (1_000 + 2_000 * 500_000 // 10**6 - 4_000 * 500_000 // 10**6) // 10**6
    second = PRICE * (1_000 + 2_000 * 90_909 // 10**6 + 4_000 * 90_909 // 10**6) // 10**6
    assert [fee for _, _, _, fee in outcomes(reply)] == [first, second]
    assert first == 0 and second == 154_400


def test_what_keeps_all_and_moves_nothing_realises_and_requests_nothing() -> None:
    market = made()
    market.until(3, PRICE + USD)
    market.change(2)
    reply = market.work()
    assert outcomes(reply) == [(0, DONE, 0, 0)]
    assert (reply.legs.kind, reply.legs.collateral_atoms) == ([batches.VERSION_LEG_KIND_MOVED], [0])
    assert not market.view().requested_ms
    assert not pending_list(reply.events)
    market.settle()
    assert market.shard.positions[2].collateral == 505 * USD


def test_collateral_alone_is_moved_at_once_and_everything_is_what_there_is() -> None:
    market = made()
    market.change(3, collateral=70 * USD)
    market.change(3, collateral=-30 * USD)
    market.change(3, collateral=ALL_OUT)
    reply = market.work()
    assert outcomes(reply) == [(0, DONE, 0, 70 * USD), (1, DONE, 0, -30 * USD), (2, DONE, 0, -40 * USD)]
    assert market.position(3) == (0, 0, 0, 0)
    assert market.shard.free[3] == 1_000_000 * USD


def test_a_market_without_a_version_takes_collateral_and_nothing_else() -> None:
    market = Market()
    market.change(1, collateral=100 * USD)
    market.change(1, maker=UNIT, collateral=100 * USD)
    market.change(1, collateral=-40 * USD)
    market.liquidate(1, 2)
    reply = market.work()
    assert refused(reply.outcomes) == [(1, "NO_VERSION", 1, 0), (3, "NO_VERSION", 1, 0)]
    assert market.position(1) == (0, 0, 0, 60 * USD)
    assert market.shard.free[1] == 1_000_000 * USD - 60 * USD  # what the refused one held is back


def test_pe_04_a_stale_version_refuses_changes() -> None:
    market = made()
    stale = market.slot(2) + 120_000 - SLOT_MS
    market.now_ms = stale - 1
    market.change(2, long=4 * UNIT)
    assert refusals(market) == []
    market.now_ms = stale
    market.change(2, collateral=USD)
    market.change(2, long=3 * UNIT)
    assert refusals(market) == [("STALE_VERSION", 120_000, 120_000)] * 2


def test_pe_06_an_invalid_version_makes_no_price_newer() -> None:
    market = made(stale_after_ms=3 * SLOT_MS)
    market.change(2, long=4 * UNIT)
    market.work()
    market.at(3 * SLOT_MS + 3_001)
    assert market.view().record.version_ms == market.slot(3)
    market.now_ms = market.slot(4)
    market.change(2, long=3 * UNIT)
    assert refusals(market) == [("STALE_VERSION", 3 * SLOT_MS, 3 * SLOT_MS)]


def test_pe_13_a_closed_market_only_shrinks_and_costs_nothing() -> None:
    market = made(taker_fee_ppm=1_000)
    market.alter(closed=True)
    market.change(2, long=7 * UNIT)
    market.change(2, long=0, short=3 * UNIT)
    market.change(2, long=3 * UNIT)
    reply = market.work()
    assert refused(reply.outcomes) == [(0, "MARKET_CLOSED", 0, 2 * UNIT), (1, "MARKET_CLOSED", 0, 3 * UNIT)]
    assert outcomes(reply)[2] == (2, PENDING, market.slot(3), 0)


def test_pe_13_makers_have_a_limit_whoever_moves() -> None:
    market = made(maker_limit_lots=11 * UNIT)
    market.change(3, maker=2 * UNIT, collateral=100 * USD)
    assert refusals(market) == [("MAKER_LIMIT", 11 * UNIT, 12 * UNIT)]
    market.alter(maker_limit_lots=9 * UNIT)
    market.change(2, long=4 * UNIT)
    market.change(2, collateral=USD)  # what only helps is taken
    market.change(2, collateral=-USD)
    assert refusals(market) == [("MAKER_LIMIT", 9 * UNIT, 10 * UNIT)] * 2


def test_pe_01_a_position_has_one_side() -> None:
    market = made()
    market.change(2, short=UNIT)
    market.change(3, maker=UNIT, long=UNIT, short=UNIT, collateral=500 * USD)
    assert refusals(market) == [("NOT_SINGLE_SIDED", 1, 2), ("NOT_SINGLE_SIDED", 1, 3)]


def test_pe_04_versions_that_wait_are_limited_for_the_market_and_for_an_account() -> None:
    market = made(max_pending=1, max_pending_versions=2, grace_ms=100_000)
    market.change(2, long=4 * UNIT)
    assert refusals(market) == []
    market.now_ms += SLOT_MS
    market.change(2, long=3 * UNIT)
    assert refusals(market) == [("TOO_MANY_PENDING", 1, 2)]
    market.change(3, maker=UNIT, collateral=100 * USD)
    assert refusals(market) == []
    market.now_ms += SLOT_MS
    market.change(4, maker=UNIT, collateral=100 * USD)
    market.change(4, collateral=100 * USD)
    assert refusals(market) == [("TOO_MANY_PENDING_VERSIONS", 2, 3)]


def test_pe_03_collateral_after_pending_fees_covers_the_settled_and_every_pending_position() -> None:
    market = made(taker_fee_ppm=10_000)
    market.change(2, long=0)  # fee 5, pending
    market.change(2, collateral=-400 * USD)
    market.change(2, collateral=-395 * USD)
    reply = market.work()
    # The settled 5 still count; the order that closes them costs its fee.
    assert refused(reply.outcomes) == [(1, "BELOW_REQUIREMENT", 100 * USD, 500 * USD - 5 * USD - 400 * USD)]
    market.now_ms += 1
    market.change(3, long=10 * UNIT, collateral=200 * USD)  # 10 of fee
    assert refusals(market) == [("BELOW_REQUIREMENT", 200 * USD, 190 * USD)]


def test_pe_03_an_order_that_is_replaced_in_its_version_requires_nothing_any_more() -> None:
    market = made()
    market.change(3, maker=50 * UNIT, collateral=1_000 * USD)
    market.change(3, maker=UNIT, collateral=-970 * USD)
    market.change(3, collateral=-20 * USD)
    reply = market.work()
    assert refused(reply.outcomes) == [(2, "BELOW_REQUIREMENT", 20 * USD, 10 * USD)]


def test_pe_03_nothing_leaves_an_account_that_pending_fees_leave_below_zero() -> None:
    market = made(settlement_fee_atoms=USD, min_maintenance_atoms=0, maintenance_ppm=1)
    market.change(3, maker=100, collateral=2 * USD)
    market.change(3, collateral=-USD - 1)
    assert refusals(market) == [("BELOW_REQUIREMENT", 0, -1)]


def test_pe_13_makers_may_not_leave_takers_behind() -> None:
    market = made(efficiency_limit_ppm=1_500_000)  # never met: lowering it is refused
    market.change(1, maker=4 * UNIT)
    assert refusals(market) == [("EFFICIENCY_LIMIT", 1_500_000, 800_000)]
    market.alter(efficiency_limit_ppm=0)
    market.change(1, maker=4 * UNIT)
    market.change(1, maker=5 * UNIT)
    reply = market.work()
    assert refused(reply.outcomes) == [(0, "MARKET_SOCIALISED", 5 * UNIT, 4 * UNIT)]


def test_pe_13_takers_may_always_close_where_the_market_says_so() -> None:
    market = made(efficiency_limit_ppm=0)
    market.change(1, maker=0)
    assert refusals(market) == [("MARKET_SOCIALISED", 5 * UNIT, 0)]
    market.alter(taker_close_always=True)
    market.change(1, maker=0)
    market.change(3, long=UNIT, collateral=100 * USD)
    assert refusals(market) == [("MARKET_SOCIALISED", 6 * UNIT, 0)]


def test_who_is_frozen_only_reduces_what_was_pinned_last() -> None:
    market = made()
    market.change(2, long=3 * UNIT, only_reduces=1)
    reply = market.work()
    assert [row[:2] for row in outcomes(reply)] == [(0, PENDING)]
    # Back to what is settled would grow over what is pinned.
    for sizes in ({"long": 3 * UNIT + 1}, {"long": 0, "short": 1}, {"maker": 1}):
        market.change(2, only_reduces=1, **sizes)
        assert refused(market.work().outcomes) == [(0, "ACCOUNT_FROZEN", 0, 2)]
    market.change(2, long=0, only_reduces=1)
    assert [row[:2] for row in outcomes(market.work())] == [(0, PENDING)]
    market.until(3)
    assert market.position(2)[:3] == (0, 0, 0)


def test_refusals_keep_their_order() -> None:
    market = made(stale_after_ms=1, closed=True, maker_limit_lots=10 * UNIT, max_pending=0, max_pending_versions=0)
    names = []
    for relaxed in ({"stale_after_ms": 120_000}, {"closed": False}, {"maker_limit_lots": 99 * UNIT}, {}):
        market.change(3, maker=11 * UNIT, long=UNIT, short=UNIT)
        names += [name for name, *_ in refusals(market)]
        market.alter(**relaxed)
    for relaxed in ({"max_pending_versions": 9}, {"max_pending": 9}, {}):
        market.change(3, maker=11 * UNIT)
        names += [name for name, *_ in refusals(market)]
        market.alter(**relaxed)
    assert names == [
        "STALE_VERSION",
        "MARKET_CLOSED",
        "MAKER_LIMIT",
        "NOT_SINGLE_SIDED",
        "TOO_MANY_PENDING_VERSIONS",
        "TOO_MANY_PENDING",
        "BELOW_REQUIREMENT",
    ]


def test_standings_tell_pending_fees_when_they_change() -> None:
    market = Market(settlement_fee_atoms=7)
    market.start()
    market.change(1, maker=UNIT, collateral=100 * USD)
    market.change(2, collateral=USD)
    told = market.at(1).standings
    assert (told.account, told.kind, told.lots, told.cost_atoms, told.basis) == ([1], [-1], [0], [7], [0])
    told = market.until(1).standings
    assert (told.account, told.cost_atoms) == ([1], [0])
    assert not market.at(SLOT_MS + 1).standings.account
    market.alter(settlement_fee_atoms=0)
    market.change(1, maker=2 * UNIT)
    assert not market.at(SLOT_MS + 2).standings.account  # pinned, but neither fees nor a lock


def test_the_slot_is_never_before_one_already_asked_for() -> None:
    market = Market()
    market.start()
    market.publish(PRICE, market.slot(1))  # ahead
    market.change(1, maker=UNIT, collateral=100 * USD)
    market.at(SLOT_MS - 2)
    market.publish(PRICE, market.slot(1) - 5)  # and gone again
    market.change(1, maker=2 * UNIT)
    reply = market.at(SLOT_MS - 1)
    assert outcomes(reply) == [(0, PENDING, market.slot(2), 0)]
    assert market.view().next_version_ms == START_MS + 2 * SLOT_MS


@pytest.mark.parametrize("root", [True, False])
def test_a_digest_is_told_where_it_is_asked_for(root: bool) -> None:
    assert bool(Market().work(root=root).digest) == root
