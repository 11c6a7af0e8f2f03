"""The nine bugs of the original that the rulebook asks a test for, as far as one desk can show them."""

from actors.columns import row_count
from tests.actors.calling import pending_list
from tests.actors.versioning.market import ALL_OUT, DONE, PENDING, SLOT_MS, UNIT, USD, Market, body, outcomes
from tests.actors.versioning.test_liquidations import falling
from tests.building import bodies, refused


def test_a_version_means_the_same_for_the_market_and_for_every_account() -> None:
    market = Market()
    market.start()
    market.change(1, maker=10 * UNIT, collateral=1_000 * USD)
    market.at(1)
    market.change(2, maker=5 * UNIT, collateral=1_000 * USD)
    market.at(SLOT_MS + 1)  # slot 1 has no price and never gets one
    reply = market.until(2)
    # The market's size is what accounts have: the void order of the first is not in what the second left pinned.
    assert (reply.sums.maker_lots, market.view().pending_maker_lots) == (5 * UNIT, 5 * UNIT)
    assert [market.position(account)[0] for account in (1, 2)] == [0, 5 * UNIT]
    market.until(3)
    market.settle()


def test_an_order_pinned_to_a_version_that_never_comes_is_over_when_its_grace_is() -> None:
    market = falling(price=100 * USD)
    market.change(2, long=6 * UNIT)
    market.work()
    market.at(4 * SLOT_MS + 3_000)
    assert market.view(2).pending
    reply = market.at(4 * SLOT_MS + 3_001)
    assert not market.view(2).pending
    assert body(reply, "version_settled").valid is False
    market.change(2, long=4 * UNIT)
    assert outcomes(market.work()) == [(0, PENDING, market.slot(5), 0)]
    market.until(5, 100 * USD)
    assert market.position(2)[:3] == (0, 4 * UNIT, 0)


def test_a_liquidation_closes_what_is_settled_and_what_is_pending_and_increases_nothing() -> None:
    market = falling(price=90 * USD)
    market.change(2, long=9 * UNIT, collateral=500 * USD)  # slot 4
    market.work()
    market.alter(maintenance_ppm=1_000_000, maker_limit_lots=0)
    market.now_ms = market.slot(4) + 1  # slot 4 waits for its price
    market.liquidate(2, 3)
    reply = market.work()
    assert refused(reply.outcomes) == [(0, "NOT_LIQUIDATABLE", 450 * USD, 600 * USD)]
    market.alter(min_maintenance_atoms=700 * USD)
    market.liquidate(2, 3, reward=0)
    market.work()
    assert [order.long_lots for order in market.view(2).pending] == [9 * UNIT, 0]
    assert market.view().pending_long_lots == 0
    market.publish(90 * USD, market.slot(4) + 1)
    market.work()
    assert market.position(2)[:3] == (0, 9 * UNIT, 0)
    market.until(5, 90 * USD)
    assert market.position(2)[:3] == (0, 0, 0)
    # In the same slot the close takes the order's place.
    market = falling(price=90 * USD)
    market.change(2, long=9 * UNIT, collateral=500 * USD)
    market.work()
    market.alter(min_maintenance_atoms=700 * USD)
    market.liquidate(2, 3, reward=0)
    market.work()
    market.until(4, 90 * USD)
    assert market.position(2)[:3] == (0, 0, 0)


def test_to_withdraw_to_the_edge_and_liquidate_oneself_takes_nothing_from_others() -> None:
    market = falling(price=100 * USD, min_liquidation_fee_atoms=400 * USD, taker_fee_ppm=10_000)
    market.change(2, collateral=-50 * USD)
    assert outcomes(market.work()) == [(0, DONE, 0, -50 * USD)]
    market.until(4, 100 * USD - 1)
    market.now_ms += 1
    market.liquidate(2, 2)
    reply = market.work()
    left = 100 * USD - 5
    fee = 5 * (100 * USD - 1) // 100
    assert outcomes(reply) == [(0, PENDING, market.slot(5), left - fee)]
    market.until(5, 100 * USD - 1)
    market.settle()
    assert market.debts == []
    assert market.position(2) == (0, 0, 0, 0)
    assert market.shard.free[2] == 1_000_000 * USD - 5 - fee


def test_a_closing_fee_never_makes_a_liquidation_fail() -> None:
    market = falling(taker_fee_ppm=1_000_000, settlement_fee_atoms=50 * USD)  # closing costs all that was traded
    market.liquidate(2, 3)
    assert outcomes(market.work()) == [(0, PENDING, market.slot(4), 0)]
    market.until(4, 80 * USD)
    assert market.position(2) == (0, 0, 0, 50 * USD - 450 * USD)
    assert market.debts == [(2, 400 * USD)]


def test_bad_debt_is_named_and_stands_between_nobody_and_the_money_that_is_there() -> None:
    market = falling(price=70 * USD, collateral=110 * USD)
    market.liquidate(2, 3)
    market.work()
    market.until(4, 70 * USD)
    market.change(1, maker=0)
    reply = market.at(4 * SLOT_MS + 1)
    recorded = body(reply, "shortfall_recorded")
    assert (recorded.amount_atoms, recorded.shortfall_atoms, reply.sums.shortfall_atoms) == (40 * USD,) * 3
    market.until(5, 70 * USD)
    assert market.position(1) == (0, 0, 0, 1_150 * USD)
    market.change(1, collateral=ALL_OUT)
    reply = market.at(5 * SLOT_MS + 1)
    assert refused(reply.outcomes) == [(0, "INSUFFICIENT_MARKET_FUNDS", 1_150 * USD, 1_110 * USD)]
    market.change(1, collateral=-1_110 * USD)  # all there is
    market.change(1, collateral=ALL_OUT)
    reply = market.work()
    assert refused(reply.outcomes) == [(1, "INSUFFICIENT_MARKET_FUNDS", 40 * USD, 0)]
    market.repay(2, 7, 40 * USD)
    market.change(1, collateral=ALL_OUT)  # before the repayment, whatever came first
    reply = market.work()
    assert [row[1] for row in refused(reply.outcomes)] == ["INSUFFICIENT_MARKET_FUNDS"]
    market.change(1, collateral=ALL_OUT)
    assert outcomes(market.work()) == [(0, DONE, 0, -40 * USD)]
    assert market.reply.sums.balance_atoms == market.reply.sums.shortfall_atoms == 0
    assert market.position(2) == (0, 0, 0, 0)


def test_liquidations_do_not_queue_while_one_is_pending() -> None:
    market = falling()
    for liquidator in (3, 4, 5):
        market.liquidate(2, liquidator)
    reply = market.work()
    assert [row[1] for row in refused(reply.outcomes)] == ["LIQUIDATION_PENDING"] * 2
    assert [market.shard.free[account] for account in (3, 4, 5)] == [1_000_000 * USD] * 3
    market.settle()
    assert [market.shard.free[account] for account in (3, 4, 5)] == [1_000_016 * USD, 1_000_000 * USD, 1_000_000 * USD]
    assert len(bodies(pending_list(reply.events), "position_locked")) == 1
    assert len(market.view(2).pending) == 1


def test_an_empty_change_makes_no_version() -> None:
    market = Market()
    market.change(1)
    reply = market.work()
    assert outcomes(reply) == [(0, DONE, 0, 0)]
    assert not market.view().requested_ms
    market.at(5 * SLOT_MS)
    assert not market.reply.HasField("record")
    market.until(6)
    market.change(1)
    market.at(6 * SLOT_MS + 1)
    reply = market.at(8 * SLOT_MS)
    assert not row_count(reply.events) and not reply.HasField("record")
    assert market.view().record.price_ticks == 100 * USD


def test_who_liquidates_itself_gets_the_reward() -> None:
    market = falling()
    free = market.shard.free[2]
    market.liquidate(2, 2)
    market.work()
    assert market.position(2) == (0, 5 * UNIT, 0, 34 * USD)
    assert market.shard.free[2] == free + 16 * USD
