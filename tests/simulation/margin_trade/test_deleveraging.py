"""Rung 3 through whole blocks: who pays, in which order, at which price, and what nobody can carry (MT-15, MT-16)."""

import pytest

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from tests.simulation.margin_trade.scene import DEEP, IM, LOT, REDUCE_ONLY, VAULT, K, Scene

WHALE, TRADER, BIDDER = 1, 2, 3
QUEUE, BY_POSITION, BY_PROFIT = 1, 2, 3
BANKRUPTCY, PREVIOUS_MARK = common.DELEVERAGE_PRICE_BANKRUPTCY, common.DELEVERAGE_PRICE_PREVIOUS_MARK


def indebted(lots: int = 100, equity_a_lot: int = IM, accounts: int = 4, **rules: object) -> Scene:
    """A trader long of the whale; the vault has nothing, so that a fall below two thirds goes to rung 3."""
    scene = Scene(accounts=accounts, **rules)
    scene.deposit(a1=DEEP, a2=lots * equity_a_lot, a3=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, lots)
    return scene


def test_a_liquidation_of_all_there_is_in_a_market() -> None:
    """100% of the open interest: the whale takes his own side back at the trader's bankruptcy price."""
    scene = indebted(10_000)
    told = scene.seal(m1=9_600)
    (run,) = told.of("deleverage_run")
    assert (run.needed_lots, run.taken_lots, run.counterparties) == (10_000, 10_000, 1)
    assert [scene.lots(account) for account in (WHALE, TRADER)] == [0, 0]
    assert scene.equity(TRADER) == 0
    assert scene.equity(WHALE) == DEEP + 10_000 * IM
    scene.same_everywhere()


@pytest.mark.parametrize(("short_of_it", "paid"), [(1, False), (0, True), (-1, True)])
def test_mt16a_the_fund_pays_a_deficit_whole_or_not_at_all(short_of_it: int, paid: bool) -> None:
    """At 9,400 ticks the trader is 10,000 atoms a lot below zero: one atom short, exact, one over."""
    deficit = 100 * 10_000
    scene = indebted()
    scene.insure(deficit - short_of_it)
    scene.seal()
    told = scene.seal(m1=9_400)
    moved = [body.amount_atoms for body in told.of("insurance_moved", TRADER)]
    assert moved == ([-deficit] if paid else [])
    assert scene.funds.fund_atoms == (-short_of_it if paid else deficit - 1)
    # At the mark where the fund has paid, else at the bankruptcy price: what the counterparty bears is the difference.
    assert scene.equity(WHALE) == DEEP + 100 * 600 * K - (0 if paid else deficit)
    assert (scene.equity(TRADER), scene.funds.shortfall_atoms) == (0, 0)


def test_mt16a_without_a_fund_the_other_side_bears_it() -> None:
    scene = indebted()
    told = scene.seal(m1=9_400)
    assert (scene.funds.fund_atoms, told.of("insurance_moved")) == (0, [])
    (part,) = told.of("deleveraged")
    assert (part.liquidated_account, part.lots, part.haircut_atoms) == (TRADER, 100, 100 * 10_000)


@pytest.mark.parametrize(("price", "taken"), [(PREVIOUS_MARK, 30), (BANKRUPTCY, 60)])
def test_mt16_a_loss_nobody_can_carry_stands_in_the_ledger_and_no_third_goes_below_zero(price: int, taken: int) -> None:
    """The only other side can bear 3 USDC of the 5 that are missing, because he loses in another market."""
    scene = Scene(accounts=4, markets=2, deleverage_price=price)
    scene.deposit(a1=200 * IM, a2=100 * IM, a3=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.trade(WHALE, BIDDER, 100, market=2)
    told = scene.seal(m1=9_000, m2=8_300)
    run = told.of("deleverage_run")[0]
    assert (run.needed_lots, run.taken_lots) == (100, taken)
    assert told.of("shortfall_recorded")[0].amount_atoms == 2 * LOT
    assert min(scene.equity(account) for account in (WHALE, TRADER, BIDDER)) >= 0
    scene.same_everywhere()


def test_mt15_at_the_previous_mark_the_trader_keeps_what_he_had_then() -> None:
    scene = indebted(deleverage_price=PREVIOUS_MARK)
    scene.seal(m1=9_900)
    told = scene.seal(m1=9_400)
    (run,) = told.of("deleverage_run")
    assert run.quote_atoms == 100 * 9_900 * K
    # The whale goes without what the mark would have given him since.
    assert scene.equity(TRADER) == 100 * (IM - 100 * K)
    assert scene.equity(WHALE) == DEEP + 100 * 100 * K


def test_mt15_at_the_bankruptcy_price_there_is_no_bad_debt() -> None:
    scene = indebted()
    told = scene.seal(m1=9_000)
    assert told.of("deleverage_run")[0].quote_atoms == 100 * 9_500 * K
    assert (scene.equity(TRADER), scene.funds.shortfall_atoms) == (0, 0)


def test_mt15_ties_of_the_rank_go_by_account() -> None:
    """Two shorts alike in lots, cost and equity: the lower number is taken whole before the other is touched."""
    scene = Scene(accounts=6)
    scene.deposit(a2=70 * IM, a3=DEEP, a4=LOT * 1_000, a5=LOT * 1_000)
    scene.seal()
    for short in (5, 4):
        scene.trade(TRADER, short, 35)
        scene.trade(3, short, 35)
    told = scene.seal(m1=9_400)
    assert told.who("deleveraged") == [4]
    assert [(body.rank, body.lots) for body in told.of("deleveraged")] == [(0, 70)]
    assert (scene.lots(4), scene.lots(5), scene.lots(3)) == (0, -70, 70)


def test_mt15_never_another_market_nor_an_account_without_a_position_there() -> None:
    scene = Scene(accounts=6, markets=2)
    scene.deposit(a1=DEEP, a2=100 * IM, a3=DEEP, a4=DEEP, a5=DEEP)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.trade(4, WHALE, 100, market=2)
    scene.trade(3, 5, 100, market=2)
    scene.order(WHALE, -5, 10_500)
    scene.order(WHALE, -5, 10_500, market=2)
    scene.seal()
    before = {account: (scene.lots(account, 2), scene.equity(account)) for account in (3, 4, 5)}
    told = scene.seal(m1=9_400)
    assert told.who("deleveraged") == [WHALE]
    assert {account: (scene.lots(account, 2), scene.equity(account)) for account in (3, 4, 5)} == before
    assert scene.lots(WHALE, 2) == -100
    # All his orders in that market are gone first; the one in the other market stays.
    assert [order.market for order in scene.view(WHALE).orders] == [2]
    assert told.kinds("order_done", "deleverage_run", "deleveraged") == ["order_done", "deleverage_run", "deleveraged"]


def test_orders_of_the_ladder_go_before_deleveraging() -> None:
    """Rung 1 of one account and rung 3 of another at one tick: the book is used before anybody is deleveraged."""
    scene = Scene(accounts=5)
    scene.deposit(a1=DEEP, a2=100 * IM, a3=DEEP, a4=100 * (IM + 20_000))
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.trade(4, WHALE, 100)
    scene.order(3, 100, 9_500)
    scene.seal()
    told = scene.seal(m1=9_500)
    assert told.who("liquidation_ordered") == [4]
    assert told.who("takeover_refused") == [TRADER]
    order = told.kinds("order_filled", "deleverage_run")
    assert order.index("order_filled") < order.index("deleverage_run")


@pytest.mark.parametrize("policy", [QUEUE, BY_POSITION, BY_PROFIT])
def test_mt15_each_policy_closes_the_whole_demand_and_tells_its_figures(policy: int) -> None:
    """Shorts of 30 and 70 lots: the queue takes whoever ranks first, the others both by their share."""
    scene = Scene(accounts=6, deleverage_policy=policy)
    scene.deposit(a2=50 * IM, a3=DEEP, a4=1_000 * LOT, a5=1_000 * LOT)
    scene.seal()
    scene.trade(TRADER, 4, 15)
    scene.trade(TRADER, 5, 35)
    scene.trade(3, 4, 15)
    scene.trade(3, 5, 35)
    told = scene.seal(m1=9_400)
    (run,) = told.of("deleverage_run")
    assert (run.policy, run.needed_lots, run.taken_lots) == (policy, 50, 50)
    parts = dict(zip(told.who("deleveraged"), (body.lots for body in told.of("deleveraged")), strict=True))
    assert parts == ({5: 50} if policy == QUEUE else {4: 15, 5: 35})
    assert sum(body.quote_atoms for body in told.of("deleveraged")) == run.quote_atoms
    assert run.largest_haircut_ppm > 0
    assert scene.equity(TRADER) == 0
    scene.same_everywhere()


@pytest.mark.parametrize("short_of_it", [None, 1, 0])
def test_a_debt_without_a_position_is_paid_by_the_fund_or_written_off(short_of_it: int | None) -> None:
    """What fills between an old order and a moved mark left: the vault is not asked, nor anybody deleveraged."""
    scene = Scene(accounts=4, markets=2)
    debt = 2 * LOT
    if short_of_it is not None:
        scene.insure(debt - short_of_it)
    scene.deposit(a1=DEEP, a2=200 * IM, a3=DEEP)
    scene.seal()
    scene.provide(BIDDER, 10_000 * LOT)
    scene.seal()
    scene.trade(TRADER, WHALE, 100)
    scene.trade(WHALE, TRADER, 100, market=2)
    scene.order(TRADER, -100, 10_100, flags=REDUCE_ONLY)
    scene.seal()
    scene.order(BIDDER, -100, 11_300, market=2)
    scene.seal()
    scene.seal(m1=11_000, m2=11_300)
    scene.order(TRADER, 100, 11_300, market=2)
    scene.order(WHALE, 100, 10_100)
    scene.seal()
    vault = scene.equity(VAULT)
    told = scene.seal()
    assert [position.lots for position in scene.view(TRADER).positions] == []
    assert (scene.equity(TRADER), scene.equity(VAULT)) == (0, vault)
    assert told.of("taken_over") == told.of("takeover_refused") == told.of("deleverage_run") == []
    if short_of_it == 0:
        assert told.of("insurance_moved", TRADER)[0].reason == events.INSURANCE_REASON_DEFICIT
        assert (scene.funds.fund_atoms, scene.funds.shortfall_atoms) == (0, 0)
    else:
        assert told.of("shortfall_recorded")[0].amount_atoms == debt
        assert scene.funds.shortfall_atoms == debt
    scene.same_everywhere()
