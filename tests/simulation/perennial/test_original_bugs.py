"""The nine bugs of the original, on a whole node: each test is named after what it guards."""

from actors.columns import row_count
from tests.building import bodies
from tests.simulation.perennial.node import ALL_OUT, FUNDS, PRICE, SLOT_MS, UNIT, USD, Node

MAKER, LONG = 1, 2


def trading(maker: int = 1_000 * USD, long: int = 110 * USD, lots: int = 5 * UNIT, **rules: int) -> Node:
    """Account 1 makes 10 units, account 2 is long; both settled at slot 1 at 100. Block time is slot 1's."""
    node = Node(**rules)
    node.now_ms += 1
    node.block(node.change(1, maker=10 * UNIT, collateral=maker), node.change(2, long=lots, collateral=long))
    node.until(1)
    assert (node.lots(1), node.lots(2)) == (10 * UNIT, lots)
    return node


def test_a_version_is_applied_alike_to_the_market_and_to_accounts() -> None:
    node = trading()
    node.at(node.slot(1) + 1, node.change(3, short=2 * UNIT, collateral=100 * USD))
    node.at(node.slot(2) + 1, node.change(4, maker=3 * UNIT, collateral=200 * USD))
    node.until(3)  # slot 2 never had a price: the short is void, the maker is not
    view = node.market()
    assert (view.sums.maker_lots, view.sums.long_lots, view.sums.short_lots) == (13 * UNIT, 5 * UNIT, 0)
    assert (view.pending_maker_lots, view.pending_short_lots) == (13 * UNIT, 0)
    assert [node.lots(account) for account in (1, 2, 3, 4)] == [10 * UNIT, 5 * UNIT, 0, 3 * UNIT]
    node.until(4, 90 * USD)
    gained = [node.collateral(account) for account in (1, 2, 3, 4)]
    # Makers share the longs' loss by size, floored by the unit, and the void short has nothing of it.
    unit = 50 * USD // 13
    assert gained == [1_000 * USD + 10 * unit, 60 * USD, 100 * USD, 200 * USD + 3 * unit]


def test_an_order_pinned_to_a_version_that_never_comes_holds_nothing_back() -> None:
    node = trading(settlement_fee_atoms=USD)
    before = node.collateral(2)
    node.at(node.slot(1) + 1, node.change(2, long=6 * UNIT, collateral=100 * USD))
    node.at(node.slot(2) + 3_000)
    assert node.market().requested_ms == [node.slot(2)]
    node.at(node.slot(2) + 3_001)
    assert [settled.valid for settled in node.bodies("version_settled")] == [False]
    node.block()
    assert not node.market().pending
    # Void: the size as it was, the settlement fee kept, the collateral the change brought stays.
    assert (node.lots(2), node.collateral(2)) == (5 * UNIT, before + 100 * USD - USD)
    node.block(node.change(2, long=6 * UNIT))
    node.until(3)
    assert node.lots(2) == 6 * UNIT


def test_a_liquidation_never_increases_a_pending_position() -> None:
    node = trading()
    node.at(node.slot(1) + 1, node.change(2, long=9 * UNIT, collateral=80 * USD))
    node.at(node.slot(2) + 1)  # slot 2 waits for its price, which a publisher still owes
    node.at(node.slot(2) + 2, node.alter(min_maintenance_atoms=200 * USD))
    node.block(node.liquidate(2, 5, 0))
    assert node.refusals() == []
    assert [order.long_lots for order in node.market().pending] == [9 * UNIT, 0]
    assert node.market().pending_long_lots == 0
    node.publish(PRICE)
    assert node.lots(2) == 9 * UNIT
    node.until(3)
    assert node.lots(2) == 0 and not node.market().pending


def test_who_withdraws_to_the_edge_and_liquidates_itself_takes_nothing_from_others() -> None:
    node = trading(
        long=200 * USD, taker_fee_ppm=30_000, min_maintenance_atoms=90 * USD, min_liquidation_fee_atoms=90 * USD
    )
    edge = node.collateral(2) - 5 * 100 * USD * 200_000 // 1_000_000
    node.at(node.slot(1) + 1, node.change(2, collateral=-edge))
    assert node.refusals() == []
    node.until(2, PRICE - 1)
    node.at(node.slot(2) + 1, node.liquidate(2, 2, 10_000 * USD))
    left = 100 * USD - 5
    closing_fee = 15 * (PRICE - 1) // 100
    requirement = 5 * (PRICE - 1) // 5
    reward = left - closing_fee
    assert left < requirement and reward < 90 * USD  # the fee is the whole floor, what closing leaves is less
    assert node.refusals() == [("REWARD_ABOVE_LIMIT", reward, 10_000 * USD)]
    node.block(node.liquidate(2, 2))
    node.block()
    node.until(3, PRICE - 1)
    # Nobody is owed, what the close really cost was there, and the maker lost nothing.
    assert node.money(2) == FUNDS - 200 * USD + edge + reward
    assert not node.market().debts and node.collateral(2) == 0
    assert node.collateral(1) >= 1_000 * USD


def test_a_closing_fee_never_makes_a_liquidation_fail() -> None:
    node = trading(long=710 * USD, taker_fee_ppm=1_000_000, settlement_fee_atoms=100 * USD)
    assert node.collateral(2) == 110 * USD  # opening cost all it was worth
    node.until(2, 95 * USD)
    node.at(node.slot(2) + 1, node.liquidate(2, 3))
    assert node.refusals() == []
    (locked,) = node.bodies("position_locked")
    assert (locked.reward_atoms, locked.fee_atoms, locked.settlement_fee_atoms) == (0, 475 * USD, 100 * USD)
    node.until(3, 95 * USD)
    assert (node.lots(2), node.collateral(2)) == (0, 85 * USD - 575 * USD)
    node.block()
    assert [(debt.account, debt.amount_atoms) for debt in node.market().debts] == [(2, 490 * USD)]


def test_bad_debt_is_named_and_the_last_withdrawer_is_paid_when_it_is_repaid() -> None:
    node = trading()
    node.until(2, 70 * USD)  # 150 lost, 110 there
    node.at(node.slot(2) + 1, node.liquidate(2, 3))
    node.until(3, 70 * USD)
    (debt,) = node.market().debts
    assert (debt.account, debt.amount_atoms) == (2, 40 * USD)
    node.at(node.slot(3) + 1, node.change(1, maker=0))
    node.until(4, 70 * USD)
    assert node.collateral(1) == 1_150 * USD
    node.at(node.slot(4) + 1, node.change(1, collateral=ALL_OUT))
    assert node.refusals() == [("INSUFFICIENT_MARKET_FUNDS", 1_150 * USD, 1_110 * USD)]
    node.block(node.change(1, collateral=-1_110 * USD))
    node.block(node.repay(5, 2, 15 * USD), node.repay(6, 2, 25 * USD), node.repay(6, 2, 1))
    assert node.refusals() == [("NOTHING_TO_REPAY", 0, 1)]
    node.block(node.change(1, collateral=ALL_OUT))
    node.block()
    assert not node.market().debts
    assert [node.money(account) - FUNDS for account in (1, 2, 5, 6)] == [150 * USD, -110 * USD, -15 * USD, -25 * USD]
    assert node.market().sums.balance_atoms == 0


def test_liquidations_do_not_queue_while_the_account_is_locked() -> None:
    node = trading()
    node.until(2, 90 * USD)
    node.at(node.slot(2) + 1, *(node.liquidate(2, bot) for bot in (3, 4, 5, 2)))
    assert [name for name, *_ in node.refusals()] == ["LIQUIDATION_PENDING"] * 3
    node.at(node.slot(3) + 3_001)  # invalid: the close moves on, still one, still one reward
    assert [moved.next_version_ms for moved in node.bodies("position_repinned")] == [node.slot(4)]
    node.block(node.liquidate(2, 4), node.change(2, collateral=-1), node.change(2, long=0))
    assert [name for name, *_ in node.refusals()] == ["LIQUIDATION_PENDING", "COLLATERAL_LOCKED", "POSITION_LOCKED"]
    node.until(4, 90 * USD)
    assert [node.money(bot) - FUNDS for bot in (3, 4, 5)] == [18 * USD, 0, 0]
    assert (node.lots(2), node.collateral(2), node.locked_ms(2)) == (0, 60 * USD - 18 * USD, 0)


def test_an_empty_change_makes_no_version_and_no_price() -> None:
    node = trading()
    before = node.market()
    node.at(node.slot(1) + 1, node.change(2), node.change(3), node.change(2, long=5 * UNIT))
    assert node.refusals() == []
    node.at(node.slot(2) + 3_001)
    assert not node.bodies("version_settled") and not node.market().requested_ms
    node.at(node.slot(6))
    after = node.market()
    assert after.record == before.record and after.record.price_ticks == PRICE
    assert node.result is not None and row_count(node.replica.state.version_outbox) == 0


def test_a_liquidator_who_is_the_account_gets_the_reward() -> None:
    node = trading()
    node.until(2, 90 * USD)
    node.at(node.slot(2) + 1, node.liquidate(2, 2))
    node.block()
    reward = 5 * 90 * USD // 5 // 5
    assert node.money(2) == FUNDS - 110 * USD + reward
    assert node.collateral(2) == 60 * USD - reward
    assert len(bodies(node.result.events if node.result else [], "collateral_moved")) == 1
    node.until(3, 90 * USD)
    node.at(node.slot(3) + 1, node.change(2, collateral=ALL_OUT))
    node.block()
    assert (node.money(2), node.position(2)) == (FUNDS - 50 * USD, (0, 0, 0))


def test_every_price_of_a_slot_settles_it_once() -> None:
    node = trading()
    settled = len(node.bodies("version_settled"))
    node.at(node.slot(2), price=90 * USD)
    settled += len(node.bodies("version_settled"))
    for step in (1, 500, 3_000):
        node.at(node.slot(2) + step, price=80 * USD)
        settled += len(node.bodies("version_settled"))
    assert settled == 1 and node.market().record.price_ticks == 90 * USD
    assert node.now_ms < node.slot(2) + SLOT_MS
