"""The parameters of a Perennial venue and market as the rulebook reads them."""

from typing import NamedTuple

from actors.rulebooks.perennial import ControllerRules, MarketRules, ProtocolRules, RiskRules, UtilisationCurve
from actors.rulebooks.versions import reward_is_cut
from breakwater.v1 import parameters_pb2 as parameters


class Terms(NamedTuple):
    """What is in force: the rulebook's three groups, and how wide slots are and how long they wait (PE-04, PE-16)."""

    risk: RiskRules
    market: MarketRules
    protocol: ProtocolRules
    exact: bool
    reward_is_cut: bool
    max_pending_versions: int
    version_ms: int
    grace_ms: int


def terms_of(venue: parameters.VenueParameters, market: parameters.MarketParameters) -> Terms:
    """The rules in force, made anew where parameters change."""
    rules = market.perennial
    return Terms(
        risk=risk_rules(rules),
        market=market_rules(rules),
        protocol=protocol_rules(venue.perennial),
        exact=venue.perennial.v2_exact,
        reward_is_cut=reward_is_cut(venue),
        max_pending_versions=rules.max_pending_versions,
        version_ms=rules.version_ms,
        grace_ms=rules.grace_ms,
    )


def risk_rules(rules: parameters.PerennialMarket) -> RiskRules:
    """What bounds and prices the positions of a market."""
    return RiskRules(
        maintenance_ppm=rules.maintenance_ppm,
        min_maintenance_atoms=rules.min_maintenance_atoms,
        liquidation_fee_ppm=rules.liquidation_fee_ppm,
        min_liquidation_fee_atoms=rules.min_liquidation_fee_atoms,
        max_liquidation_fee_atoms=rules.max_liquidation_fee_atoms,
        maker_fee_ppm=rules.maker_fee_ppm,
        maker_impact_ppm=rules.maker_impact_ppm,
        taker_fee_ppm=rules.taker_fee_ppm,
        taker_skew_ppm=rules.taker_skew_ppm,
        taker_impact_ppm=rules.taker_impact_ppm,
        maker_limit_lots=rules.maker_limit_lots,
        efficiency_limit_ppm=rules.efficiency_limit_ppm,
        curve=UtilisationCurve(
            min_rate_ppm=rules.min_rate_ppm,
            target_rate_ppm=rules.target_rate_ppm,
            max_rate_ppm=rules.max_rate_ppm,
            target_utilisation_ppm=rules.target_utilisation_ppm,
        ),
        # Seconds in 1e-6 are microseconds.
        controller=ControllerRules(k_us=rules.controller_k_e6, max_rate_ppm=rules.controller_max_ppm),
        virtual_taker_lots=rules.virtual_taker_lots,
        stale_after_ms=rules.stale_after_ms,
        maker_receive_only=rules.maker_receive_only,
    )


def market_rules(rules: parameters.PerennialMarket) -> MarketRules:
    """What a market's fees are and who may still trade in it."""
    return MarketRules(
        settlement_fee_atoms=rules.settlement_fee_atoms,
        funding_fee_ppm=rules.funding_fee_ppm,
        interest_fee_ppm=rules.interest_fee_ppm,
        position_fee_ppm=rules.position_fee_ppm,
        oracle_fee_ppm=rules.oracle_fee_ppm,
        risk_fee_ppm=rules.risk_fee_ppm,
        max_pending=rules.max_pending,
        taker_close_always=rules.taker_close_always,
        maker_close_always=rules.maker_close_always,
        closed=rules.closed,
    )


def protocol_rules(rules: parameters.PerennialParameters) -> ProtocolRules:
    """The protocol's share, and the bounds of what operators may set."""
    return ProtocolRules(
        protocol_fee_ppm=rules.protocol_fee_ppm,
        max_fee_ppm=rules.max_fee_ppm,
        max_fee_atoms=rules.max_fee_absolute_atoms,
        max_cut_ppm=rules.max_cut_ppm,
        max_rate_ppm=rules.max_rate_ppm,
        min_maintenance_ppm=rules.min_maintenance_ppm,
        min_efficiency_ppm=rules.min_efficiency_ppm,
    )
