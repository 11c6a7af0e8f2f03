"""What a Perennial venue and its markets may be; the tables are those of `actors/sealing/perennial_bounds.py`."""

from typing import Any

from actors.risk.perennial_terms import market_rules, protocol_rules, risk_rules
from actors.rulebooks.perennial_bounds import first_market_offence, first_protocol_offence, first_risk_offence
from actors.sealing.perennial_bounds import PERENNIAL, PERENNIAL_MARKET
from breakwater.v1 import parameters_pb2
from tests.engine.state import R, Refusal

MAX_MARKET = (1 << 16) - 1
DECIMALS, TICK_SIZE_E9 = 6, 1_000


def _bound(bound: int, value: int) -> Refusal:
    return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, bound, value)


def _outside(bounds: dict[str, tuple[int, int]], message: Any) -> Refusal | None:
    for name, (lowest, highest) in bounds.items():
        value = getattr(message, name)
        if not lowest <= value <= highest:
            return _bound(lowest if value < lowest else highest, value)
    return None


def perennial_venue_bounds(venue: parameters_pb2.VenueParameters) -> Refusal | None:
    if venue.asset_decimals != DECIMALS:
        return _bound(DECIMALS, venue.asset_decimals)
    if (why := _outside(PERENNIAL, venue.perennial)) is not None:
        return why
    offence = first_protocol_offence(protocol_rules(venue.perennial))
    return _bound(offence.bound, offence.value) if offence else None


def perennial_market_bounds(
    market: parameters_pb2.MarketParameters, venue: parameters_pb2.VenueParameters
) -> Refusal | None:
    """Ranges, the protocol's bounds, then the floor of the liquidation fee against its cap (PE-09, PE-16)."""
    if market.market > MAX_MARKET:
        return _bound(MAX_MARKET, market.market)
    if market.tick_size_e9 != TICK_SIZE_E9:
        return _bound(TICK_SIZE_E9, market.tick_size_e9)
    if (why := _outside(PERENNIAL_MARKET, market.perennial)) is not None:
        return why
    risk, protocol = risk_rules(market.perennial), protocol_rules(venue.perennial)
    offence = first_risk_offence(risk, protocol, exact=True) or first_market_offence(
        market_rules(market.perennial), protocol
    )
    if offence is not None:
        return _bound(offence.bound, offence.value)
    least, most = risk.min_liquidation_fee_atoms, risk.max_liquidation_fee_atoms
    if least > most and not venue.perennial.v2_exact:
        return Refusal(R.REFUSAL_FEE_FLOOR_ABOVE_CAP, most, least)
    return None
