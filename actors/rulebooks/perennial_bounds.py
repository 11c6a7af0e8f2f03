"""What the operator of a Perennial market may set: every field against the protocol's bounds, in a fixed order."""

from typing import NamedTuple

from actors.rulebooks.perennial import MarketRules, ProtocolRules, RiskRules
from actors.units import PPM


class Offence(NamedTuple):
    """The first field out of bounds, the bound it breaks and its value, both in the field's own unit."""

    name: str
    bound: int
    value: int


def first_risk_offence(risk: RiskRules, protocol: ProtocolRules, exact: bool = False) -> Offence | None:
    """The first of the risk parameters that may not be so, None where all may (PE-16).

    Floors above caps are refused unless `exact` (PE-09). k is above zero, or no version could ever be settled.
    """
    at_most = (
        ("taker_fee_ppm", risk.taker_fee_ppm, protocol.max_fee_ppm),
        ("taker_skew_ppm", risk.taker_skew_ppm, protocol.max_fee_ppm),
        ("taker_impact_ppm", risk.taker_impact_ppm, protocol.max_fee_ppm),
        ("maker_fee_ppm", risk.maker_fee_ppm, protocol.max_fee_ppm),
        ("maker_impact_ppm", risk.maker_impact_ppm, protocol.max_fee_ppm),
        ("min_liquidation_fee_atoms", risk.min_liquidation_fee_atoms, protocol.max_fee_atoms),
        ("max_liquidation_fee_atoms", risk.max_liquidation_fee_atoms, protocol.max_fee_atoms),
        ("min_maintenance_atoms", risk.min_maintenance_atoms, protocol.max_fee_atoms),
        ("liquidation_fee_ppm", risk.liquidation_fee_ppm, protocol.max_cut_ppm),
        ("min_rate_ppm", risk.curve.min_rate_ppm, protocol.max_rate_ppm),
        ("target_rate_ppm", risk.curve.target_rate_ppm, protocol.max_rate_ppm),
        ("max_rate_ppm", risk.curve.max_rate_ppm, protocol.max_rate_ppm),
        ("controller_max_rate_ppm", risk.controller.max_rate_ppm, protocol.max_rate_ppm),
        ("target_utilisation_ppm", risk.curve.target_utilisation_ppm, PPM),
        ("min_liquidation_fee_atoms", risk.min_liquidation_fee_atoms, risk.min_maintenance_atoms),
    )
    at_least = (
        ("maintenance_ppm", risk.maintenance_ppm, protocol.min_maintenance_ppm),
        ("efficiency_limit_ppm", risk.efficiency_limit_ppm, protocol.min_efficiency_ppm),
        ("k_us", risk.controller.k_us, 1),
        ("maker_limit_lots", risk.maker_limit_lots, 0),
        ("virtual_taker_lots", risk.virtual_taker_lots, 0),
        ("stale_after_ms", risk.stale_after_ms, 1),
    )
    offence = _first_outside(at_most, at_least)
    if offence is None and not exact and risk.min_liquidation_fee_atoms > risk.max_liquidation_fee_atoms:
        return Offence("min_liquidation_fee_atoms", risk.max_liquidation_fee_atoms, risk.min_liquidation_fee_atoms)
    return offence


def first_market_offence(market: MarketRules, protocol: ProtocolRules) -> Offence | None:
    """The first of the fees and shares that may not be so, None where all may (PE-16)."""
    at_most = (
        ("settlement_fee_atoms", market.settlement_fee_atoms, protocol.max_fee_atoms),
        ("funding_fee_ppm", market.funding_fee_ppm, protocol.max_cut_ppm),
        ("interest_fee_ppm", market.interest_fee_ppm, protocol.max_cut_ppm),
        ("position_fee_ppm", market.position_fee_ppm, protocol.max_cut_ppm),
        ("oracle_fee_ppm", market.oracle_fee_ppm, PPM),
        ("risk_fee_ppm", market.risk_fee_ppm, PPM - market.oracle_fee_ppm),
    )
    return _first_outside(at_most, (("max_pending", market.max_pending, 1),))


def first_protocol_offence(protocol: ProtocolRules) -> Offence | None:
    """The first of the protocol's own numbers that may not be so, None where all may (PE-16)."""
    at_most = (
        ("max_cut_ppm", protocol.max_cut_ppm, PPM),
        ("protocol_fee_ppm", protocol.protocol_fee_ppm, protocol.max_cut_ppm),
    )
    not_negative = (
        ("max_fee_ppm", protocol.max_fee_ppm, 0),
        ("max_fee_atoms", protocol.max_fee_atoms, 0),
        ("max_rate_ppm", protocol.max_rate_ppm, 0),
        ("min_maintenance_ppm", protocol.min_maintenance_ppm, 0),
        ("min_efficiency_ppm", protocol.min_efficiency_ppm, 0),
    )
    return _first_outside(at_most, not_negative)


def _first_outside(
    at_most: tuple[tuple[str, int, int], ...], at_least: tuple[tuple[str, int, int], ...]
) -> Offence | None:
    """The first field below zero or above its bound, then the first below its bound."""
    for name, value, bound in at_most:
        if value < 0:
            return Offence(name, 0, value)
        if value > bound:
            return Offence(name, bound, value)
    return next((Offence(name, bound, value) for name, value, bound in at_least if value < bound), None)
