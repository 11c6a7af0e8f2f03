"""Perennial from version to version: fees, funding, interest and profit; every step conserves to 1e-12 USDC."""

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.rulebooks import perennial_versions as versions
from actors.rulebooks.perennial import NOTHING, ControllerRules, MarketRules, RiskRules, Totals
from actors.rulebooks.perennial_versions import Accumulators, Controller, Interval, SideAmounts
from actors.units import PPM
from tests.actors.rulebooks import perennial_cases as cases
from tests.actors.rulebooks.perennial_cases import CURVE, MARKET, PRICE, PROTOCOL, RISK, USDC, whole

HOUR_MS = 3_600_000
YEAR_MS = 365 * 24 * HOUR_MS
START = Accumulators()
LEVEL = Controller()
STILL = Interval(PRICE, PRICE, HOUR_MS)
FREE = MarketRules()
# No interest and no funding: what is left is fees and profit.
QUIET = RISK._replace(curve=CURVE._replace(min_rate_ppm=0, target_rate_ppm=0, max_rate_ppm=0))

intervals = st.builds(
    Interval, cases.price_ticks(), cases.price_ticks(), st.one_of(st.just(0), st.integers(1, YEAR_MS))
)
# A k of a second and more: below it the cut of elapsed * skew to 1e-6 s shows in the rate.
ks_us = st.integers(10**6, 10**12)
rates_ppm = st.one_of(st.integers(-1_200_000, 1_200_000), st.integers(-10 * PPM, 10 * PPM))
controllers = st.builds(Controller, rates_ppm, st.integers(-PPM, PPM))


def accumulate(
    totals: Totals,
    interval: Interval = STILL,
    order_fees_atoms: int = 0,
    market: MarketRules = FREE,
    risk: RiskRules = RISK,
    controller: Controller = LEVEL,
    next_totals: Totals | None = None,
) -> versions.VersionStep:
    after = totals if next_totals is None else next_totals
    return versions.accumulate(START, controller, totals, after, order_fees_atoms, interval, market, risk)


@settings(max_examples=300)
@given(
    before=st.builds(Accumulators, *(st.integers(-(10**15), 10**15) for _ in range(3))),
    controller=controllers,
    totals=cases.totals(),
    next_totals=cases.totals(),
    order_fees_atoms=st.integers(0, 10**12),
    interval=intervals,
    market=cases.market_rules(),
    risk=cases.risk_rules(),
    cuts=st.lists(st.integers(0, 10**10), max_size=4),
)
def test_a_step_hands_out_what_came_in_to_the_last_1e_12(
    before: Accumulators,
    controller: Controller,
    totals: Totals,
    next_totals: Totals,
    order_fees_atoms: int,
    interval: Interval,
    market: MarketRules,
    risk: RiskRules,
    cuts: list[int],
) -> None:
    step = versions.accumulate(before, controller, totals, next_totals, order_fees_atoms, interval, market, risk)
    paid_atoms = remainder_e12 = 0
    for side, lots in enumerate(totals):
        bounds = sorted({0, lots, *(cut for cut in cuts if cut < lots)})
        for left, right in pairwise(bounds):
            position = NOTHING._replace(**{Totals._fields[side]: right - left})
            settled = versions.settle_account(before, step.accumulators, position)
            assert 0 <= settled.remainder_e12 < PPM
            paid_atoms += settled.amount_atoms
            remainder_e12 += settled.remainder_e12
    assert sum(step.granted_e12) == paid_atoms * PPM + remainder_e12
    left_e12 = (order_fees_atoms - step.market_fee_atoms - paid_atoms) * PPM - remainder_e12
    assert left_e12 == step.residue_e12
    # Each of at most four additions a side is floored by less than an atom a unit.
    assert 0 <= step.residue_e12 <= 4 * sum(totals)
    parts = step.breakdown
    fees_atoms = (parts.position_fee_atoms, parts.funding_fee_atoms, parts.interest_fee_atoms)
    assert (min(fees_atoms) >= 0, sum(fees_atoms)) == (True, step.market_fee_atoms)
    assert sum(parts.position_fee) == order_fees_atoms - parts.position_fee_atoms
    assert sum(parts.funding) == -parts.funding_fee_atoms
    assert sum(parts.interest) == -parts.interest_fee_atoms
    assert sum(parts.pnl) == 0
    for amounts in (*parts[:4], step.meant):
        assert all(lots or not amount for amount, lots in zip(amounts, totals, strict=True))


@given(totals=cases.totals(), interval=intervals)
def test_pe12_nobody_loses_on_more_than_its_lots(totals: Totals, interval: Interval) -> None:
    move_ticks = abs(interval.to_price_ticks - interval.from_price_ticks)
    for amount_atoms, lots in zip(versions.side_pnl(totals, interval), totals, strict=True):
        assert abs(amount_atoms) * PPM <= move_ticks * lots + PPM


def test_pe10_a_price_move_goes_from_takers_to_makers_and_back() -> None:
    rise = Interval(PRICE, PRICE + 5 * USDC, 0)
    step = accumulate(whole(10, 5, 3), rise)
    assert step.meant == SideAmounts(-10 * USDC, 25 * USDC, -15 * USDC)
    assert step.accumulators == Accumulators(-USDC, 5 * USDC, -5 * USDC)
    assert step.residue_e12 == 0
    assert versions.settle_account(START, step.accumulators, whole(0, 2, 0)).amount_atoms == 10 * USDC


def test_pe12_socialised_longs_earn_on_what_makers_answer_for() -> None:
    step = accumulate(whole(2, 9, 1), Interval(PRICE, PRICE + 9 * USDC, 0), risk=QUIET)
    assert step.meant == SideAmounts(-18 * USDC, 27 * USDC, -9 * USDC)
    assert step.accumulators.long_atoms_per_unit == 3 * USDC


def test_rounding_is_against_the_account_both_ways() -> None:
    # Three lots that gain or lose 2e-6 of an atom each: nothing for who gains, an atom from who loses.
    gained = versions.settle_account(START, Accumulators(0, 2, 0), Totals(0, 3, 0))
    lost = versions.settle_account(START, Accumulators(0, -2, 0), Totals(0, 3, 0))
    assert gained == (0, 6)
    assert lost == (-1, PPM - 6)
    # 10 atoms over 3 units: 3 each. Minus 10: 4 each.
    fee = MARKET._replace(position_fee_ppm=0)
    assert accumulate(whole(3, 0, 0), STILL, 10, fee).accumulators.maker_atoms_per_unit == 3
    fall = Interval(PRICE, PRICE - 1, 0)
    assert accumulate(Totals(7, 7, 0), fall).accumulators.long_atoms_per_unit == 0
    assert accumulate(Totals(PPM * 7, 5 * PPM, 0), fall).accumulators == Accumulators(0, -1, 0)


def test_pe13a_position_fees_are_the_makers_but_for_the_market_s_share() -> None:
    step = accumulate(whole(10, 0, 0), STILL, 10 * USDC, MARKET)
    assert (step.breakdown.position_fee_atoms, step.breakdown.position_fee.maker_atoms) == (2 * USDC, 8 * USDC)
    alone = accumulate(NOTHING, STILL, 10 * USDC, MARKET, next_totals=whole(1, 0, 0))
    assert (alone.market_fee_atoms, alone.meant) == (10 * USDC, SideAmounts(0, 0, 0))


def test_pe13a_protocol_first_then_shares_of_the_rest_and_settlement_fees_for_the_oracle() -> None:
    split = versions.split_fees(12_500_000, 3 * USDC, MARKET, PROTOCOL)
    assert split == (6_250_000, 3_625_000, 625_000, 5_000_000)


@given(st.integers(0, 10**15), st.integers(0, 10**9), cases.market_rules(), cases.ppm())
def test_pe13a_a_split_gives_all_of_it(fee_atoms: int, settlement_atoms: int, market: MarketRules, ppm: int) -> None:
    split = versions.split_fees(fee_atoms, settlement_atoms, market, PROTOCOL._replace(protocol_fee_ppm=ppm))
    assert sum(split) == fee_atoms + settlement_atoms
    assert min(split) >= 0


def test_pe15_the_rate_moves_with_the_skew_kept_from_before() -> None:
    step = accumulate(whole(10, 5, 0), controller=Controller(0, PPM), next_totals=whole(10, 5, 3), risk=QUIET)
    # 3,600 s of full skew over k = 40,000 s: 9%, and 40% of skew from here on.
    assert step.controller == Controller(90_000, 400_000)
    # The mean of 0% and 9% on 5,000 USDC for an hour of 365 days.
    assert step.breakdown.funding == SideAmounts(25_684, -25_684, 0)
    assert 5_000 * USDC * 45_000 * 3_600 // (PPM * 365 * 86_400) == 25_684


@settings(max_examples=300)
@given(controllers, st.integers(-PPM, PPM), st.integers(0, YEAR_MS), st.integers(0, 10**15), ks_us)
@example(Controller(0, PPM), 0, HOUR_MS, 10**12, 10**6)
@example(Controller(1_200_001, -PPM), 0, HOUR_MS, 10**12, 10**10)
def test_pe15_the_rate_never_leaves_its_cap_and_funding_is_the_area_below_it(
    controller: Controller, next_skew_ppm: int, elapsed_ms: int, notional_atoms: int, k_us: int
) -> None:
    rules = ControllerRules(k_us, 1_200_000)
    after, owed_atoms = versions.step_controller(controller, rules, next_skew_ppm, elapsed_ms, notional_atoms)
    assert abs(after.rate_ppm) <= rules.max_rate_ppm
    assert after.skew_ppm == next_skew_ppm
    most_ppm = max(abs(controller.rate_ppm), rules.max_rate_ppm)
    assert abs(owed_atoms) <= Fraction(most_ppm * notional_atoms * elapsed_ms, PPM * YEAR_MS) + 1
    if abs(controller.rate_ppm) <= rules.max_rate_ppm:
        exact = exact_funding(controller, rules, elapsed_ms, notional_atoms)
        # A rate is cut by 1e-6, a time by 1e-6 s: what that makes of the notional, and an atom for each division.
        slack = 4 + 4 * Fraction(notional_atoms * max(elapsed_ms, 1_000), PPM * YEAR_MS)
        assert abs(owed_atoms - exact) <= slack


@pytest.mark.parametrize(
    ("controller", "elapsed_ms", "rate_ppm", "owed_ppm"),
    [
        # Half a year from -1 to the cap of 1.2, and half a year there: 0.05 + 0.6.
        (Controller(-PPM, PPM), YEAR_MS, 1_200_000, 650_000),
        # A rate above a cap that came down is the cap from the start, wherever the skew pulls.
        (Controller(3 * PPM, PPM), YEAR_MS, 1_200_000, 1_200_000),
        (Controller(3 * PPM, -100_000), YEAR_MS, 1_200_000, 1_200_000),
        # Without a skew the mean of both ends counts all the time.
        (Controller(-3 * PPM, 0), YEAR_MS, -1_200_000, -2_100_000),
    ],
)
def test_pe15_where_the_rate_meets_its_cap(
    controller: Controller, elapsed_ms: int, rate_ppm: int, owed_ppm: int
) -> None:
    # Full skew moves the rate by 440% a year.
    rules = ControllerRules(YEAR_MS * 1_000 * 10 // 44, 1_200_000)
    after, owed_atoms = versions.step_controller(controller, rules, 0, elapsed_ms, USDC)
    assert (after, owed_atoms) == (Controller(rate_ppm, 0), pytest.approx(owed_ppm, abs=1))


def test_pe15_the_skew_of_a_time_is_cut_towards_zero_before_k_divides_it() -> None:
    rules = ControllerRules(1, 1_200_000)
    for skew_ppm, rate_ppm in ((-1, 0), (1, 0), (-1_001, -PPM), (1_999, PPM)):
        after, _ = versions.step_controller(Controller(0, skew_ppm), rules, 0, 1, 0)
        assert after.rate_ppm == rate_ppm, skew_ppm


def exact_funding(controller: Controller, rules: ControllerRules, elapsed_ms: int, notional_atoms: int) -> Fraction:
    """The same area in rationals: a straight line up to the cap, then the cap."""
    cap, start = Fraction(rules.max_rate_ppm, PPM), Fraction(controller.rate_ppm, PPM)
    elapsed = Fraction(elapsed_ms, 1_000)
    slope = Fraction(controller.skew_ppm, rules.k_us)
    end = start + slope * elapsed
    within = elapsed
    if abs(end) > cap:
        end = cap if end > 0 else -cap
        within = (end - start) / slope
    area = (start + end) / 2 * within + end * (elapsed - within)
    return area * notional_atoms / (365 * 86_400)


def test_pe15_both_takers_bear_half_of_the_fee_and_the_smaller_side_passes_on_the_makers_part() -> None:
    step = accumulate(whole(10, 5, 3), market=MARKET, controller=Controller(100_000, 0), risk=QUIET)
    # 10% a year of 5,000 for an hour: 57,077 atoms; fee 5,707, of which shorts bear 2,853 and longs 2,854.
    assert step.breakdown.funding_fee_atoms == 5_707
    assert step.breakdown.funding.long_atoms == -57_077 - 2_854
    # Makers stand for 40% of the longs' other side.
    assert step.breakdown.funding.maker_atoms == (57_077 - 2_853) * 400_000 // PPM
    assert sum(step.breakdown.funding) == -5_707


def test_pe15_makers_may_be_spared_from_paying_funding() -> None:
    paying, spared = (
        accumulate(
            whole(10, 5, 3),
            controller=Controller(-100_000, 0),
            risk=QUIET._replace(maker_receive_only=receive_only),
        ).breakdown.funding.maker_atoms
        for receive_only in (False, True)
    )
    assert paying < 0 < spared == -paying
    shorts = accumulate(
        whole(10, 3, 5), controller=Controller(100_000, 0), risk=QUIET._replace(maker_receive_only=True)
    )
    assert shorts.breakdown.funding.maker_atoms == spared


def test_pe15_who_makers_answer_is_said_by_the_bare_skew() -> None:
    risk = QUIET._replace(maker_receive_only=True, virtual_taker_lots=10**12)
    totals = Totals(10**7, 5 * 10**6 + 10, 5 * 10**6)
    assert (totals.skew_toward_zero_ppm(0), totals.skew_toward_zero_ppm(10**12)) == (1, 0)
    step = accumulate(totals, controller=Controller(100_000, 0), risk=risk)
    assert step.breakdown.funding.long_atoms < 0


def test_pe15_interest_is_paid_on_what_makers_answer_for() -> None:
    few, more = (accumulate(whole(2, long, 3)).breakdown.interest.maker_atoms for long in (9, 18))
    assert few == more == 2_000 * USDC * 3_600 // (365 * 86_400)


def test_pe15_interest_follows_the_curve_and_longs_and_shorts_share_it() -> None:
    step = accumulate(whole(10, 5, 3), market=MARKET)
    # Utilisation 5 / 13, rate 2% + 8% * (0.384615 / 0.8) on 8,000 USDC for an hour.
    rate_ppm = 20_000 + 80_000 * 480_768 // PPM
    interest_atoms = 8_000 * USDC * rate_ppm * 3_600 // (PPM * 365 * 86_400)
    assert step.breakdown.interest_fee_atoms == interest_atoms // 10
    assert step.breakdown.interest.maker_atoms == interest_atoms - interest_atoms // 10
    assert step.breakdown.interest.long_atoms == -(interest_atoms * 5 // 8)
    assert step.breakdown.interest.short_atoms == -(interest_atoms - interest_atoms * 5 // 8)


@pytest.mark.parametrize(
    ("utilisation_ppm", "rate_ppm"),
    [(0, 20_000), (400_000, 60_000), (800_000, 100_000), (900_000, 550_000), (PPM - 1, 999_995), (PPM, PPM)],
)
def test_pe15_the_curve_jumps_at_its_target(utilisation_ppm: int, rate_ppm: int) -> None:
    assert versions.interest_rate_toward_zero_ppm(CURVE, utilisation_ppm) == rate_ppm


@pytest.mark.parametrize("target_ppm", [0, PPM])
def test_pe15_a_curve_may_have_its_target_at_either_end(target_ppm: int) -> None:
    curve = CURVE._replace(target_utilisation_ppm=target_ppm)
    middle_ppm = versions.interest_rate_toward_zero_ppm(curve, PPM // 2)
    assert middle_ppm == (550_000 if target_ppm == 0 else 60_000)
    assert versions.interest_rate_toward_zero_ppm(curve, PPM) == PPM


def test_pe13_a_closed_market_accrues_position_fees_and_nothing_else() -> None:
    market = MARKET._replace(closed=True)
    step = accumulate(
        whole(10, 5, 0), Interval(PRICE, 2 * PRICE, HOUR_MS), 10 * USDC, market, controller=Controller(90_000, PPM)
    )
    assert step.meant == SideAmounts(8 * USDC, 0, 0)
    assert (step.market_fee_atoms, step.controller) == (2 * USDC, Controller(90_000, PPM))


def test_pe15_a_version_without_orders_still_moves_the_rate() -> None:
    step = accumulate(whole(10, 5, 0), controller=Controller(0, PPM))
    assert step.controller == Controller(90_000, PPM)
    assert step.breakdown.pnl == SideAmounts(0, 0, 0)


def test_time_does_not_run_backwards() -> None:
    with pytest.raises(AssertionError, match="-1 ms"):
        accumulate(NOTHING, Interval(PRICE, PRICE, -1))
