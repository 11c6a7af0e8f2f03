"""What the operator of a Perennial market may set, field by field."""

import pytest

from actors.rulebooks import perennial_bounds as bounds
from actors.rulebooks.perennial import MarketRules, ProtocolRules, RiskRules
from actors.units import PPM
from tests.actors.rulebooks.perennial_cases import MARKET, PROTOCOL, RISK, USDC

MAX_FEE = PROTOCOL.max_fee_ppm
MAX_ATOMS = PROTOCOL.max_fee_atoms
MAX_RATE = PROTOCOL.max_rate_ppm
RATES = ("taker_fee_ppm", "taker_skew_ppm", "taker_impact_ppm", "maker_fee_ppm", "maker_impact_ppm")


def risk(**changes: int) -> RiskRules:
    curve = {name: value for name, value in changes.items() if name in RISK.curve._fields}
    controller = {name.removeprefix("controller_"): value for name, value in changes.items() if name in CONTROLLER}
    own = {name: value for name, value in changes.items() if name in RISK._fields}
    return RISK._replace(curve=RISK.curve._replace(**curve), controller=RISK.controller._replace(**controller), **own)


CONTROLLER = ("controller_max_rate_ppm", "k_us")


def test_pe16_the_presets_of_the_vectors_may_be() -> None:
    assert bounds.first_protocol_offence(PROTOCOL) is None
    assert bounds.first_risk_offence(RISK, PROTOCOL) is None
    assert bounds.first_market_offence(MARKET, PROTOCOL) is None


@pytest.mark.parametrize(
    ("name", "most"),
    [
        *((name, MAX_FEE) for name in RATES),
        ("max_liquidation_fee_atoms", MAX_ATOMS),
        ("min_maintenance_atoms", MAX_ATOMS),
        ("liquidation_fee_ppm", PROTOCOL.max_cut_ppm),
        ("min_rate_ppm", MAX_RATE),
        ("target_rate_ppm", MAX_RATE),
        ("max_rate_ppm", MAX_RATE),
        ("controller_max_rate_ppm", MAX_RATE),
        ("target_utilisation_ppm", PPM),
    ],
)
def test_pe16_what_has_a_most(name: str, most: int) -> None:
    assert bounds.first_risk_offence(risk(**{name: most}), PROTOCOL) is None
    assert bounds.first_risk_offence(risk(**{name: most + 1}), PROTOCOL) == (name, most, most + 1)
    assert bounds.first_risk_offence(risk(**{name: -1}), PROTOCOL) == (name, 0, -1)


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("maintenance_ppm", PROTOCOL.min_maintenance_ppm),
        ("efficiency_limit_ppm", PROTOCOL.min_efficiency_ppm),
        ("k_us", 1),
        ("maker_limit_lots", 0),
        ("virtual_taker_lots", 0),
        ("stale_after_ms", 1),
    ],
)
def test_pe16_what_has_a_least(name: str, least: int) -> None:
    assert bounds.first_risk_offence(risk(**{name: least}), PROTOCOL) is None
    assert bounds.first_risk_offence(risk(**{name: least - 1}), PROTOCOL) == (name, least, least - 1)


def test_pe09_a_market_whose_floor_is_above_its_cap_is_refused_unless_it_is_the_contract_s() -> None:
    rules = risk(min_liquidation_fee_atoms=6 * USDC, max_liquidation_fee_atoms=6 * USDC - 1)
    offence = bounds.first_risk_offence(rules, PROTOCOL)
    assert offence == ("min_liquidation_fee_atoms", 6 * USDC - 1, 6 * USDC)
    assert bounds.first_risk_offence(rules, PROTOCOL, exact=True) is None
    assert bounds.first_risk_offence(risk(max_liquidation_fee_atoms=5 * USDC), PROTOCOL) is None


def test_pe16_the_least_reward_is_within_the_least_requirement_and_the_absolute_bound() -> None:
    offence = bounds.first_risk_offence(risk(min_liquidation_fee_atoms=50 * USDC + 1), PROTOCOL)
    assert offence == ("min_liquidation_fee_atoms", 50 * USDC, 50 * USDC + 1)
    offence = bounds.first_risk_offence(risk(min_liquidation_fee_atoms=MAX_ATOMS + 1), PROTOCOL)
    assert offence == ("min_liquidation_fee_atoms", MAX_ATOMS, MAX_ATOMS + 1)


@pytest.mark.parametrize(
    ("changes", "offence"),
    [
        ({"settlement_fee_atoms": MAX_ATOMS + 1}, ("settlement_fee_atoms", MAX_ATOMS, MAX_ATOMS + 1)),
        ({"funding_fee_ppm": 500_001}, ("funding_fee_ppm", 500_000, 500_001)),
        ({"interest_fee_ppm": 500_001}, ("interest_fee_ppm", 500_000, 500_001)),
        ({"position_fee_ppm": 500_001}, ("position_fee_ppm", 500_000, 500_001)),
        ({"oracle_fee_ppm": 600_000, "risk_fee_ppm": 400_001}, ("risk_fee_ppm", 400_000, 400_001)),
        ({"oracle_fee_ppm": PPM + 1}, ("oracle_fee_ppm", PPM, PPM + 1)),
        ({"max_pending": 0}, ("max_pending", 1, 0)),
        ({"oracle_fee_ppm": 600_000, "risk_fee_ppm": 400_000}, None),
    ],
)
def test_pe16_fees_and_shares_of_a_market(changes: dict[str, int], offence: tuple[str, int, int] | None) -> None:
    market: MarketRules = MARKET._replace(**changes)
    assert bounds.first_market_offence(market, PROTOCOL) == offence


@pytest.mark.parametrize(
    ("changes", "offence"),
    [
        ({"max_cut_ppm": PPM + 1}, ("max_cut_ppm", PPM, PPM + 1)),
        ({"protocol_fee_ppm": 500_001}, ("protocol_fee_ppm", 500_000, 500_001)),
        ({"max_rate_ppm": -1}, ("max_rate_ppm", 0, -1)),
    ],
)
def test_pe16_the_protocol_s_own_numbers(changes: dict[str, int], offence: tuple[str, int, int]) -> None:
    protocol: ProtocolRules = PROTOCOL._replace(**changes)
    assert bounds.first_protocol_offence(protocol) == offence


def test_pe16_the_first_offence_is_named() -> None:
    rules = risk(maker_fee_ppm=MAX_FEE + 1, taker_fee_ppm=MAX_FEE + 2, maintenance_ppm=0)
    assert bounds.first_risk_offence(rules, PROTOCOL) == ("taker_fee_ppm", MAX_FEE, MAX_FEE + 2)
