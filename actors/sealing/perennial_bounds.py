"""Bounds of Perennial venues and markets: the protocol's of PE-16 by the rulebook, and what keeps numbers in range."""

from actors.risk.perennial_terms import market_rules, protocol_rules, risk_rules
from actors.rulebooks.perennial_bounds import (
    Offence,
    first_market_offence,
    first_protocol_offence,
    first_risk_offence,
)
from actors.sealing.bounds import DAY_MS, out_of_bounds, refused_bound
from actors.sealing.margin_bounds import MAX_MARGIN_MARKET
from actors.sinks import Refused
from actors.units import POSITION_LOTS_BOUND, PPM
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals

# Everything is in millionths: a tick of the price and an atom of the asset too.
TICK_SIZE_E9 = 1_000
ASSET_DECIMALS = 6
MAX_ATOMS = 1 << 50
MAX_RATE_PPM = 1_000 * PPM
YEAR_US = 365 * DAY_MS * 1_000

# field -> (lowest, highest)
PERENNIAL: dict[str, tuple[int, int]] = {
    "protocol_fee_ppm": (0, PPM),
    "max_fee_ppm": (0, PPM),
    "max_fee_absolute_atoms": (0, MAX_ATOMS),
    "max_cut_ppm": (0, PPM),
    "max_rate_ppm": (0, MAX_RATE_PPM),
    "min_maintenance_ppm": (0, PPM),
    "min_efficiency_ppm": (0, PPM),
    "notice_ms": (0, 30 * DAY_MS),
}
# What the protocol's bounds leave open on one side.
PERENNIAL_MARKET: dict[str, tuple[int, int]] = {
    # A requirement of more than 7 times the largest notional would leave 64 bits.
    "maintenance_ppm": (0, 7 * PPM),
    "efficiency_limit_ppm": (0, PPM),
    "maker_limit_lots": (0, POSITION_LOTS_BOUND - 1),
    "virtual_taker_lots": (0, POSITION_LOTS_BOUND - 1),
    "controller_k_e6": (1, YEAR_US),
    "stale_after_ms": (1, 30 * DAY_MS),
    "max_pending": (1, 64),
    "max_pending_versions": (1, 64),
    "version_ms": (1, DAY_MS),
    "grace_ms": (0, DAY_MS),
}


def check_perennial(terms: parameters.VenueParameters) -> Refused | None:
    """Why a venue may not have these rules, or None (PE-13a, PE-16)."""
    if terms.asset_decimals != ASSET_DECIMALS:
        return refused_bound(ASSET_DECIMALS, terms.asset_decimals)
    offence = first_protocol_offence(protocol_rules(terms.perennial))
    return out_of_bounds(PERENNIAL, terms.perennial) or _refused(offence)


def check_perennial_market(market: parameters.MarketParameters, terms: parameters.VenueParameters) -> Refused | None:
    """Why a Perennial market may not be, or None: ranges, the protocol's bounds, floor and cap (PE-09, PE-16)."""
    if market.market > MAX_MARGIN_MARKET:
        return refused_bound(MAX_MARGIN_MARKET, market.market)
    if market.tick_size_e9 != TICK_SIZE_E9:
        return refused_bound(TICK_SIZE_E9, market.tick_size_e9)
    refused = out_of_bounds(PERENNIAL_MARKET, market.perennial)
    if refused:
        return refused
    risk, protocol = risk_rules(market.perennial), protocol_rules(terms.perennial)
    offence = first_risk_offence(risk, protocol, exact=True)
    offence = offence or first_market_offence(market_rules(market.perennial), protocol)
    if offence:
        return _refused(offence)
    floor = first_risk_offence(risk, protocol, exact=terms.perennial.v2_exact)
    return Refused(refusals.REFUSAL_FEE_FLOOR_ABOVE_CAP, floor.bound, floor.value) if floor else None


def _refused(offence: Offence | None) -> Refused | None:
    return refused_bound(offence.bound, offence.value) if offence else None
