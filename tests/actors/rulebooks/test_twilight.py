"""Twilight's rules one by one, on numbers small enough to check by hand. Each test names its rule."""

from collections.abc import Callable
from fractions import Fraction

import pytest

from actors.rulebooks import twilight, twilight_exact
from actors.units import E9, LONG, SHORT

MM_RATIO, TAKER, MAKER = 4_000_000, 400_000, 200_000


def held(
    side: int, margin: int = 100_000, leverage_hundredths: int = 1_000, entry: int = 50_000
) -> tuple[int, int, int]:
    """Entry value, position size and maintenance in 1e-9 atoms of a position with no funding to pay."""
    value = twilight.entry_value_floor_atoms(margin, leverage_hundredths)
    maintenance = twilight.maintenance_margin_e9(side, value, margin, MM_RATIO, TAKER, 0)
    return value, twilight.position_size(value, entry), maintenance


def test_tw02_entry_value_is_floored_and_size_is_value_times_entry() -> None:
    assert twilight.entry_value_floor_atoms(1_215_029, 4_630) == 56_255_842  # 56,255,842.7
    assert twilight.position_size(9_250, 139_005) == 1_285_796_250


def test_tw03_bankruptcy_value_is_zero_for_a_short_at_one_times() -> None:
    assert twilight.bankruptcy_value_atoms(LONG, 1_000, 100) == 1_100
    assert twilight.bankruptcy_value_atoms(SHORT, 1_000, 100) == 900
    assert twilight.bankruptcy_value_atoms(SHORT, 100, 100) == 0


@pytest.mark.parametrize(
    ("side", "leverage_hundredths", "btc_e6"),
    [(LONG, 5_000, 4_612), (SHORT, 5_000, 4_588), (LONG, 100, 5_200), (SHORT, 100, 4_000)],
)
def test_tw04_maintenance_of_one_bitcoin(side: int, leverage_hundredths: int, btc_e6: int) -> None:
    """The seed's example, 0.4% + 0.04% + 0.02% of 1 BTC, with the bankruptcy value of a real leverage."""
    value = 10**8
    margin = value * 100 // leverage_hundredths
    maintenance = twilight.maintenance_margin_e9(side, value, margin, MM_RATIO, TAKER, 200_000)
    assert maintenance == btc_e6 * 100 * E9


def test_tw04_only_the_funding_a_side_pays_counts() -> None:
    assert twilight.funding_paid_e9(LONG, 50) == 50
    assert twilight.funding_paid_e9(LONG, -50) == 0
    assert twilight.funding_paid_e9(SHORT, 50) == 0
    assert twilight.funding_paid_e9(SHORT, -50) == 50


def test_tw05_profit_of_the_documented_trade() -> None:
    """1 BTC at 40,000 closed at 42,000 makes 0.047619... BTC: 4,761,904.76 sats."""
    value = 10**8
    size = twilight.position_size(value, 40_000)
    assert twilight.upnl_floor_atoms(LONG, size, value, 42_000) == 4_761_904
    assert twilight.upnl_half_away_atoms(LONG, size, value, 42_000) == 4_761_905
    assert twilight.upnl_floor_atoms(SHORT, size, value, 42_000) == -4_761_905
    assert twilight.upnl_half_away_atoms(SHORT, size, value, 42_000) == -4_761_905
    assert twilight.equity_floor_atoms(SHORT, size, value, 5_000_000, 42_000) == 238_095


def test_tw06_display_price_and_threshold_are_one_price() -> None:
    value, size, maintenance = held(LONG)
    # 50,000 * 1,000,000 / (1,000,000 + 100,000 - 4,440) = 45,638.7601...
    assert twilight.liquidation_price_display_e4(LONG, size, value, 100_000, maintenance) == 456_387_601
    assert twilight.liquidation_threshold_ticks(LONG, size, value, 100_000, maintenance) == 45_638
    assert twilight.is_liquidatable(LONG, 45_638, size, value, 100_000, maintenance)
    assert not twilight.is_liquidatable(LONG, 45_639, size, value, 100_000, maintenance)


def test_tw06_a_short_that_no_price_can_hurt_is_never_liquidated() -> None:
    value, size, maintenance = held(SHORT, leverage_hundredths=100)
    margin = 200_000
    assert twilight.liquidation_threshold_ticks(SHORT, size, value, margin, maintenance) == twilight.NEVER_SHORT
    assert twilight.liquidation_price_display_e4(SHORT, size, value, margin, maintenance) is None
    assert not twilight.is_liquidatable(SHORT, (1 << 40) - 1, size, value, margin, maintenance)


def test_tw06_a_long_worth_less_than_its_maintenance_is_always_liquidated() -> None:
    value, size, maintenance = held(LONG)
    margin = -value
    assert twilight.liquidation_threshold_ticks(LONG, size, value, margin, maintenance) == twilight.ALWAYS_LONG
    assert twilight.liquidation_price_display_e4(LONG, size, value, margin, maintenance) is None
    assert twilight.is_liquidatable(LONG, (1 << 40) - 1, size, value, margin, maintenance)


def test_tw06_a_long_whose_price_lies_below_one_tick_is_never_liquidated() -> None:
    size, maintenance = twilight.position_size(10, 1), 0
    assert twilight.liquidation_threshold_ticks(LONG, size, 10, 10, maintenance) == twilight.NEVER_LONG
    assert not twilight.is_liquidatable(LONG, 1, size, 10, 10, maintenance)


def test_tw07_fee_is_rounded_up_and_at_least_one_sat() -> None:
    assert twilight.fee_ceil_atoms(7_921_474 * 87_014, 87_014, TAKER) == 3_169  # 3,168.5896
    assert twilight.fee_ceil_atoms(7_921_474 * 87_014, 87_014, MAKER) == 1_585
    assert twilight.fee_ceil_atoms(100 * 50_000, 50_000, TAKER) == 1
    assert twilight.fee_ceil_atoms(2_500 * 50_000, 50_000, TAKER) == 1  # exactly one


@pytest.mark.parametrize(
    ("total_long", "total_short", "psi", "rate_e9"),
    [
        (0, 0, 1, 0),
        (0, 10**12, 1, -1_250_000),
        (10**12, 0, 1, 1_250_000),
        (7 * 10**11, 3 * 10**11, 1, 200_000),
        (1_200_000, 800_000, 1, 50_000),
        (1, 10**15, 1, -1_249_999),  # toward zero, not down
        (2, 1, 8, 17_361),
        (5, 5, 1, 0),
    ],
)
def test_tw08_rate_by_skew(total_long: int, total_short: int, psi: int, rate_e9: int) -> None:
    assert twilight.funding_rate_e9(total_long, total_short, psi) == rate_e9


def test_tw08_the_odd_sat_of_funding_stays_with_the_pool() -> None:
    size = 1_000_001 * 50_000
    assert twilight.funding_payment_atoms(LONG, size, 50_000, 1_250_000) == 1_251
    assert twilight.funding_payment_atoms(SHORT, size, 50_000, 1_250_000) == -1_250
    assert twilight.funding_payment_atoms(SHORT, size, 50_000, -1_250_000) == 1_251
    assert twilight.funding_payment_atoms(LONG, size, 50_000, 0) == 0


def test_tw10_the_trigger_is_inclusive() -> None:
    value, size = 1_000_000, twilight.position_size(1_000_000, 50_000)
    # At 40,000 the long has lost 250,000; 260,000 held leave 10,000, exactly the maintenance given.
    assert twilight.is_liquidatable(LONG, 40_000, size, value, 260_000, 10_000 * E9)
    assert not twilight.is_liquidatable(LONG, 40_000, size, value, 260_001, 10_000 * E9)
    assert twilight.is_liquidatable(SHORT, 80_000, size, value, 385_000, 10_000 * E9)
    assert not twilight.is_liquidatable(SHORT, 80_000, size, value, 385_001, 10_000 * E9)


def test_tw11_row_one_profit_is_not_paid_and_the_margin_is_kept() -> None:
    """Funding has eaten the margin while the price rose: the seed's row says the pool pays the profit, we follow the
    reference, `TraderOrder::liquidate` of relayer-core 9c0b9d4, whose payment is exactly minus the initial margin."""
    value, size, maintenance = held(LONG)
    margin_held, mark = 3_000, 50_010
    assert twilight.upnl_floor_atoms(LONG, size, value, mark) > 0
    assert twilight.is_liquidatable(LONG, mark, size, value, margin_held, maintenance)
    terms = twilight.liquidation_terms(LONG, size, value, margin_held, mark, maintenance)
    assert terms == twilight.LiquidationTerms(
        seized_atoms=3_000, equity_atoms=3_199, maintenance_atoms=4_440, deficit_atoms=0
    )


def test_tw11_row_two_the_trader_loses_more_than_the_market_took() -> None:
    value, size, maintenance = held(LONG)
    mark = 45_590
    market_loss = -twilight.upnl_floor_atoms(LONG, size, value, mark)
    assert market_loss < 100_000
    assert twilight.is_liquidatable(LONG, mark, size, value, 100_000, maintenance)
    terms = twilight.liquidation_terms(LONG, size, value, 100_000, mark, maintenance)
    assert terms.seized_atoms == 100_000 > market_loss
    assert terms.deficit_atoms == 0


@pytest.mark.parametrize(("side", "mark", "loss"), [(LONG, 40_000, 250_000), (SHORT, 80_000, 375_000)])
def test_tw11_row_three_the_loss_is_capped_at_the_margin(side: int, mark: int, loss: int) -> None:
    value, size, maintenance = held(side)
    assert twilight.is_liquidatable(side, mark, size, value, 100_000, maintenance)
    terms = twilight.liquidation_terms(side, size, value, 100_000, mark, maintenance)
    assert terms.seized_atoms == 100_000
    assert terms.equity_atoms == 100_000 - loss
    assert terms.deficit_atoms == loss - 100_000


def test_tw12_a_close_below_zero_is_a_liquidation_and_zero_is_a_close() -> None:
    value, size, _ = held(LONG)
    # At 40,000 the loss is 250,000 and the fee 0.04% of 1,250,000: 500.
    closed = twilight.close_terms(LONG, size, value, 100_000, 250_500, 40_000, TAKER)
    assert (closed.payout_atoms, closed.is_liquidation) == (0, False)
    short_of_one = twilight.close_terms(LONG, size, value, 100_000, 250_499, 40_000, TAKER)
    assert (short_of_one.payout_atoms, short_of_one.is_liquidation) == (-1, True)


def test_tw15_settlement_of_the_published_trade() -> None:
    """The settle test of twilight-relayer-sdk: a short of 1.5 BTC at 20x, from 52,322 to 52,129."""
    value = twilight.entry_value_floor_atoms(150_000_000, 2_000)
    size = twilight.position_size(value, 52_322)
    open_fee = twilight.fee_ceil_atoms(size, 52_322, TAKER)
    margin_held = 150_000_000 - open_fee
    closed = twilight.close_terms(SHORT, size, value, 150_000_000, margin_held, 52_129, TAKER)
    assert open_fee == 1_200_000
    assert closed.upnl_atoms == 11_107_061
    assert closed.fee_atoms == 1_204_443
    assert closed.payout_atoms == 158_702_618
    assert closed.payment_atoms == 8_702_618
    assert closed.payout_atoms + closed.pool_delta_atoms + open_fee == 150_000_000
    residue = twilight_exact.settlement_residue(SHORT, closed.upnl_atoms, size, 52_322, 52_129)
    assert residue == -896_328_182


@pytest.mark.parametrize(
    ("rule", "below", "above"),
    [
        (twilight.open_limit_fills, SHORT, LONG),
        (twilight.close_limit_triggers, LONG, SHORT),
        (twilight.stop_loss_triggers, SHORT, LONG),
        (twilight.take_profit_triggers, LONG, SHORT),
    ],
)
def test_tw14_levels_are_inclusive(rule: Callable[[int, int, int], bool], below: int, above: int) -> None:
    """`below` is the side that acts on a level at or below the mark, `above` on one at or above it."""
    assert [rule(below, level, 100) for level in (99, 100, 101)] == [True, True, False]
    assert [rule(above, level, 100) for level in (99, 100, 101)] == [False, True, True]


def test_tw13_triggers_come_by_level_then_id() -> None:
    levels = [Fraction(text) for text in ("100.00005", "99", "100.0", "98.5", "100.0001")]
    assert twilight_exact.triggered_below(levels, Fraction(100)) == [3, 1, 0, 2]
    assert twilight_exact.triggered_above(levels, Fraction("100.00009")) == [0, 2, 4]


def test_tw16_first_deposit_gets_a_share_per_thousand_sats_and_dust_gets_none() -> None:
    assert twilight.mint_shares_floor(200_000_000, 0, 0) == 200_000 * twilight.MICRO_SHARES
    assert twilight.mint_shares_floor(1, 0, 0) == 1_000
    assert twilight.mint_shares_floor(1_000, 1_000_000, 3_000) == 333_333
    assert twilight.mint_shares_floor(1, 1, 2) == 0
    assert twilight.mint_shares_floor(1_000, 1_000_000, 0) == 0
    assert twilight.mint_shares_floor(1_000, 1_000_000, -5) == 0


def test_tw16_redeeming_everything_takes_the_pool_and_no_more() -> None:
    assert twilight.redeem_floor_atoms(1_000_000, 1_000_000, 3_001) == 3_001
    assert twilight.redeem_floor_atoms(333_333, 1_000_000, 3_001) == 1_000
    assert twilight.redeem_floor_atoms(333_333, 1_000_000, -1) == 0
    assert twilight.redeem_floor_atoms(0, 0, 0) == 0
    with pytest.raises(AssertionError, match="redeeming"):
        twilight.redeem_floor_atoms(2, 1, 1)


def test_tw17_utilisation_cap_is_reached_at_the_cap() -> None:
    assert not twilight.utilisation_reached(89_999, 100_000, 900_000)
    assert twilight.utilisation_reached(90_000, 100_000, 900_000)
    assert twilight.utilisation_reached(0, 0, 900_000)
    assert twilight.utilisation_reached(0, -1, 900_000)


def test_tw18_withdrawals_stop_at_the_margin_locked() -> None:
    assert twilight.withdrawable_atoms(100, 30) == 70
    assert twilight.withdrawable_atoms(30, 100) == 0
    assert twilight.withdrawable_atoms(-5, 0) == 0


def test_tw19_limits_and_their_precedence() -> None:
    limits = twilight.risk_limits(300, 50, 100, 4_000_000, 3_000_000, 200_000, may_open=True)
    assert limits == (400, 300, 20, 50, 50, 550, 20, 20)
    assert twilight.limit_breached(limits, LONG, 20) is None
    assert twilight.limit_breached(limits, LONG, 21) is twilight.LimitBreach.SIZE
    wide = limits._replace(position_max=1_000, room_net_long=40, max_long=40, max_short=50)
    assert twilight.limit_breached(wide, LONG, 51) is twilight.LimitBreach.OI
    assert twilight.limit_breached(wide, LONG, 50) is twilight.LimitBreach.SKEW
    assert twilight.limit_breached(wide, SHORT, 50) is None
    closed = twilight.risk_limits(0, 0, 100, 4_000_000, 800_000, 200_000, may_open=False)
    assert (closed.max_long, closed.max_short) == (0, 0)
    assert twilight.limit_breached(closed, SHORT, 1) is twilight.LimitBreach.LIMIT
    drained = twilight.risk_limits(0, 0, -100, 4_000_000, 800_000, 200_000, may_open=True)
    assert twilight.limit_breached(drained, LONG, 1) is twilight.LimitBreach.SIZE


def test_presets_differ_in_share_price_and_limits_only() -> None:
    """TW-17, TW-19: `seed` is the documentation's venue, `safe` our default."""
    assert twilight.safe() == twilight.TwilightParameters()
    assert (twilight.seed().price_pool_shares_marked, twilight.seed().limits_on) == (False, False)
    assert (twilight.seed().margin_cap_atoms, twilight.seed().utilisation_cap_ppm) == (10_000_000, 900_000)


def test_a_side_is_one_or_minus_one() -> None:
    with pytest.raises(AssertionError, match="side must be"):
        twilight.open_limit_fills(0, 1, 1)
