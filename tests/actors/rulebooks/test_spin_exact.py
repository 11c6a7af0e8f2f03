"""Spin's integers against its rationals, and what must hold for any account. Rules by tag."""

from fractions import Fraction
from math import ceil
from typing import NamedTuple

from hypothesis import assume, given
from hypothesis import strategies as st

from actors.rulebooks import spin, spin_exact
from actors.rulebooks.spin import Order, Penalty, PositionAtMark, Tier
from actors.units import E9, LONG, SHORT, div_half_away

PARAMETERS = spin.SpinParameters()
TF = PARAMETERS.penalty_e9
equities = st.integers(-(2**50), 2**50)
lots = st.integers(-(2**24), 2**24)
prices = st.integers(1, 2**20)
scales = st.sampled_from([1, 7, 1_000])
collaterals = st.sampled_from([10_000_000, 30_000_000, 35_714_286, 50_000_000, 100_000_000, 123_456_789, 200_000_000])
orders = st.lists(st.tuples(st.sampled_from([LONG, SHORT]), st.integers(1, 2**20), prices), max_size=8).map(
    lambda rows: [Order(number, *row) for number, row in enumerate(rows)]
)


class Target(NamedTuple):
    """An account with a position to close among others; lots are a multiple of the step."""

    equity: int
    collateral: int
    lots: int
    mark: int
    k: int
    rate: int
    step: int

    def calculator(self) -> tuple[int, ...]:
        return (*self[:6], TF, self.step)

    def after(self, closed: int) -> tuple[int, int]:
        """Equity, the penalty paid, and the collateral left."""
        value = spin.notional_atoms(closed, self.mark, self.k)
        penalty = spin.penalty_atoms(value, PARAMETERS.reward_e9, PARAMETERS.fund_share_e9)
        return self.equity - sum(penalty), self.collateral - value * self.rate


@st.composite
def targets(draw: st.DrawFn, low_tenths: int = 3, high_tenths: int = 7) -> Target:
    """Accounts whose Mr lies in or near these tenths, with the collateral of other markets or without."""
    step = draw(st.sampled_from([1, 10, 1_000]))
    size = draw(st.integers(1, 2**14)) * step
    mark, k, rate = draw(prices), draw(scales), draw(collaterals)
    others = draw(st.sampled_from([0, 1, 10])) * draw(st.integers(0, 2**40)) * E9
    collateral = spin.collateral_atoms_e9(size, mark, k, rate) + others
    thousandths = draw(st.integers(low_tenths * 100, high_tenths * 100))
    equity = collateral * thousandths // (1_000 * E9)
    return Target(equity, collateral, draw(st.sampled_from([1, -1])) * size, mark, k, rate, step)


@given(targets())
def test_sp06_taking_what_the_calculator_says_reaches_the_target_or_closes_the_position(target: Target) -> None:
    found = spin.calculated_lots_ceil(*target.calculator())
    assert 0 <= found <= abs(target.lots)
    assert found % target.step == 0
    assert found == abs(target.lots) or spin.reaches(*target.after(found), spin.TARGET_TENTHS)


@given(targets())
def test_sp06_one_step_less_would_leave_the_account_below_the_target(target: Target) -> None:
    found = spin.calculated_lots_ceil(*target.calculator())
    gain = target.mark * target.k * target.step * (spin.TARGET_TENTHS * target.rate - spin.TENTHS * TF)
    # Where a step brings less than the atom by which the penalty is rounded, a few steps more may be taken.
    assume(found > 0 and gain >= spin.TENTHS * E9)
    assert not spin.reaches(*target.after(found - target.step), spin.TARGET_TENTHS)


@given(targets())
def test_sp06_the_calculator_is_the_rational_formula_but_for_the_atom_of_rounding(target: Target) -> None:
    assume(not spin.reaches(target.equity, target.collateral, spin.TARGET_TENTHS))
    found = spin.calculated_lots_ceil(*target.calculator())
    size, step = Fraction(abs(target.lots)), Fraction(target.step)
    answers = []
    for equity in (target.equity, target.equity - 1):
        collateral, rates = Fraction(target.collateral, E9), (Fraction(target.rate, E9), Fraction(TF, E9))
        per_lot = Fraction(target.mark * target.k)
        formula = spin_exact.calculated_size(Fraction(equity), collateral, size, per_lot, *rates)
        answers.append(spin_exact.closed_size_ceil(formula, size, step))
    assert found in answers


@given(targets(0, 12))
def test_sp06_below_the_ratio_of_penalty_and_collateral_the_whole_position_may_be_closed(target: Target) -> None:
    assume(target.equity * E9 * target.rate < TF * target.collateral)
    assume(not spin.reaches(target.equity, target.collateral, spin.TARGET_TENTHS))
    assert spin.calculated_lots_ceil(*target.calculator()) == abs(target.lots)


@given(targets(0, 12))
def test_sp07_closable_lots_follow_the_tier(target: Target) -> None:
    tier = spin.tier_of(target.equity, target.collateral)
    found = spin.closable_lots(*target.calculator())
    if tier <= Tier.REDUCE_ONLY:
        assert found == 0
    elif tier == Tier.COMPLETE:
        assert found == abs(target.lots)
    else:
        assert found == spin.calculated_lots_ceil(*target.calculator()) > 0


@given(equities, st.integers(0, 2**80))
def test_sp04_the_tier_is_that_of_the_rational(equity: int, collateral: int) -> None:
    ratio = spin_exact.margin_ratio(Fraction(equity), [Fraction(collateral, E9)])
    bounds = (Fraction(1), Fraction(7, 10), Fraction(3, 10))
    expected = 0 if ratio is None else sum(ratio < bound for bound in bounds)
    assert spin.tier_of(equity, collateral) == expected
    assert spin.stays_above_one(equity, collateral) == (ratio is None or ratio > 1)


@given(equities, st.integers(0, 2**50), st.integers(0, 2**80))
def test_sp04_more_equity_is_never_a_worse_tier_and_more_collateral_never_a_better(
    equity: int, more: int, collateral: int
) -> None:
    assert spin.tier_of(equity + more, collateral) <= spin.tier_of(equity, collateral)
    if equity >= 0:
        assert spin.tier_of(equity, collateral + more) >= spin.tier_of(equity, collateral)


@given(equities, st.integers(0, 2**70))
def test_sp04_what_may_be_withdrawn_leaves_one_and_an_atom_more_would_not(equity: int, collateral: int) -> None:
    amount = spin.withdrawable_floor_atoms(equity, collateral)
    assert amount == 0 or spin.may_withdraw(equity - amount, collateral)
    assert not spin.may_withdraw(equity - amount - 1, collateral)


@given(lots, orders)
def test_sp03_what_does_not_reduce_increases(position: int, resting: list[Order]) -> None:
    parts = spin.increasing_lots(position, resting)
    for side in (LONG, SHORT):
        total = sum(order.lots for order in resting if order.side == side)
        increasing = sum(part for part, order in zip(parts, resting, strict=True) if order.side == side)
        assert increasing == max(0, total - max(0, -side * position))
    assert all(0 <= part <= order.lots for part, order in zip(parts, resting, strict=True))


@given(lots, orders)
def test_sp03_a_worse_price_reduces_only_after_a_better_one(position: int, resting: list[Order]) -> None:
    parts = dict(zip(resting, spin.increasing_lots(position, resting), strict=True))
    for order in resting:
        better = [o for o in resting if o.side == order.side and o.side * (o.price_ticks - order.price_ticks) > 0]
        if parts[order] < order.lots:
            assert all(parts[other] == 0 for other in better)


@given(lots, orders, st.permutations(range(8)))
def test_sp03_the_order_of_the_list_means_nothing(position: int, resting: list[Order], places: list[int]) -> None:
    shuffled = [resting[place] for place in places if place < len(resting)]
    held = dict(zip(resting, spin.increasing_lots(position, resting), strict=True))
    assert spin.increasing_lots(position, shuffled) == [held[order] for order in shuffled]


@given(targets(), lots, st.integers(-(2**50), 2**50), st.integers(-(2**50), 2**50), st.data())
def test_sp07_a_takeover_at_mark_conserves_and_moves_nobody_s_equity(
    target: Target, lots: int, cost: int, other_cost: int, data: st.DataObject
) -> None:
    taken = data.draw(st.integers(1, abs(target.lots))) * (1 if target.lots > 0 else -1)
    given = spin.apply_fill(target.lots, cost, -taken, target.mark, target.k)
    got = spin.apply_fill(lots, other_cost if lots else 0, taken, target.mark, target.k)
    assert given.lots + got.lots == target.lots + lots
    for fill, before, cost_before in ((given, target.lots, cost), (got, lots, other_cost if lots else 0)):
        assert (fill.lots == 0) <= (fill.cost_atoms == 0)
        was = spin.equity_atoms(0, [PositionAtMark(before, cost_before, target.mark, target.k, target.rate)])
        position = PositionAtMark(fill.lots, fill.cost_atoms, target.mark, target.k, target.rate)
        assert spin.equity_atoms(fill.realised_atoms, [position]) == was
    costs = given.cost_atoms + got.cost_atoms - cost - (other_cost if lots else 0)
    assert given.realised_atoms + got.realised_atoms == costs


@given(st.integers(0, 2**60), equities, st.integers(0, 2**60), st.booleans())
def test_sp08_sp09_nothing_is_paid_twice_and_nothing_is_lost(value: int, equity: int, fund: int, closed: bool) -> None:
    penalty = spin.penalty_atoms(value, PARAMETERS.reward_e9, PARAMETERS.fund_share_e9)
    assert sum(penalty) == ceil(Fraction(value * TF, E9))
    assert penalty.reward_atoms == value * PARAMETERS.reward_e9 // E9
    paid = spin.payments_of(equity, penalty)
    assert paid.reward_paid_atoms + paid.reward_owed_by_fund_atoms == penalty.reward_atoms
    assert 0 <= paid.fund_paid_atoms <= penalty.fund_share_atoms
    assert paid.fund_paid_atoms == 0 or paid.reward_owed_by_fund_atoms == 0
    left = equity - paid.reward_paid_atoms - paid.fund_paid_atoms
    assert left >= min(0, equity)
    assert left <= 0 or paid == (*penalty, 0)
    deficit = spin.deficit_atoms(left) if closed else 0
    drawn = spin.fund_payments_of(fund, paid.reward_owed_by_fund_atoms, deficit)
    assert drawn.reward_atoms + drawn.reward_shortfall_atoms == paid.reward_owed_by_fund_atoms
    assert drawn.deficit_atoms + drawn.deficit_shortfall_atoms == deficit
    assert min(drawn) >= 0
    out = drawn.reward_atoms + drawn.deficit_atoms
    assert out <= fund
    assert out == fund or drawn.reward_shortfall_atoms == drawn.deficit_shortfall_atoms == 0


@given(st.integers(0, 2**60), st.integers(0, 2**60))
def test_sp09_a_fuller_purse_leaves_less_to_the_fund(equity: int, more: int) -> None:
    penalty = Penalty(2**59, 2**58)
    owed = spin.payments_of(equity, penalty).reward_owed_by_fund_atoms
    assert spin.payments_of(equity + more, penalty).reward_owed_by_fund_atoms <= owed


@given(st.integers(-(2**60), 2**60), st.integers(-(10**9), 10**9))
def test_sp10_a_fee_is_the_rational_rounded_against_the_user(quote: int, rate: int) -> None:
    assert spin.trading_fee_ceil_atoms(quote, rate) == ceil(Fraction(abs(quote) * rate, E9))


@given(st.lists(prices, min_size=1, max_size=20), prices)
def test_sp11_the_rate_is_the_rational_rounded_half_away(mids: list[int], index: int) -> None:
    exact = spin_exact.funding_rate(Fraction(sum(mids), len(mids)), Fraction(index)) * E9
    ours = spin.funding_rate_half_away_e9(sum(mids), len(mids), index, PARAMETERS.funding_clamp_e9)
    assert ours == div_half_away(exact.numerator, exact.denominator)


@given(st.lists(lots, max_size=10), st.integers(-(2**60), 2**60), st.integers(-(2**60), 2**60), scales)
def test_sp11_funding_of_a_balanced_market_never_pays_out_more_than_it_takes(
    held: list[int], entry: int, now: int, k: int
) -> None:
    balanced = [*held, -sum(held)]
    assert 0 <= sum(spin.accrued_ceil_atoms(size, entry, now, k) for size in balanced) <= len(balanced)


@given(targets(7, 30))
def test_sp04_the_estimate_is_where_the_tier_changes(target: Target) -> None:
    estimate = spin.liquidation_price_estimate_ticks(
        target.lots, target.mark, target.k, target.equity, target.collateral, target.rate
    )
    assume(estimate is not None and spin.reaches(target.equity, target.collateral, spin.TARGET_TENTHS))
    side = LONG if target.lots > 0 else SHORT

    def holds_at(mark: int) -> bool:
        equity = target.equity + spin.value_atoms(target.lots, mark - target.mark, target.k)
        change = abs(target.lots) * target.k * target.rate * (mark - target.mark)
        return spin.reaches(equity, target.collateral + change, spin.TARGET_TENTHS)

    assert holds_at(estimate)
    # At a price of zero there is no collateral either.
    assert estimate - side == 0 or not holds_at(estimate - side)
