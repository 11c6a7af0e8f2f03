"""Perennial's requirement, liquidation fee and totals, on numbers small enough to check by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.rulebooks import perennial
from actors.rulebooks.perennial import NOTHING, Totals
from actors.units import PPM
from tests.actors.rulebooks import perennial_cases as cases
from tests.actors.rulebooks.perennial_cases import PRICE, USDC, whole

AMOUNTS = st.integers(0, 10**15)


@pytest.mark.parametrize(("units", "requirement_usdc"), [(10, 2_000), (5, 1_000)])
def test_pe01_the_seeds_table_of_maintenance(units: int, requirement_usdc: int) -> None:
    assert perennial.requirement_floor_atoms(units * 10**6, PRICE, 200_000, 0) == requirement_usdc * USDC


def test_pe01_the_minimum_holds_for_any_position_and_for_none_without_one() -> None:
    assert perennial.requirement_floor_atoms(1, PRICE, 200_000, 50 * USDC) == 50 * USDC
    assert perennial.requirement_floor_atoms(0, PRICE, 200_000, 50 * USDC) == 0


def test_pe01_each_product_is_cut_on_its_own() -> None:
    # 1.5e-6 of notional is cut to one atom before the ratio is taken: 0.999999 atoms, so none.
    assert perennial.requirement_floor_atoms(3, 500_000, PPM - 1, 0) == 0
    assert perennial.requirement_floor_atoms(3, -500_000, PPM, 0) == 1


@given(cases.totals(), cases.price_ticks(), cases.ppm(), AMOUNTS)
def test_pe01_more_size_price_or_ratio_never_asks_less(
    sizes: Totals, price_ticks: int, ratio_ppm: int, minimum_atoms: int
) -> None:
    low, _, high = sorted(sizes)
    requirement_atoms = perennial.requirement_floor_atoms(low, price_ticks, ratio_ppm, minimum_atoms)
    assert requirement_atoms <= perennial.requirement_floor_atoms(high, price_ticks, ratio_ppm, minimum_atoms)
    assert requirement_atoms <= perennial.requirement_floor_atoms(low, price_ticks + 1, ratio_ppm, minimum_atoms)
    assert requirement_atoms <= perennial.requirement_floor_atoms(low, price_ticks, ratio_ppm + 1, minimum_atoms)
    assert requirement_atoms >= (minimum_atoms if low else 0)


def test_pe01_a_maker_counts_at_full_size() -> None:
    assert whole(10, 0, 0).magnitude_lots == 10 * 10**6
    assert whole(0, 3, 0).magnitude_lots == whole(0, 0, 3).magnitude_lots == 3 * 10**6


def test_pe01_a_position_has_one_side() -> None:
    assert whole(0, 3, 0).is_single_sided and NOTHING.is_single_sided
    assert not whole(1, 3, 0).is_single_sided and not whole(0, 1, 1).is_single_sided


def test_pe02_liquidatable_is_strict_and_a_debt_counts_as_nothing() -> None:
    assert not perennial.is_liquidatable(100, 100)
    assert perennial.is_liquidatable(99, 100)
    assert perennial.is_liquidatable(-5, 1)
    assert not perennial.is_liquidatable(-5, 0)


@given(st.integers(-(10**15), 10**15), AMOUNTS)
def test_pe03_who_may_change_is_who_may_not_be_liquidated(collateral_atoms: int, requirement_atoms: int) -> None:
    may = perennial.is_collateralised(collateral_atoms, requirement_atoms)
    assert may != perennial.is_liquidatable(collateral_atoms, requirement_atoms)


@pytest.mark.parametrize(
    ("collateral_usdc", "requirement_usdc", "reward_usdc"),
    [(10_000, 15_000, 3_000), (30_000, 32_000, 6_400), (25_000, 20_000, None)],
)
def test_pe09_the_seeds_table_of_rewards(collateral_usdc: int, requirement_usdc: int, reward_usdc: int | None) -> None:
    collateral_atoms, requirement_atoms = collateral_usdc * USDC, requirement_usdc * USDC
    fee_atoms = perennial.liquidation_fee_floor_atoms(requirement_atoms, 200_000, 0, 10**6 * USDC)
    is_paid = perennial.is_liquidatable(collateral_atoms, requirement_atoms)
    assert (perennial.reward_limit_atoms(fee_atoms, collateral_atoms, 0) // USDC if is_paid else None) == reward_usdc


@given(AMOUNTS, cases.ppm(), AMOUNTS, AMOUNTS)
def test_pe09_floor_and_cap_hold_and_only_their_quarrel_is_settled_otherwise_in_the_contract(
    requirement_atoms: int, rate_ppm: int, one_atoms: int, other_atoms: int
) -> None:
    low, high = sorted((one_atoms, other_atoms))
    fee_atoms = perennial.liquidation_fee_floor_atoms(requirement_atoms, rate_ppm, low, high)
    assert low <= fee_atoms <= high
    assert fee_atoms == perennial.liquidation_fee_floor_atoms(requirement_atoms, rate_ppm, low, high, exact=True)
    # The floor above the cap: the cap wins here, the floor there.
    assert perennial.liquidation_fee_floor_atoms(requirement_atoms, rate_ppm, high, low) == low
    assert perennial.liquidation_fee_floor_atoms(requirement_atoms, rate_ppm, high, low, exact=True) == high


@pytest.mark.parametrize(
    ("collateral_atoms", "closing_fees_atoms", "limit_atoms"),
    [(100, 0, 50), (50, 0, 50), (60, 20, 40), (10, 20, 0), (-10, 0, 0)],
)
def test_pe09_a_reward_never_takes_more_than_closing_leaves(
    collateral_atoms: int, closing_fees_atoms: int, limit_atoms: int
) -> None:
    assert perennial.reward_limit_atoms(50, collateral_atoms, closing_fees_atoms) == limit_atoms
    assert perennial.reward_limit_atoms(50, collateral_atoms, closing_fees_atoms, exact=True) == 50


def test_pe12_takers_beyond_makers_and_the_other_side_are_scaled_down() -> None:
    market = whole(5, 20, 8)
    assert market.long_socialised_lots == market.taker_socialised_lots == 13 * 10**6
    assert market.short_socialised_lots == 8 * 10**6
    assert market.is_socialised
    assert not whole(12, 20, 8).is_socialised
    assert whole(5, 8, 20).is_socialised


def test_pe12_the_measures_of_a_market() -> None:
    market = whole(10, 6, 2)
    assert (market.major_lots, market.minor_lots, market.net_lots) == (6 * 10**6, 2 * 10**6, 4 * 10**6)
    assert market.utilisation_floor_ppm == 500_000
    assert market.efficiency_floor_ppm == PPM
    assert whole(2, 3, 0).efficiency_floor_ppm == 666_666
    assert market.skew_toward_zero_ppm(0) == 666_666
    assert whole(10, 2, 6).skew_toward_zero_ppm(0) == -666_666
    assert market.skew_toward_zero_ppm(2 * 10**6) == 500_000
    assert market.socialised_skew_floor_ppm == 666_666


def test_pe12_a_market_of_nobody_is_full_and_efficient_and_level() -> None:
    assert (NOTHING.utilisation_floor_ppm, NOTHING.efficiency_floor_ppm) == (PPM, PPM)
    assert (NOTHING.skew_toward_zero_ppm(5), NOTHING.socialised_skew_floor_ppm) == (0, 0)
    assert whole(3, 0, 0).utilisation_floor_ppm == 0
    assert whole(0, 3, 0).efficiency_floor_ppm == 0


@given(cases.totals())
def test_pe12_what_counts_of_the_takers_is_answered_for_to_the_lot(market: Totals) -> None:
    owed_lots = market.long_socialised_lots - market.short_socialised_lots
    assert abs(owed_lots) <= market.maker_lots
    assert market.taker_socialised_lots == max(market.long_socialised_lots, market.short_socialised_lots)
    assert market.is_socialised == (market.net_lots > market.maker_lots)
