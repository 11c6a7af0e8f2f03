"""Margin Trade's rules one by one, on numbers small enough to check by hand. Each test names its rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.risk import tiers as margin_tiers
from actors.rulebooks import margin_trade as rules
from actors.rulebooks.margin_trade import Rung
from actors.units import BALANCE_BOUND, INT64_MAX, LONG, SHORT

USDC = rules.USDC_ATOMS
BTC = margin_tiers.tiers_of(margin_tiers.BTC_TIER_ROWS)
ETH = margin_tiers.tiers_of(margin_tiers.ETH_TIER_ROWS)
OTHER = margin_tiers.tiers_of(margin_tiers.OTHER_TIER_ROWS)
PARAMETERS = rules.MarginTradeParameters()
PUBLISHED_ROWS = (
    margin_tiers.BTC_TIER_ROWS,
    margin_tiers.ETH_TIER_ROWS,
    margin_tiers.SOL_TIER_ROWS,
    margin_tiers.OTHER_TIER_ROWS,
)

LOTS = st.integers(-(2**30), 2**30)
COSTS = st.integers(-(2**50), 2**50)


def test_mt01_value_is_exact_and_profit_is_value_less_cost() -> None:
    assert rules.value_atoms(-3, 7, 10) == -210
    assert rules.notional_atoms(-3, 7, 10) == 210
    assert rules.upnl_atoms(3, 150, 7, 10) == 60
    assert rules.upnl_atoms(-3, -150, 7, 10) == -60


def test_mt02_initial_margin_is_the_larger_of_the_chosen_and_twice_maintenance() -> None:
    assert rules.initial_margin_ceil_atoms(10_000 * USDC, 10, OTHER) == 1_000 * USDC
    assert rules.initial_margin_ceil_atoms(10_001, 3, OTHER) == 3_334
    assert rules.initial_margin_ceil_atoms(200_000_000 * USDC, 40, BTC) == 6_250_000 * USDC


def test_mt03_maintenance_is_continuous_over_a_tier_bound_and_rounded_up() -> None:
    bound = 150_000_000 * USDC
    assert rules.maintenance_margin_ceil_atoms(bound, BTC) == 1_875_000 * USDC
    assert rules.maintenance_margin_ceil_atoms(bound + 1, BTC) == 1_875_000 * USDC + 1
    assert rules.maintenance_margin_ceil_atoms(bound + USDC, BTC) == 1_875_000_025_000
    assert rules.maintenance_margin_ceil_atoms(160_000_000 * USDC, ETH) == 4_000_000 * USDC
    assert rules.maintenance_margin_ceil_atoms(0, BTC) == 0
    assert rules.maintenance_margin_ceil_atoms(1, BTC) == 1


@pytest.mark.parametrize("rows", PUBLISHED_ROWS)
def test_mt03_the_published_tiers_fit_the_compiled_twin(rows: tuple[tuple[int, int], ...]) -> None:
    tiers = margin_tiers.tiers_of(rows)
    assert max(tiers.rates) <= margin_tiers.RATE_NUMERATOR_MAX
    assert (BALANCE_BOUND - 1) * max(tiers.rates) <= INT64_MAX


@pytest.mark.parametrize(
    "rows",
    [
        (),
        ((1, 10),),
        ((0, 0),),
        ((0, 10), (0, 5)),
        ((0, 10), (10, 10)),
        ((0, 10), (10, 5), (10, 2)),
        ((0, 10), (1 << 60, 5)),
        ((0, 40), (10, 25), (20, 10), (30, 5), (40, 3)),
    ],
)
def test_mt03_tiers_that_do_not_ascend_or_would_overflow_are_refused(rows: tuple[tuple[int, int], ...]) -> None:
    assert not margin_tiers.tiers_are_valid(rows)
    with pytest.raises(AssertionError, match="tiers must"):
        margin_tiers.tiers_of(rows)


def test_mt02_a_side_holds_the_margin_it_adds_its_fee_and_its_adverse_distance() -> None:
    adverse = rules.adverse_atoms(LONG, 110, 100, 50, 1_000)
    assert adverse == 500_000
    assert rules.adverse_atoms(SHORT, 110, 100, 50, 1_000) == 0
    held = rules.side_hold_ceil_atoms(0, LONG, 50, 5_500_000, adverse, 100, 1_000, 5, OTHER, 450_000)
    assert held == 1_000_000 + 2_475 + 500_000


def test_mt02_an_order_that_only_reduces_holds_nothing() -> None:
    assert rules.side_hold_ceil_atoms(50, SHORT, 50, 5_000_000, 0, 100, 1_000, 5, OTHER, 450_000) == 0
    assert rules.side_hold_ceil_atoms(50, SHORT, 51, 5_100_000, 0, 100, 1_000, 5, OTHER, 450_000) == 20_000 + 2_295
    assert rules.increasing_lots(50, SHORT, 51) == 1
    assert rules.increasing_lots(50, LONG, 51) == 51
    assert rules.increasing_lots(-50, LONG, 51) == 1
    assert rules.market_hold_atoms(7, 9) == rules.market_hold_atoms(9, 7) == 9


@pytest.mark.parametrize(
    ("equity", "maintenance", "rung"),
    [
        (900, 900, Rung.HEALTHY),
        (899, 900, Rung.LIQUIDATABLE),
        (600, 900, Rung.LIQUIDATABLE),
        (599, 900, Rung.BACKSTOP),
        (-1, 900, Rung.BACKSTOP),
        (0, 0, Rung.HEALTHY),
        (-1, 0, Rung.BACKSTOP),
    ],
)
def test_mt11_both_thresholds_are_strict(equity: int, maintenance: int, rung: Rung) -> None:
    assert rules.rung_due(equity, maintenance, 2, 3) is rung


def test_mt13_the_ordering_key_is_floored_and_bounded() -> None:
    assert rules.ratio_floor_q30(1, 3) == (1 << 30) // 3
    assert rules.ratio_floor_q30(-1, 3) == -((1 << 30) // 3) - 1
    assert rules.ratio_floor_q30(1 << 59, 1) == rules.RATIO_BOUND_Q30
    assert rules.ratio_floor_q30(-(1 << 59), 1) == -rules.RATIO_BOUND_Q30
    assert rules.ratio_floor_q30(0, 0) == rules.RATIO_BOUND_Q30
    assert rules.ratio_floor_q30(-1, 0) == -rules.RATIO_BOUND_Q30


def test_mt12_a_large_position_goes_by_fifths_and_a_small_one_whole() -> None:
    threshold = PARAMETERS.partial_threshold_atoms
    assert rules.partial_lots_ceil(-101, threshold + 1, PARAMETERS) == 21
    assert rules.partial_lots_ceil(1, threshold + 1, PARAMETERS) == 1
    assert rules.partial_lots_ceil(-101, threshold, PARAMETERS) == 101


def test_mt18_partial_liquidation_can_be_off() -> None:
    whole = rules.MarginTradeParameters(partial_liquidation=False)
    assert rules.partial_lots_ceil(101, 10**15, whole) == 101
    memory = rules.PartialMemory(1_000, 50, 100)
    assert rules.rung_one_lots_ceil(101, 10**15, 50, 100, 500, memory, whole) == 101


def test_mt12_inside_the_cooldown_only_a_worse_account_is_sent_and_then_whole() -> None:
    memory = rules.PartialMemory(cooldown_until_ms=31_000, equity_atoms=80, maintenance_atoms=100)

    def sent(equity: int, maintenance: int, now_ms: int) -> int:
        return rules.rung_one_lots_ceil(100, 10**15, equity, maintenance, now_ms, memory, PARAMETERS)

    assert sent(80, 100, 30_999) == 0
    assert sent(160, 200, 30_999) == 0
    assert sent(159, 200, 30_999) == 100
    assert sent(90, 100, 30_999) == 0
    assert sent(90, 100, 31_000) == 20
    assert rules.rung_one_lots_ceil(100, 10**15, 80, 100, 0, None, PARAMETERS) == 20


def test_mt04_withdrawal_leaves_initial_margin_and_a_tenth_of_the_notional() -> None:
    assert rules.withdrawable_atoms(1_000, 300, 200, 4_000, 100_000) == 500
    assert rules.withdrawable_atoms(1_000, 300, 200, 6_001, 100_000) == 399
    assert rules.withdrawable_atoms(400, 300, 200, 0, 100_000) == 0


def test_mt16a_the_fee_is_never_more_than_what_bankruptcy_leaves() -> None:
    assert rules.trading_fee_ceil_atoms(-1_001, 5_000_000) == 6
    assert rules.liquidation_fee_ceil_atoms(1_001, 900, 5_000_000) == 6
    assert rules.liquidation_fee_ceil_atoms(1_001, 999, 5_000_000) == 2
    assert rules.liquidation_fee_ceil_atoms(1_001, 1_100, 5_000_000) == 0
    assert rules.insurance_delta_atoms(-1_001, -1_100, 5_000_000) == 6
    assert rules.insurance_delta_atoms(-1_001, -1_000, 5_000_000) == -1


def test_mt10_premium_and_funding_of_the_documented_example() -> None:
    premium = rules.premium_half_away_e9(10_100, 10_200, 10_000)
    assert premium == 10_000_000
    assert rules.funding_rate_8h_e9(premium, 100_000, 500_000) == 9_500_000
    assert rules.funding_rate_hourly_e9(premium, 100_000, 500_000, 40_000_000) == 1_187_500
    assert rules.funding_rate_hourly_e9(0, 100_000, 500_000, 40_000_000) == 12_500
    assert rules.funding_rate_hourly_e9(10**9, 100_000, 500_000, 40_000_000) == 40_000_000
    assert rules.funding_rate_hourly_e9(-(10**9), 100_000, 500_000, 40_000_000) == -40_000_000
    assert rules.premium_half_away_e9(9_800, 9_900, 10_000) == -10_000_000
    assert rules.premium_half_away_e9(9_900, 10_100, 10_000) == 0
    assert rules.mid_premium_half_away_e9(9_900, 10_101, 10_000) == 50_000


def test_mt10_the_payer_is_rounded_up_and_the_receiver_down() -> None:
    assert rules.funding_payment_atoms(1, 10_001, 1, 100_000) == 2
    assert rules.funding_payment_atoms(-1, 10_001, 1, 100_000) == -1
    assert rules.funding_payment_atoms(-1, 10_001, 1, -100_000) == 2


def test_mt01_a_fill_that_flips_closes_first_and_opens_the_rest() -> None:
    assert rules.apply_fill(0, 0, 3, 10, 1) == (3, 30, 0)
    assert rules.apply_fill(3, 31, -1, 12, 1) == (2, 21, 2)
    assert rules.apply_fill(2, 21, -5, 12, 1) == (-3, -36, 3)
    assert rules.apply_fill(-3, -35, 1, 10, 1) == (-2, -23, 2)
    assert rules.apply_fill(-2, -23, 2, 10, 1) == (0, 0, 3)


def test_a_close_beyond_the_position_is_no_close() -> None:
    with pytest.raises(AssertionError, match="do not close"):
        rules.close_at_quote(3, 30, -4, 40)
    with pytest.raises(AssertionError, match="do not close"):
        rules.close_at_quote(3, 30, 1, -10)


@given(LOTS, COSTS, LOTS, st.integers(1, 2**20), st.integers(1, 1_000))
def test_mt01_every_fill_conserves(lots: int, cost: int, fill_lots: int, price: int, per_tick: int) -> None:
    cost = cost if lots else 0
    after = rules.apply_fill(lots, cost, fill_lots, price, per_tick)
    assert after.lots == lots + fill_lots
    assert after.realised_atoms - (after.cost_atoms - cost) == -fill_lots * price * per_tick
    assert after.lots or after.cost_atoms == 0


def test_mt17_the_estimate_is_where_equity_meets_maintenance() -> None:
    """10 lots at 1,000 with 310 to spare at 5%: 1,000 -+ 31 / (1 -+ 0.05), 967.37 and 1,029.52."""
    maintenance = rules.maintenance_margin_ceil_atoms(10_000, OTHER)
    assert maintenance == 500
    assert rules.liquidation_price_estimate_ticks(10, 1_000, 1, 810, maintenance, OTHER) == 968
    assert rules.liquidation_price_estimate_ticks(-10, 1_000, 1, 810, maintenance, OTHER) == 1_029
    assert rules.liquidation_price_estimate_ticks(0, 1_000, 1, 810, 0, OTHER) is None
    assert rules.liquidation_price_estimate_ticks(10, 1_000, 1, 20_000, maintenance, OTHER) is None


def test_mt01_account_health_sums_markets_and_counts_no_gain_at_a_stale_mark() -> None:
    gain = rules.PositionAtMark(10, 9_000, 1_000, 1, OTHER, 5, accrued_funding_atoms=7)
    loss = rules.PositionAtMark(-10, -9_000, 1_000, 1, OTHER, 5)
    assert rules.account_health(5_000, [gain, loss]) == (4_993, 1_000, 4_000, 20_000)
    stale = [position._replace(fresh=False) for position in (gain, loss)]
    assert rules.account_health(5_000, stale) == (3_993, 1_000, 4_000, 20_000)


def test_mt06_the_band_is_strict() -> None:
    assert not rules.price_outside_band(1_950, 1_000, 950_000)
    assert rules.price_outside_band(1_951, 1_000, 950_000)
    assert not rules.price_outside_band(50, 1_000, 950_000)
    assert rules.price_outside_band(49, 1_000, 950_000)


def test_mt05_a_market_order_is_protected_by_at_least_its_share_of_the_mark() -> None:
    assert rules.protection_price_ticks(LONG, 1_001, 50_000) == 1_052
    assert rules.protection_price_ticks(SHORT, 1_001, 50_000) == 950
    assert rules.protection_price_ticks(SHORT, 1, 1_000_000) == 1


def test_mt05_triggers_fire_at_their_level() -> None:
    assert rules.stop_fires(LONG, 100, 100) and not rules.stop_fires(LONG, 100, 99)
    assert rules.stop_fires(SHORT, 100, 100) and not rules.stop_fires(SHORT, 100, 101)
    assert rules.take_profit_fires(LONG, 100, 100) and not rules.take_profit_fires(LONG, 100, 101)
    assert rules.take_profit_fires(SHORT, 100, 100) and not rules.take_profit_fires(SHORT, 100, 99)


def test_mt14_vault_shares_are_rounded_in_favour_of_those_who_stay() -> None:
    assert rules.mint_shares_floor(USDC, 0, 0) == rules.MICRO_SHARES
    assert rules.mint_shares_floor(100, 1_000, 3_000) == 33
    assert rules.mint_shares_floor(100, 1_000, 0) == 0
    assert rules.redeem_floor_atoms(100, 1_000, 2_999) == 299
    assert rules.redeem_floor_atoms(100, 1_000, -5) == 0
    assert rules.redeem_floor_atoms(0, 0, 50) == 0
