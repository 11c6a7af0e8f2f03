"""What readers see of cross accounts: margin, estimates, orders, and where a position stands in the queue."""

import pytest

from actors.risk.adl import score
from actors.risk.tiers import tiers_of
from actors.rulebooks import margin_trade
from breakwater.v1 import common_pb2 as common
from tests.actors.cross.shard import CASH, PRICE, VENUE, CrossShard, number_of, trade

LONG, SHORT = common.SIDE_LONG, common.SIDE_SHORT
TIERS = tiers_of([(0, 10)])


@pytest.fixture
def shard() -> CrossShard:
    made = CrossShard()
    trade([made])
    return made


def test_an_account_is_shown_with_everything_its_margin_is_made_of(shard: CrossShard) -> None:
    shard.prices[1] = 1_050
    shard.run()
    view = shard.view(1)
    cross = view.cross
    assert (view.exists, view.venue, view.account, view.free_atoms) == (True, VENUE, 1, CASH - 7)
    # 100 lots * 50 ticks * 1,000 atoms of profit; requirements on 105 USDC: 1/5 chosen and 1/20; the hold of 5 lots
    # at 990 in the other market: 1/10 of 5 USDC and ceil(0.045% of 4.95 USDC).
    assert (cross.cash_atoms, cross.equity_atoms) == (CASH - 7, CASH - 7 + 5_000_000)
    assert (cross.initial_margin_atoms, cross.maintenance_atoms) == (21_000_000, 5_250_000)
    assert cross.holds_atoms == 500_000 + 2_228
    assert cross.free_margin_atoms == cross.equity_atoms - cross.initial_margin_atoms - cross.holds_atoms
    assert cross.withdrawable_atoms == cross.free_margin_atoms
    assert (cross.rung, cross.cooldown_until_ms) == (0, 0)
    held, resting = cross.positions
    assert (held.market, held.lots, held.cost_atoms, held.mark_ticks, held.leverage) == (1, 100, 10**8, 1_050, 5)
    assert (held.notional_atoms, held.upnl_atoms, held.hold_atoms) == (105_000_000, 5_000_000, 0)
    assert (held.initial_margin_atoms, held.maintenance_atoms) == (21_000_000, 5_250_000)
    assert held.deleverage_score == score(100, 10**8, cross.equity_atoms, 1_050, 1_000)
    assert (resting.market, resting.lots, resting.leverage, resting.hold_atoms) == (2, 0, 10, 502_228)
    (order,) = cross.orders
    assert (order.order, order.client_order_id, order.market) == (number_of(3, 0), 9, 2)
    assert (order.side, order.limit_ticks, order.size_lots, order.remaining_lots) == (LONG, 990, 5, 5)


def test_the_liquidation_estimate_is_where_the_account_falls_below_its_maintenance(shard: CrossShard) -> None:
    cash = shard.view(2).free_atoms
    for mark in (PRICE, 5_000, 9_000):
        shard.prices[1] = mark
        shard.run()
        cross = shard.view(2).cross
        (held,) = cross.positions
        expected = margin_trade.liquidation_price_estimate_ticks(
            -100, mark, 1_000, cross.equity_atoms, cross.maintenance_atoms, TIERS
        )
        assert held.liquidation_ticks == expected
        at, beyond = (
            cash + 10**8 - 10**5 * price - margin_trade.maintenance_margin_ceil_atoms(10**5 * price, TIERS)
            for price in (held.liquidation_ticks, held.liquidation_ticks + 1)
        )
        assert at >= 0 > beyond
    shard.prices[1] = 10_500
    shard.run()
    assert shard.view(2).cross.rung == 1


def test_a_withdrawal_waits_beside_the_cash_and_nothing_leaves_while_a_market_stands_still(shard: CrossShard) -> None:
    view = shard.view(4)
    assert view.pending_withdrawal_atoms == 1_000
    assert [(one.withdrawal, one.amount_atoms) for one in view.withdrawals] == [(number_of(3, 3), 1_000)]
    assert view.cross.withdrawable_atoms > 0
    shard.run(freezes=[(0, VENUE, 4, 1)])
    assert shard.view(4).cross.withdrawable_atoms == 0


def test_accounts_that_are_not_there(shard: CrossShard) -> None:
    assert not shard.view(9).exists
    assert not shard.view(9).HasField("cross")


def test_a_rank_counts_who_is_deleveraged_before(shard: CrossShard) -> None:
    shard.run(deposits=[(0, VENUE, 3, CASH)])
    mine = [shard.view(account).cross.positions[0].deleverage_score for account in (1, 2)]
    assert shard.rank(market=1, side=LONG, score=mine[0], account=1) == (0, 1)
    assert shard.rank(market=1, side=SHORT, score=mine[1] - 1, account=2) == (1, 1)
    # Ties go by account.
    assert [shard.rank(market=1, side=SHORT, score=mine[1], account=account)[0] for account in (1, 2, 3)] == [0, 0, 1]
    assert shard.rank(market=1, side=LONG, score=0, account=9) == (1, 1)
    assert shard.rank(market=7, side=LONG, score=0, account=9) == (0, 0)
    # Without equity nobody is deleveraged.
    shard.prices[1] = 11_500
    shard.run()
    assert shard.view(2).cross.equity_atoms < 0
    assert shard.view(2).cross.positions[0].deleverage_score == 0
    assert shard.rank(market=1, side=SHORT, score=0, account=9) == (0, 0)
