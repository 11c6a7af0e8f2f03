"""Liquidations: who may be liquidated, what the reward may be, what the lock keeps shut (PE-02, PE-07 to PE-11)."""

from typing import Any

import pytest

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from tests.actors.versioning.market import ALL_OUT, DONE, PENDING, SLOT_MS, START_MS, UNIT, USD, Market, body, outcomes
from tests.building import refused

REWARD = batches.VERSION_LEG_KIND_REWARD


def falling(price: int = 80 * USD, collateral: int = 150 * USD, exact: bool = False, **rules: Any) -> Market:
    """A long of 5 from 100 (account 2) with this collateral, a maker of 10 (account 1), a price; then these rules."""
    market = Market(exact)
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.until(1)
    market.change(2, long=5 * UNIT, collateral=collateral)
    market.at(SLOT_MS + 1)
    market.until(2)
    market.until(3, price)
    market.now_ms += 1
    market.alter(**rules)
    assert market.position(2) == (0, 5 * UNIT, 0, collateral - 5 * (100 * USD - price))
    return market


def refusals(market: Market) -> list[tuple[str, int, int]]:
    return [row[1:] for row in refused(market.work().outcomes)]


def test_pe_07_a_liquidation_locks_pays_and_closes_at_the_next_version() -> None:
    market = falling()
    market.liquidate(2, 3)
    reply = market.work()
    assert outcomes(reply) == [(0, PENDING, market.slot(4), 16 * USD)]
    locked = body(reply, "position_locked")
    assert (locked.liquidator, locked.version_ms, locked.lots) == (3, market.slot(4), 5 * UNIT)
    assert (locked.kind, locked.price_ticks) == (events.POSITION_KIND_LONG, 80 * USD)
    assert (locked.collateral_atoms, locked.requirement_atoms) == (50 * USD, 80 * USD)
    assert (locked.reward_limit_atoms, locked.reward_atoms) == (16 * USD, 16 * USD)
    assert locked.price_version_ms == market.slot(3)
    rows = zip(reply.legs.leg, reply.legs.account, reply.legs.kind, reply.legs.counterparty, strict=True)
    assert list(rows) == [(0, 2, REWARD, 3), (1, 3, REWARD, 2)]
    assert market.position(2) == (0, 5 * UNIT, 0, 34 * USD)
    assert market.shard.free[3] == 1_000_016 * USD
    told = reply.standings
    assert (told.account, told.cost_atoms, told.basis) == ([2], [0], [market.slot(4)])
    reply = market.until(4, 78 * USD)  # PE-10: the old position runs on until here
    assert reply.legs.flags == [7]
    assert (reply.standings.account, reply.standings.basis) == ([2], [0])
    assert market.position(2) == (0, 0, 0, 24 * USD)


def test_pe_02_at_the_requirement_nobody_is_liquidated_an_atom_below_it_is_enough() -> None:
    market = falling(collateral=180 * USD)
    market.liquidate(2, 3)
    assert refusals(market) == [("NOT_LIQUIDATABLE", 80 * USD, 80 * USD)]
    market = falling(collateral=180 * USD - 1)
    market.liquidate(2, 3)
    assert refusals(market) == []


def test_pe_02_pending_fees_and_those_of_the_close_are_deducted() -> None:
    market = falling(collateral=180 * USD, settlement_fee_atoms=1)
    market.liquidate(2, 3, reward=0)
    assert refusals(market) == []
    market = falling(collateral=183 * USD, taker_fee_ppm=10_000)
    market.liquidate(2, 3, reward=0)
    market.work()
    assert market.view(2).pending[0].fee_atoms == 4 * USD
    market = falling(collateral=190 * USD, taker_fee_ppm=10_000)
    market.liquidate(2, 3, reward=0)
    assert refusals(market) == [("NOT_LIQUIDATABLE", 80 * USD, 86 * USD)]


def test_pe_02_a_pending_order_neither_saves_nor_dooms() -> None:
    market = falling(collateral=220 * USD)
    market.change(2, long=6 * UNIT)
    market.work()
    market.liquidate(2, 3)
    assert refusals(market) == [("NOT_LIQUIDATABLE", 80 * USD, 120 * USD)]
    market = falling(price=90 * USD)
    market.change(2, long=0)
    market.work()
    market.at(4 * SLOT_MS + 1)
    market.now_ms += 3_000 - 1
    market.work()
    market.until(5, 80 * USD)
    market.liquidate(2, 3)
    assert refusals(market) == []


def test_pe_02_an_account_without_a_position_cannot_be_liquidated() -> None:
    market = falling()
    market.liquidate(5, 3)
    assert refusals(market) == [("NOT_LIQUIDATABLE", 0, 0)]


@pytest.mark.parametrize(
    ("collateral", "lots", "reward"),
    [(10_000, 750, 3_000), (30_000, 1_600, 6_400), (25_000, 1_000, None)],
)
def test_pe_09_the_seeds_table(collateral: int, lots: int, reward: int | None) -> None:
    market = Market(max_liquidation_fee_atoms=10_000 * USD)
    market.start()
    market.change(1, maker=5_000 * UNIT, collateral=500_000 * USD)
    market.change(2, long=lots * UNIT, collateral=collateral * USD + lots * 20 * USD)
    market.at(1)
    market.until(1)
    # 20% of the price against 20 of loss a unit: the requirement is 20 a unit at a price of 100 again.
    market.shard.settle(batches.VersionLegs(), None)
    market.change(2, collateral=-lots * 20 * USD)
    reply = market.at(SLOT_MS + 1)
    if collateral < lots * 20:
        assert [row[1] for row in refused(reply.outcomes)] == ["BELOW_REQUIREMENT"]
        market.alter(maintenance_ppm=1_000)
        market.change(2, collateral=-lots * 20 * USD)
        market.at(SLOT_MS + 2)
        market.alter(maintenance_ppm=200_000)
    market.liquidate(2, 3)
    reply = market.at(SLOT_MS + 3)
    if reward is None:
        assert [row[1] for row in refused(reply.outcomes)] == ["NOT_LIQUIDATABLE"]
    else:
        assert outcomes(reply) == [(0, PENDING, market.slot(2), reward * USD)]


def test_pe_09_less_may_be_asked_but_not_more() -> None:
    market = falling()
    market.liquidate(2, 3, reward=16 * USD + 1)
    assert refusals(market) == [("REWARD_ABOVE_LIMIT", 16 * USD, 16 * USD + 1)]
    market.liquidate(2, 3, reward=0)
    reply = market.work()
    assert outcomes(reply) == [(0, PENDING, market.slot(4), 0)]
    assert market.position(2) == (0, 5 * UNIT, 0, 50 * USD)


def test_pe_09_from_version_2_more_than_the_limit_is_paid_up_to_it_and_told() -> None:
    market = falling()
    market.venue.logic_version = 2
    market.liquidate(2, 3, reward=16 * USD + 1)
    reply = market.work()
    assert outcomes(reply) == [(0, PENDING, market.slot(4), 16 * USD)]
    locked = body(reply, "position_locked")
    assert (locked.reward_atoms, locked.reward_limit_atoms) == (16 * USD, 16 * USD)
    assert locked.reward_asked_atoms == 16 * USD + 1
    assert market.position(2) == (0, 5 * UNIT, 0, 34 * USD) and market.shard.free[3] == 1_000_016 * USD


def test_pe_09_version_2_says_nothing_of_who_asks_for_what_there_is_and_of_exact_markets() -> None:
    for reward in (0, 16 * USD, -1):
        market = falling()
        market.venue.logic_version = 2
        market.liquidate(2, 3, reward=reward)
        assert body(market.work(), "position_locked").reward_asked_atoms == 0
    market = falling(exact=True)
    market.venue.logic_version = 2
    market.liquidate(2, 3, reward=16 * USD + 1)
    assert refusals(market) == [("REWARD_ABOVE_LIMIT", 16 * USD, 16 * USD + 1)]


def test_pe_09_the_reward_is_what_closing_leaves_and_the_bare_fee_only_where_it_must_be() -> None:
    market = falling(collateral=110 * USD, settlement_fee_atoms=3 * USD)
    market.liquidate(2, 3)
    assert outcomes(market.work()) == [(0, PENDING, market.slot(4), 7 * USD)]
    market = falling(collateral=110 * USD, price=70 * USD)  # 40 below zero
    market.liquidate(2, 3)
    assert outcomes(market.work()) == [(0, PENDING, market.slot(4), 0)]
    market = falling(collateral=110 * USD, settlement_fee_atoms=3 * USD, exact=True)
    market.liquidate(2, 3)
    assert outcomes(market.work()) == [(0, PENDING, market.slot(4), 16 * USD)]
    market.until(4, 80 * USD)
    market.settle()
    assert market.debts == [(2, 9 * USD)]


def test_pe_09_fees_of_every_pending_order_come_before_the_reward() -> None:
    market = falling(collateral=190 * USD, price=85 * USD, settlement_fee_atoms=20 * USD, grace_ms=15_000)
    market.change(2, long=4 * UNIT)
    market.work()
    market.now_ms += SLOT_MS
    market.alter(min_liquidation_fee_atoms=900 * USD)
    market.liquidate(2, 3)
    reply = market.work()
    # 115 are left of the collateral; one order costs 20, the close as much.
    locked = body(reply, "position_locked")
    assert (locked.collateral_atoms, locked.requirement_atoms) == (75 * USD, 85 * USD)
    assert outcomes(reply) == [(0, PENDING, market.slot(5), 75 * USD)]


def test_pe_09_the_reward_is_between_floor_and_cap() -> None:
    market = falling(max_liquidation_fee_atoms=5 * USD)
    market.liquidate(2, 3)
    assert outcomes(market.work())[0][3] == 5 * USD
    market = falling(min_liquidation_fee_atoms=30 * USD)
    market.liquidate(2, 3)
    assert outcomes(market.work())[0][3] == 30 * USD


def test_pe_17_the_reward_is_never_more_than_the_market_holds() -> None:
    market = falling(exact=True)
    market.change(1, collateral=-700 * USD)
    market.work()
    book = market.view().sums.balance_atoms
    market.alter(min_liquidation_fee_atoms=2 * book, max_liquidation_fee_atoms=2 * book)
    market.liquidate(2, 3)
    reply = market.work()
    assert outcomes(reply) == [(0, PENDING, market.slot(4), book)]
    assert reply.sums.balance_atoms == 0


def test_pe_08_the_lock_refuses_each_in_its_own_words_and_takes_deposits() -> None:
    market = falling()
    market.liquidate(2, 3)
    market.change(2, long=0, collateral=5 * USD)  # what is pending already, but a close all the same
    market.change(2, collateral=-1)
    market.change(2, collateral=ALL_OUT)
    market.change(2, collateral=40 * USD)
    reply = market.work()
    version, now = market.slot(4), market.now_ms
    assert refused(reply.outcomes) == [
        (1, "POSITION_LOCKED", version, now),
        (2, "COLLATERAL_LOCKED", version, now),
        (3, "COLLATERAL_LOCKED", version, now),
    ]
    assert outcomes(reply)[4] == (4, DONE, 0, 40 * USD)
    market.liquidate(2, 4)
    market.change(2, long=9 * UNIT)
    reply = market.work()
    assert refused(reply.outcomes) == [
        (0, "LIQUIDATION_PENDING", version, now),
        (1, "POSITION_LOCKED", version, now),
    ]
    assert market.position(2) == (0, 5 * UNIT, 0, 74 * USD)
    market.until(4, 80 * USD)
    market.change(2, collateral=ALL_OUT)
    assert outcomes(market.work()) == [(0, DONE, 0, -74 * USD)]


def test_pe_08_as_the_contracts_did_it_collateral_leaves_a_locked_account_that_stays_above() -> None:
    market = falling(exact=True)
    market.liquidate(2, 3)
    market.change(2, collateral=45 * USD)
    market.work()
    assert market.position(2) == (0, 5 * UNIT, 0, 34 * USD)  # the deposit did not reach the requirement
    assert market.shard.held[2] == 0
    market.change(2, collateral=56 * USD)
    market.change(2, collateral=-10 * USD)
    market.change(2, collateral=-1)
    reply = market.work()
    assert refused(reply.outcomes) == [(2, "BELOW_REQUIREMENT", 80 * USD, 80 * USD - 1)]


def test_pe_08_an_unhealthy_account_may_put_collateral_in() -> None:
    market = falling()
    market.change(2, collateral=USD)
    market.change(2)
    assert refusals(market) == []


def test_pe_04_a_stale_price_liquidates_nobody() -> None:
    market = falling()
    market.now_ms = market.slot(3) + 120_000 - SLOT_MS
    market.liquidate(2, 3)
    assert refusals(market) == [("STALE_VERSION", 120_000, 120_000)]


def test_pe_11_a_liquidation_needs_no_maker_room_no_efficiency_and_no_pending_slot() -> None:
    market = falling(maker_limit_lots=0, efficiency_limit_ppm=10**7, max_pending=0, max_pending_versions=0)
    market.liquidate(2, 3)
    assert refusals(market) == []
    market.until(4, 80 * USD)
    assert market.position(2)[:3] == (0, 0, 0)


def test_pe_11_a_maker_who_is_liquidated_may_leave_takers_behind() -> None:
    market = falling()
    market.alter(min_maintenance_atoms=2_000 * USD)
    market.liquidate(1, 3)
    assert refusals(market) == []
    market.until(4, 80 * USD)
    assert market.position(1)[:3] == (0, 0, 0)
    assert market.position(2)[:3] == (0, 5 * UNIT, 0)


def test_pe_06_a_liquidation_at_an_invalid_version_moves_on_once_paid() -> None:
    market = falling(settlement_fee_atoms=2 * USD, taker_fee_ppm=10_000)
    market.liquidate(2, 3)
    market.work()
    before = market.position(2)
    assert before == (0, 5 * UNIT, 0, 34 * USD)
    reply = market.at(4 * SLOT_MS + 3_001)
    moved = body(reply, "position_repinned")
    assert (moved.version_ms, moved.next_version_ms) == (market.slot(4), market.slot(5))
    assert (body(reply, "version_settled").valid, body(reply, "version_settled").settled) == (False, 0)
    assert not reply.legs.kind
    assert (reply.standings.account, reply.standings.basis) == ([2], [market.slot(5)])
    assert market.position(2) == before
    market.liquidate(2, 3)
    reply = market.work()
    assert [row[1] for row in refused(reply.outcomes)] == ["LIQUIDATION_PENDING"]
    market.until(5, 80 * USD)
    # The fees of the moment it was decided, once.
    assert market.position(2) == (0, 0, 0, 34 * USD - 4 * USD - 2 * USD)


def test_pe_06_an_order_taken_over_by_a_liquidation_moves_on_with_it() -> None:
    market = falling(price=90 * USD, settlement_fee_atoms=USD)
    market.change(2, long=3 * UNIT)
    market.work()
    market.alter(maintenance_ppm=300_000)
    market.liquidate(2, 3, reward=0)
    market.work()
    (waiting,) = market.view(2).pending
    assert (waiting.long_lots, waiting.settlement_fee_atoms, waiting.is_liquidation) == (0, 2 * USD, True)
    market.at(4 * SLOT_MS + 3_001)
    (waiting,) = market.view(2).pending
    assert (waiting.version_ms, waiting.settlement_fee_atoms) == (START_MS + 5 * SLOT_MS, 2 * USD)
