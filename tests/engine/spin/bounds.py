"""What a Spin venue and its markets may be; the tables are those of `actors/sealing/spin_bounds.py`."""

from fractions import Fraction
from typing import Any

from actors.sealing.spin_bounds import SPIN, SPIN_MARKET
from actors.units import E9
from breakwater.v1 import parameters_pb2
from tests.engine.margin.rows import price_bound
from tests.engine.state import R, Refusal

MAX_MARKET = (1 << 16) - 1
MAX_DECIMALS = 9
TOTAL_BOUND = 1 << 60
INT64_MAX = (1 << 63) - 1


def _bound(bound: int, value: int) -> Refusal:
    return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, min(bound, INT64_MAX), value)


def _outside(bounds: dict[str, tuple[int, int]], message: Any) -> Refusal | None:
    for name, (lowest, highest) in bounds.items():
        value = getattr(message, name)
        if not lowest <= value <= highest:
            return _bound(lowest if value < lowest else highest, value)
    return None


def spin_venue_bounds(venue: parameters_pb2.VenueParameters) -> Refusal | None:
    if venue.asset_decimals > MAX_DECIMALS:
        return _bound(MAX_DECIMALS, venue.asset_decimals)
    return _outside(SPIN, venue.spin)


def spin_market_bounds(market: parameters_pb2.MarketParameters, decimals: int) -> Refusal | None:
    """Numbers in their range, then those that must fit each other (SP-10), then sums that must last (SP-11)."""
    rules, oracle = market.spin, market.oracle
    if market.market > MAX_MARKET:
        return _bound(MAX_MARKET, market.market)
    if (why := _outside(SPIN_MARKET, rules)) is not None:
        return why
    if rules.maker_fee_e9 < -rules.taker_fee_e9:
        return _bound(-rules.taker_fee_e9, rules.maker_fee_e9)
    atoms = Fraction(market.tick_size_e9 * rules.lot_size_e9 * 10**decimals, E9 * E9)
    if atoms != rules.quote_atoms_per_tick_lot:
        return _bound(int(atoms), rules.quote_atoms_per_tick_lot)
    least = min(rules.max_order_lots, rules.max_position_lots)
    for most, value in (
        (rules.open_interest_cap_lots, rules.max_position_lots),
        (rules.open_interest_cap_lots, rules.max_order_lots),
        (least, rules.step_lots),
    ):
        if value > most:
            return _bound(most, value)
    price = price_bound(market)
    if price < 2:
        return _bound(TOTAL_BOUND // (2 * rules.quote_atoms_per_tick_lot), rules.open_interest_cap_lots)
    if (oracle.funding_interval_ms // oracle.tick_interval_ms + 1) * price > INT64_MAX:
        return _bound((INT64_MAX // price - 1) * oracle.tick_interval_ms, oracle.funding_interval_ms)
    return None
