"""What readers and bots see of a Spin venue."""

from actors.ratio.views import account_view, standings
from actors.units import INT64_MAX
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from tests.actors.ratio.venue import (
    BUY,
    CASH,
    CERTAIN,
    LOT,
    MARK,
    RESERVE,
    VENUE,
    Venue,
    fill,
    number_of,
    order,
    takeover,
)

ADMIT = batches.SHARD_PHASE_ADMIT


def test_an_account_in_figures() -> None:
    venue = Venue(cash_atoms=20_000_000)
    venue.settle(fill(1, 100), fill(2, -100))
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, BUY, 10, 9_900)])
    venue.mark(9_900, index_e9=1_000_000_000)
    venue.settle()
    venue.stage(RESERVE, takeovers=[takeover(3, 1, 2, 5)])
    view = account_view(venue.book, 1)
    ratio = view.ratio
    # 100 lots lose 100 ticks: 1,000,000; accrued 10,000.
    assert (ratio.cash_atoms, ratio.equity_atoms, ratio.accrued_funding_atoms) == (20_000_000, 18_990_000, 10_000)
    assert (ratio.position_collateral_atoms, ratio.order_collateral_atoms) == (9_900_000, 990_000)
    assert ratio.reserved_atoms == 495_000
    assert ratio.ratio_e9 == 18_990_000 * 10**9 // 11_385_000
    assert ratio.ratio_without_orders_e9 == 18_990_000 * 10**9 // 9_900_000
    assert (ratio.tier, ratio.withdrawable_atoms) == (0, 18_990_000 - 11_385_000)
    (position,) = ratio.positions
    assert (position.market, position.lots, position.cost_atoms, position.mark_ticks) == (1, 100, 100 * LOT, 9_900)
    assert (position.notional_atoms, position.upnl_atoms) == (99_000_000, -1_000_000)
    assert (position.collateral_atoms, position.accrued_funding_atoms) == (9_900_000, 10_000)
    # 0.7 * (9,900,000 - x) = 18,990,000 - 10 x ... falls by 1297 ticks: rounded up.
    assert position.liquidation_ticks == 8_604
    assert position.liquidatable_lots == 0
    (listed,) = ratio.orders
    assert (listed.order, listed.remaining_lots, listed.limit_ticks) == (number_of(3, 0), 10, 9_900)


def test_tiers_by_the_ratio_that_decides() -> None:
    venue = Venue(cash_atoms=0)
    venue.settle(fill(1, 100), fill(2, -100))
    for equity, tier, closable in ((10_000_000, 0, 0), (9_999_999, 1, 0), (6_999_999, 2, 5), (2_999_999, 3, 100)):
        venue.book.accounts.post(1, free=equity - venue.cash(1))
        ratio = account_view(venue.book, 1).ratio
        assert (ratio.tier, ratio.positions[0].liquidatable_lots) == (tier, closable)
    venue.mark(MARK, state=common.MARK_STATE_HALTED)
    venue.settle()
    assert account_view(venue.book, 1).ratio.positions[0].liquidatable_lots == 0


def test_nothing_open_and_nobody() -> None:
    venue = Venue()
    view = account_view(venue.book, 1)
    assert (view.exists, view.free_atoms, view.ratio.ratio_e9) == (True, CASH, INT64_MAX)
    assert (view.ratio.tier, view.ratio.withdrawable_atoms) == (0, CASH)
    assert not account_view(venue.book, 99).exists


def test_standings_list_whoever_may_have_to_be_liquidated() -> None:
    venue = Venue()
    venue.mark(MARK, index_e9=11)
    venue.settle()
    venue.settle(fill(1, 3), fill(2, -3), fill(2, 5, market=2))
    venue.stage(RESERVE, takeovers=[takeover(3, 4, 2, 5)])
    found = standings(venue.book)
    rows = list(zip(found.account, found.market, found.kind, found.lots, found.cost_atoms, found.basis, strict=True))
    assert rows == [
        (1, 0, 0, 0, CASH, 0),
        (1, 1, 0, 3, 3 * LOT, 11),
        (2, 0, 0, 0, CASH, 0),
        (2, 1, 0, -3, -3 * LOT, 11),
        (2, 2, 0, 5, 5 * LOT, 0),
        (4, 0, 0, 0, CASH, 0),
    ]
    assert set(found.venue) == {VENUE}
