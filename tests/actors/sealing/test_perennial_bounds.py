"""Perennial's venues and markets: the protocol's bounds (PE-16), floor and cap (PE-09), requirements after notice."""

from typing import Any

import pytest

from actors.registry import Registry
from actors.risk.mark_price import price_bound_ticks
from actors.risk.perennial_terms import market_rules, protocol_rules, risk_rules
from actors.rulebooks.perennial import is_liquidatable, liquidation_fee_floor_atoms, requirement_floor_atoms
from actors.units import ORDER_LOTS_BOUND, PPM, PRICE_BOUND, TOTAL_BOUND
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from node.margin_presets import SCALES
from node.perennial_presets import MAINTENANCE, perennial_market, perennial_venue
from node.spin_presets import spin_market
from tests.actors.calling import pending_list
from tests.actors.newer_seals import PERENNIAL, NewerSeals
from tests.building import bodies, market, refused

OUT = "PARAMETER_OUT_OF_BOUNDS"
USDC = 10**6


@pytest.mark.parametrize("preset", MAINTENANCE)
def test_the_presets_pass_their_own_bounds(preset: str) -> None:
    seals = NewerSeals()
    made = [perennial_market(number, asset, maintenance=preset) for number, asset in enumerate(SCALES, 10)]
    for one in made:
        one.symbol += "-SECOND"
    reply = seals.seal(*(seals.batch("create_market", PERENNIAL, parameters=one) for one in made))
    assert refused(reply.outcomes) == []
    assert [one.market for one in reply.changes.markets] == [one.market for one in made]


SEED_TABLE = [(10_000, 15_000, 3_000), (30_000, 32_000, 6_400), (25_000, 20_000, None)]


@pytest.mark.parametrize(("collateral", "requirement", "reward"), SEED_TABLE)
def test_pe_09_the_seed_preset_pays_what_the_documentation_s_table_says(
    collateral: int, requirement: int, reward: int | None
) -> None:
    rules = risk_rules(perennial_market(1, "ETH", maintenance="seed").perennial)
    assert rules.min_liquidation_fee_atoms == rules.min_maintenance_atoms
    assert requirement_floor_atoms(10 * USDC, 1_000 * USDC, rules.maintenance_ppm, rules.min_maintenance_atoms) == (
        2_000 * USDC
    )
    assert is_liquidatable(collateral * USDC, requirement * USDC) == (reward is not None)
    fee = liquidation_fee_floor_atoms(
        requirement * USDC,
        rules.liquidation_fee_ppm,
        rules.min_liquidation_fee_atoms,
        rules.max_liquidation_fee_atoms,
    )
    assert reward in (None, fee // USDC)


@pytest.mark.parametrize(
    ("name", "value", "numbers"),
    [
        ("protocol_fee_ppm", 500_001, (500_000, 500_001)),  # above the largest cut
        ("max_cut_ppm", 1_000_001, (1_000_000, 1_000_001)),
        ("max_fee_ppm", -1, (0, -1)),
        ("max_fee_absolute_atoms", (1 << 50) + 1, (1 << 50, (1 << 50) + 1)),
        ("max_rate_ppm", 10**9 + 1, (10**9, 10**9 + 1)),
        ("min_maintenance_ppm", -1, (0, -1)),
        ("min_efficiency_ppm", -1, (0, -1)),
        ("notice_ms", -1, (0, -1)),
    ],
)
def test_rules_of_a_venue_outside_their_bounds_are_refused(name: str, value: int, numbers: tuple[int, int]) -> None:
    seals = NewerSeals()
    wanted = perennial_venue(9, "second")
    setattr(wanted.perennial, name, value)
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == (OUT, *numbers)
    change = seals.batch("set_parameters", PERENNIAL)
    change.set_parameters.venue.CopyFrom(wanted)
    assert seals.refusal(change) == (OUT, *numbers)


def test_a_venue_s_asset_has_six_decimals() -> None:
    seals = NewerSeals()
    wanted = perennial_venue(9, "second")
    wanted.asset_decimals = 8
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == (OUT, 6, 8)
    wanted.ClearField("perennial")
    assert seals.refusal(seals.batch("create_venue", parameters=wanted)) == ("WRONG_RULEBOOK", 1, 3)


MARKETS: list[tuple[dict[str, int], tuple[str, int, int]]] = [
    ({"market": 1 << 16}, (OUT, 65_535, 1 << 16)),
    ({"tick_size_e9": 10_000}, (OUT, 1_000, 10_000)),
    ({"funding_interval_ms": 3_600_000}, (OUT, 0, 3_600_000)),
    ({"mark_rule": common.MARK_RULE_MEDIAN_OF_THREE}, (OUT, 1, 2)),
    ({"reduce_only_age_ms": 5}, (OUT, 0, 5)),
    ({"maintenance_ppm": 4_999}, (OUT, 5_000, 4_999)),
    ({"maintenance_ppm": 7 * 10**6 + 1}, (OUT, 7 * 10**6, 7 * 10**6 + 1)),
    ({"efficiency_limit_ppm": 199_999}, (OUT, 200_000, 199_999)),
    ({"taker_fee_ppm": 10_001}, (OUT, 10_000, 10_001)),
    ({"maker_impact_ppm": -1}, (OUT, 0, -1)),
    ({"liquidation_fee_ppm": 500_001}, (OUT, 500_000, 500_001)),
    ({"settlement_fee_atoms": 10**10 + 1}, (OUT, 10**10, 10**10 + 1)),
    ({"min_liquidation_fee_atoms": 10 * USDC + 1}, (OUT, 10 * USDC, 10 * USDC + 1)),  # above the least requirement
    ({"max_rate_ppm": 10**7 + 1}, (OUT, 10**7, 10**7 + 1)),
    ({"controller_max_ppm": 10**7 + 1}, (OUT, 10**7, 10**7 + 1)),
    ({"target_utilisation_ppm": 10**6 + 1}, (OUT, 10**6, 10**6 + 1)),
    ({"oracle_fee_ppm": 600_000, "risk_fee_ppm": 400_001}, (OUT, 400_000, 400_001)),
    ({"controller_k_e6": 0}, (OUT, 1, 0)),
    ({"maker_limit_lots": 1 << 44}, (OUT, (1 << 44) - 1, 1 << 44)),
    ({"stale_after_ms": 0}, (OUT, 1, 0)),
    ({"max_pending": 0}, (OUT, 1, 0)),
    ({"max_pending_versions": 65}, (OUT, 64, 65)),
    ({"version_ms": 0}, (OUT, 1, 0)),
    ({"grace_ms": -1}, (OUT, 0, -1)),
    ({"max_liquidation_fee_atoms": 5 * USDC}, ("", 0, 0)),
    ({"max_liquidation_fee_atoms": 5 * USDC - 1}, ("FEE_FLOOR_ABOVE_CAP", 5 * USDC - 1, 5 * USDC)),
]


def with_fields(wanted: parameters.MarketParameters, **fields: Any) -> parameters.MarketParameters:
    for name, value in fields.items():
        (home,) = [part for part in (wanted, wanted.perennial, wanted.oracle) if name in part.DESCRIPTOR.fields_by_name]
        setattr(home, name, value)
    return wanted


@pytest.mark.parametrize(("altered", "expected"), MARKETS)
def test_pe_16_markets_outside_their_bounds_are_refused(
    altered: dict[str, int], expected: tuple[str, int, int]
) -> None:
    seals = NewerSeals()
    wanted = with_fields(perennial_market(5, "BTC"), symbol="SECOND", **altered)
    assert seals.refusal(seals.batch("create_market", PERENNIAL, parameters=wanted)) == expected


def test_pe_09_a_floor_above_the_cap_is_taken_as_the_contracts_took_it_where_that_is_asked_for() -> None:
    seals = NewerSeals()
    exact = perennial_venue(9, "exact")
    exact.perennial.v2_exact = True
    seals.seal(seals.batch("create_venue", parameters=exact))
    wanted = with_fields(perennial_market(1, "BTC", venue=9), max_liquidation_fee_atoms=0)
    assert seals.refusal(seals.batch("create_market", 9, parameters=wanted)) == ("", 0, 0)
    assert (
        seals.refusal(seals.batch("create_market", PERENNIAL, parameters=with_fields(wanted, market=5, symbol="S")))[0]
        == "FEE_FLOOR_ABOVE_CAP"
    )


def test_a_market_is_of_its_venue_s_kind() -> None:
    seals = NewerSeals()
    assert seals.refusal(seals.batch("create_market", PERENNIAL, parameters=market(9))) == ("WRONG_RULEBOOK", 1, 3)
    spin = spin_market(9, "SOL")
    assert seals.refusal(seals.batch("create_market", PERENNIAL, parameters=spin)) == ("WRONG_RULEBOOK", 4, 3)


def test_one_position_and_all_makers_are_worth_less_than_a_total_at_any_price() -> None:
    btc, algo = perennial_market(1, "BTC"), perennial_market(1, "ALGO")
    for made in (btc, algo):
        bound = price_bound_ticks(made)
        assert bound <= PRICE_BOUND
        for lots in (ORDER_LOTS_BOUND, made.perennial.maker_limit_lots):
            assert lots * (bound - 1) // PPM < TOTAL_BOUND
    assert price_bound_ticks(btc) > 1_000_000 * USDC
    seals = NewerSeals()
    ticks = seals.ticks(price_bound_ticks(btc), venue=PERENNIAL)
    assert seals.refusal(ticks) == ("OVERFLOW", price_bound_ticks(btc), price_bound_ticks(btc))


def test_every_parameter_reaches_the_rules() -> None:
    made, terms = parameters.PerennialMarket(), parameters.PerennialParameters()
    of_desk = {"max_pending_versions", "version_ms", "grace_ms"}  # not of the rulebook's arithmetic
    for message, switches in ((made, 0), (terms, 0)):
        for number, field in enumerate(message.DESCRIPTOR.fields, 1):
            setattr(message, field.name, True if field.type == field.TYPE_BOOL else number + switches)
    risk, rest, protocol = risk_rules(made), market_rules(made), protocol_rules(terms)
    flat = [*risk._replace(curve=0, controller=0), *risk.curve, *risk.controller, *rest]  # type: ignore[arg-type]
    numbers = [value for value in flat if not isinstance(value, bool) and value]
    wanted = [
        getattr(made, field.name)
        for field in made.DESCRIPTOR.fields
        if field.type != field.TYPE_BOOL and field.name not in of_desk
    ]
    assert sorted(numbers) == sorted(wanted)
    assert risk.maker_receive_only
    assert (rest.taker_close_always, rest.maker_close_always, rest.closed) == (True, True, True)
    assert tuple(protocol) == tuple(range(1, 8))


def test_pe_16_a_higher_requirement_waits_for_its_notice_the_rest_does_not() -> None:
    seals = NewerSeals(notice_ms=2_000)
    wanted = with_fields(
        seals.market_of(PERENNIAL), maintenance_ppm=20_000, min_maintenance_atoms=8 * USDC, taker_fee_ppm=600
    )
    (now,) = seals.seal(seals.alter(wanted), step_ms=2_000).changes.markets
    rules = now.perennial
    assert (rules.maintenance_ppm, rules.min_maintenance_atoms, rules.taker_fee_ppm) == (8_000, 8 * USDC, 600)
    copy = Registry()
    copy.restore([seals.registry.snapshot()])
    assert copy.save() == seals.registry.save()
    seals.calls.actor = copy
    reply = seals.seal()
    (due,) = reply.changes.markets
    rules = due.perennial
    assert (rules.maintenance_ppm, rules.min_maintenance_atoms, due.version) == (20_000, 8 * USDC, 3)
    assert [body.parameters.version for body in bodies(pending_list(reply.events), "market_changed")] == [3]


def test_a_fee_that_only_fits_the_requirement_that_waits_is_refused_until_then() -> None:
    seals = NewerSeals(notice_ms=2_000)
    wanted = with_fields(
        seals.market_of(PERENNIAL), min_maintenance_atoms=20 * USDC, min_liquidation_fee_atoms=15 * USDC
    )
    assert seals.refusal(seals.alter(wanted)) == (OUT, 10 * USDC, 15 * USDC)
    seals.seal(seals.alter(with_fields(seals.market_of(PERENNIAL), min_maintenance_atoms=20 * USDC)), step_ms=2_000)
    seals.seal()
    assert seals.refusal(seals.alter(wanted)) == ("", 0, 0)


def test_pe_04_the_grid_of_versions_never_changes() -> None:
    seals = NewerSeals()
    other = with_fields(seals.market_of(PERENNIAL), version_ms=5_000)
    assert seals.refusal(seals.alter(other)) == (OUT, 10_000, 5_000)
    assert seals.refusal(seals.alter(with_fields(seals.market_of(PERENNIAL), grace_ms=3_000))) == ("", 0, 0)
