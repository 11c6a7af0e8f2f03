"""Spin's rules one by one, on numbers small enough to check by hand. Each test names its rule."""

import pytest

from actors.rulebooks import spin as rules
from actors.rulebooks.spin import Order, Payments, Penalty, PositionAtMark, Tier
from actors.units import E9, LONG, SHORT

USDC = rules.USDC_ATOMS
PARAMETERS = rules.SpinParameters()
TF = PARAMETERS.penalty_e9
TENTH = E9 // 10
K = 1_000


def alone(mark_ticks: int, lots: int, equity: int, collateral_e9: int = TENTH, step: int = 1) -> tuple[int, ...]:
    """The arguments of the calculator for an account with this one position."""
    collateral = rules.collateral_atoms_e9(lots, mark_ticks, K, collateral_e9)
    return equity, collateral, lots, mark_ticks, K, collateral_e9, TF, step


def test_sp01_a_fill_closes_first_and_opens_the_rest() -> None:
    assert rules.apply_fill(0, 0, 5, 100, K) == (5, 500 * K, 0)
    assert rules.apply_fill(5, 500 * K, -2, 110, K) == (3, 300 * K, 20 * K)
    assert rules.apply_fill(3, 300 * K, -4, 90, K) == (-1, -90 * K, -30 * K)
    assert rules.apply_fill(-3, -10, 1, 0, K).cost_atoms == -6


def test_sp02_equity_is_balance_and_profit_less_funding() -> None:
    long = PositionAtMark(10, 900 * K, 100, K, TENTH, 7)
    short = PositionAtMark(-4, -500 * K, 120, K, TENTH, -3)
    assert rules.equity_atoms(50, [long, short]) == 50 + 100 * K - 7 + 20 * K + 3
    assert rules.equity_atoms(-5, []) == -5
    assert rules.position_collateral_atoms_e9([long, short]) == (1_000 * K + 480 * K) * TENTH


def test_sp02_a_collateral_of_less_than_an_atom_is_not_rounded() -> None:
    assert rules.collateral_atoms_e9(-3, 1, 1, 1) == 3
    assert rules.tier_of(1, 10 * TENTH) == Tier.OPEN
    assert rules.tier_of(1, 10 * TENTH + 1) == Tier.REDUCE_ONLY


def test_sp03_the_best_prices_reduce_first_then_the_lower_id() -> None:
    asks = [Order(4, SHORT, 6, 101), Order(3, SHORT, 6, 100), Order(2, SHORT, 6, 101), Order(9, LONG, 5, 99)]
    assert rules.increasing_lots(10, asks) == [6, 0, 2, 5]
    bids = [Order(1, LONG, 6, 99), Order(2, LONG, 6, 100), Order(3, SHORT, 1, 101)]
    assert rules.increasing_lots(-8, bids) == [4, 0, 1]
    assert rules.increasing_lots(0, bids) == [6, 6, 1]
    assert rules.increasing_lots(5, []) == []


def test_sp03_orders_hold_collateral_at_their_own_price_on_what_increases() -> None:
    orders = [Order(1, SHORT, 6, 100), Order(2, SHORT, 6, 110), Order(3, LONG, 2, 90)]
    assert rules.order_collateral_atoms_e9(10, orders, K, TENTH) == (2 * 110 + 2 * 90) * K * TENTH
    assert rules.order_collateral_atoms_e9(12, orders[:2], K, TENTH) == 0


def test_sp03_an_unknown_side_is_a_fault() -> None:
    with pytest.raises(AssertionError, match="side"):
        rules.increasing_lots(1, [Order(1, 0, 1, 1)])


@pytest.mark.parametrize(
    ("equity", "tier"),
    [
        (1_000, Tier.OPEN),
        (999, Tier.REDUCE_ONLY),
        (700, Tier.REDUCE_ONLY),
        (699, Tier.PARTIAL),
        (300, Tier.PARTIAL),
        (299, Tier.COMPLETE),
        (-1, Tier.COMPLETE),
    ],
)
def test_sp04_the_bounds_of_the_tiers_are_exact(equity: int, tier: Tier) -> None:
    assert rules.tier_of(equity, 1_000 * E9) == tier


def test_sp04_without_collateral_the_tier_is_open_but_a_debt_may_not_grow() -> None:
    assert rules.tier_of(-1, 0) == Tier.OPEN
    assert rules.may_open(0, 0)
    assert rules.may_withdraw(0, 0)
    assert not rules.may_withdraw(-1, 0)


def test_sp04_orders_and_withdrawals_may_leave_exactly_one() -> None:
    assert rules.may_open(10, 10 * E9)
    assert not rules.may_open(10, 10 * E9 + 1)
    assert rules.may_withdraw(10, 10 * E9)
    assert not rules.may_withdraw(9, 10 * E9)
    assert rules.withdrawable_floor_atoms(25, 10 * E9 + 1) == 14
    assert rules.withdrawable_floor_atoms(5, 10 * E9) == 0


def test_sp05_orders_do_not_make_an_account_liquidatable() -> None:
    equity, lots = 80 * K, 10
    held = rules.order_collateral_atoms_e9(lots, [Order(1, LONG, 10, 100)], K, TENTH)
    collateral = rules.collateral_atoms_e9(lots, 100, K, TENTH)
    assert rules.tier_of(equity, collateral + held) == Tier.PARTIAL
    assert rules.closable_lots(equity, collateral, lots, 100, K, TENTH, TF, 1) == 0


def test_sp06_the_calculator_is_the_formula_rounded_up_to_the_step() -> None:
    # (0.7 * 1_000_000 - 500_000) / (100_000 * 0.045) = 44.4...
    assert rules.calculated_lots_ceil(*alone(100, 100, 500_000)) == 45
    assert rules.calculated_lots_ceil(*alone(100, -100, 500_000)) == 45
    assert rules.calculated_lots_ceil(*alone(100, 100, 500_000, step=10)) == 50
    assert rules.calculated_lots_ceil(*alone(100, 100, 500_000, step=1_000)) == 100
    assert rules.calculated_lots_ceil(*alone(100, 100, 700_000)) == 0
    assert rules.calculated_lots_ceil(*alone(100, 100, 699_999)) == 1


def test_sp06_where_the_target_is_out_of_reach_all_may_be_closed() -> None:
    # Cc = Tf / 0.7 would need 35_714_285.7: just below it closing brings nothing, just above it all is closed.
    for collateral_e9 in (35_714_285, 35_714_286):
        assert rules.calculated_lots_ceil(*alone(100, 100, 200_000, collateral_e9)) == 100
    # Mr < Tf / Cc = 0.25: the formula asks for more than there is.
    assert rules.calculated_lots_ceil(*alone(100, 100, 249_999)) == 100
    assert rules.calculated_lots_ceil(*alone(100, 100, 250_001)) == 100
    assert rules.calculated_lots_ceil(*alone(100, 100, 256_000)) == 99


def test_sp06_a_penalty_rounded_up_is_asked_of_one_atom_less() -> None:
    # One lot is worth 20 atoms: 29 lots bring Mr to 0.7 in rationals, but 29 * 0.5 atoms are paid as 15.
    equity, collateral = 114, rules.collateral_atoms_e9(100, 20, 1, TENTH)
    assert rules.calculated_lots_ceil(equity, collateral, 100, 20, 1, TENTH, TF, 1) == 30
    for lots, reached in ((29, False), (30, True)):
        penalty = rules.penalty_atoms(lots * 20, PARAMETERS.reward_e9, PARAMETERS.fund_share_e9)
        left = collateral - rules.collateral_atoms_e9(lots, 20, 1, TENTH)
        assert sum(penalty) == 15
        assert rules.reaches(equity - sum(penalty), left, rules.TARGET_TENTHS) == reached


def test_sp07_what_may_be_taken_over_follows_the_tier() -> None:
    assert rules.closable_lots(*alone(100, -100, 700_000)) == 0
    assert rules.closable_lots(*alone(100, -100, 500_000)) == 45
    assert rules.closable_lots(*alone(100, -100, 299_999)) == 100
    assert rules.calculated_lots_ceil(*alone(100, -100, 299_999)) == 89


def test_sp07_a_liquidator_stays_strictly_above_one() -> None:
    assert rules.stays_above_one(10, 10 * E9 - 1)
    assert not rules.stays_above_one(10, 10 * E9)
    assert rules.stays_above_one(0, 0)


def test_sp08_the_account_pays_up_the_liquidator_gets_down_and_the_fund_the_odd_atom() -> None:
    assert rules.penalty_atoms(1_000, PARAMETERS.reward_e9, PARAMETERS.fund_share_e9) == (15, 10)
    assert rules.penalty_atoms(-1_001, PARAMETERS.reward_e9, PARAMETERS.fund_share_e9) == (15, 11)
    assert rules.penalty_atoms(0, PARAMETERS.reward_e9, PARAMETERS.fund_share_e9) == (0, 0)


@pytest.mark.parametrize(
    ("equity", "payments"),
    [
        (25, Payments(15, 10, 0)),
        (24, Payments(15, 9, 0)),
        (15, Payments(15, 0, 0)),
        (14, Payments(14, 0, 1)),
        (0, Payments(0, 0, 15)),
        (-7, Payments(0, 0, 15)),
    ],
)
def test_sp09_the_reward_is_paid_first_and_the_fund_owes_only_the_rest_of_it(equity: int, payments: Payments) -> None:
    assert rules.payments_of(equity, Penalty(15, 10)) == payments


def test_sp09_the_fund_pays_reward_then_deficit_and_the_rest_is_a_shortfall() -> None:
    assert rules.deficit_atoms(-7) == 7
    assert rules.deficit_atoms(7) == 0
    assert rules.fund_payments_of(30, 15, 7) == (15, 7, 0, 0)
    assert rules.fund_payments_of(20, 15, 7) == (15, 5, 0, 2)
    assert rules.fund_payments_of(4, 15, 7) == (4, 0, 11, 7)
    with pytest.raises(AssertionError, match="fund"):
        rules.fund_payments_of(-1, 0, 0)


def test_sp09_the_target_of_the_fund_has_a_least() -> None:
    target, least = PARAMETERS.fund_target_e9, PARAMETERS.fund_target_least_atoms
    assert rules.fund_target_ceil_atoms(0, target, least) == 100_000 * USDC
    assert rules.fund_target_ceil_atoms(4_000_000 * USDC + 1, target, least) == 200_000 * USDC + 1


def test_sp10_takers_pay_rounded_up_and_makers_receive_rounded_down() -> None:
    assert rules.trading_fee_ceil_atoms(10_000, PARAMETERS.taker_fee_e9) == 8
    assert rules.trading_fee_ceil_atoms(-10_001, PARAMETERS.taker_fee_e9) == 9
    assert rules.trading_fee_ceil_atoms(10_000, PARAMETERS.maker_fee_e9) == -4
    assert rules.trading_fee_ceil_atoms(12_499, PARAMETERS.maker_fee_e9) == -4


def test_sp11_the_rate_is_the_distance_of_the_average_mid_within_a_hundredth() -> None:
    clamp = PARAMETERS.funding_clamp_e9
    assert rules.funding_rate_half_away_e9(1_005, 1, 1_000, clamp) == 5_000_000
    assert rules.funding_rate_half_away_e9(990 + 991, 2, 1_000, clamp) == -9_500_000
    assert rules.funding_rate_half_away_e9(1_100, 1, 1_000, clamp) == clamp
    assert rules.funding_rate_half_away_e9(1, 1, 1_000, clamp) == -clamp


def test_sp11_longs_pay_up_and_shorts_receive_down_between_two_indices() -> None:
    step = rules.funding_step_ticks_e9(5_000_000, 1_001)
    assert step == 5_005_000_000
    assert rules.accrued_ceil_atoms(1, 0, step, 1) == 6
    assert rules.accrued_ceil_atoms(-1, 0, step, 1) == -5
    assert rules.accrued_ceil_atoms(-3, step, 0, 1) == 16
    assert rules.accrued_ceil_atoms(7, step, step, K) == 0


def test_sp04_the_estimate_is_the_mark_where_the_target_is_met() -> None:
    # Long 100 at 100, equity 1_000_000 of collateral 1_000_000: p = 100 - 300_000 / (100_000 * 0.93) = 96.77...
    long = (100, 100, K, 1_000_000, rules.collateral_atoms_e9(100, 100, K, TENTH), TENTH)
    assert rules.liquidation_price_estimate_ticks(*long) == 97
    # Short: p = 100 + 300_000 / (100_000 * 1.07) = 102.8...
    short = (-100, 100, K, 1_000_000, rules.collateral_atoms_e9(100, 100, K, TENTH), TENTH)
    assert rules.liquidation_price_estimate_ticks(*short) == 102


def test_sp04_no_estimate_without_a_position_or_a_price() -> None:
    assert rules.liquidation_price_estimate_ticks(0, 100, K, 5, 0, TENTH) is None
    rich = (10, 100, K, 10**12, rules.collateral_atoms_e9(10, 100, K, TENTH), TENTH)
    assert rules.liquidation_price_estimate_ticks(*rich) is None
    assert rules.liquidation_price_estimate_ticks(10, 100, K, 5, 10**15, 2 * E9) is None
