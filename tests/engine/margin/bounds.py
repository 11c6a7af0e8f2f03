"""What a Margin Trade venue and its markets may be; the tables are those of `actors/sealing/margin_bounds.py`."""

from collections.abc import Sequence
from fractions import Fraction
from math import lcm
from typing import Any

from actors.sealing.margin_bounds import MARGIN_TRADE, MARGIN_TRADE_MARKET
from actors.units import E9
from breakwater.v1 import parameters_pb2
from tests.engine.margin.rows import price_bound
from tests.engine.state import R, Refusal

MAX_MARKET = (1 << 16) - 1
MAX_DECIMALS = 9
MAX_TIERS, MAX_LEVERAGE = 8, 100
TOTAL_BOUND = 1 << 60
LARGEST_RATE = 7

Tiers = Sequence[parameters_pb2.MarginTier]


def _bound(bound: int, value: int) -> Refusal:
    return Refusal(R.REFUSAL_PARAMETER_OUT_OF_BOUNDS, bound, value)


def _outside(bounds: dict[str, tuple[int, int]], message: Any) -> Refusal | None:
    for name, (lowest, highest) in bounds.items():
        value = getattr(message, name)
        if not lowest <= value <= highest:
            return _bound(lowest if value < lowest else highest, value)
    return None


def margin_venue_bounds(venue: parameters_pb2.VenueParameters) -> Refusal | None:
    rules = venue.margin_trade
    if venue.asset_decimals > MAX_DECIMALS:
        return _bound(MAX_DECIMALS, venue.asset_decimals)
    if (why := _outside(MARGIN_TRADE, rules)) is not None:
        return why
    if rules.backstop_numerator > rules.backstop_denominator:
        return _bound(rules.backstop_denominator, rules.backstop_numerator)
    return None


def margin_market_bounds(market: parameters_pb2.MarketParameters, decimals: int) -> Refusal | None:
    """Numbers in their range, tiers, and a lot at a tick that is worth whole atoms."""
    rules = market.margin_trade
    if market.market > MAX_MARKET:
        return _bound(MAX_MARKET, market.market)
    why = _outside(MARGIN_TRADE_MARKET, rules) or _tier_bounds(rules.tiers)
    if why is not None:
        return why
    atoms = Fraction(market.tick_size_e9 * rules.lot_size_e9 * 10**decimals, E9 * E9)
    if atoms != rules.quote_atoms_per_tick_lot:
        return _bound(int(atoms), rules.quote_atoms_per_tick_lot)
    if rules.max_order_lots > rules.open_interest_cap_lots:
        return _bound(rules.open_interest_cap_lots, rules.max_order_lots)
    if price_bound(market) < 2:
        return _bound(TOTAL_BOUND // (2 * rules.quote_atoms_per_tick_lot), rules.open_interest_cap_lots)
    return None


def _tier_bounds(tiers: Tiers) -> Refusal | None:
    """From 0 upwards with leverages that fall, and rates whose common divisor is small."""
    if not 1 <= len(tiers) <= MAX_TIERS:
        return _bound(MAX_TIERS if tiers else 1, len(tiers))
    if tiers[0].lower_notional_atoms:
        return _bound(0, tiers[0].lower_notional_atoms)
    most = MAX_LEVERAGE
    for place, tier in enumerate(tiers):
        least = tiers[place - 1].lower_notional_atoms + 1 if place else 0
        if not least <= tier.lower_notional_atoms < TOTAL_BOUND:
            low = tier.lower_notional_atoms < least
            return _bound(least if low else TOTAL_BOUND - 1, tier.lower_notional_atoms)
        if not 1 <= tier.max_leverage <= most:
            return _bound(1 if tier.max_leverage < 1 else most, tier.max_leverage)
        most = tier.max_leverage - 1
    divisor = lcm(*(2 * tier.max_leverage for tier in tiers))
    highest = LARGEST_RATE * 2 * tiers[-1].max_leverage
    return _bound(highest, divisor) if divisor > highest else None


def raises_margin(now: Tiers, wanted: Tiers) -> bool:
    """More maintenance at any notional: between the bounds of both the difference is a line."""
    asked = {tier.lower_notional_atoms for tier in (*now, *wanted)} | {TOTAL_BOUND}
    return any(_required(wanted, notional) > _required(now, notional) for notional in asked)


def _required(tiers: Tiers, notional: int) -> Fraction:
    total = Fraction(0)
    for place, tier in enumerate(tiers):
        upper = tiers[place + 1].lower_notional_atoms if place + 1 < len(tiers) else notional
        part = max(0, min(notional, upper) - tier.lower_notional_atoms)
        total += Fraction(part, 2 * tier.max_leverage)
    return total
