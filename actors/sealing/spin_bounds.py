"""Bounds of Spin venues and markets: inside them every value stays in 64 bits."""

from actors.risk.mark_price import price_bound_ticks
from actors.sealing.bounds import DAY_MS, out_of_bounds, refused_bound
from actors.sealing.margin_bounds import MAX_ASSET_DECIMALS, MAX_MARGIN_MARKET
from actors.sinks import Refused
from actors.units import E9, INT64_MAX, ORDER_LOTS_BOUND, POSITION_LOTS_BOUND, PPM, TOTAL_BOUND
from breakwater.v1 import parameters_pb2 as parameters

# field -> (lowest, highest)
SPIN: dict[str, tuple[int, int]] = {
    "liquidator_reward_e9": (0, E9 // 10),
    "insurance_share_e9": (0, E9 // 10),
    "fund_target_ppm": (0, PPM),
    "fund_target_min_atoms": (0, TOTAL_BOUND - 1),
    "max_orders_per_account": (1, 10_000),
    "notice_ms": (0, 30 * DAY_MS),
}
SPIN_MARKET: dict[str, tuple[int, int]] = {
    "lot_size_e9": (1, 10**6 * E9),
    "quote_atoms_per_tick_lot": (1, 1 << 20),
    "collateral_ratio_e9": (E9 // 100, E9),
    "maker_fee_e9": (-E9 // 100, E9 // 100),
    "taker_fee_e9": (0, E9 // 100),
    "step_lots": (1, ORDER_LOTS_BOUND - 1),
    "min_notional_atoms": (0, 1 << 40),
    "max_order_lots": (1, ORDER_LOTS_BOUND - 1),
    "max_position_lots": (1, POSITION_LOTS_BOUND - 1),
    "open_interest_cap_lots": (1, POSITION_LOTS_BOUND - 1),
    "price_band_ppm": (1, PPM),
    "market_protection_ppm": (1, PPM - 1),
    "funding_cap_e9": (0, E9 // 10),
}


def check_spin(terms: parameters.VenueParameters) -> Refused | None:
    """Why a venue may not have these rules, or None (SP-08, SP-09)."""
    if terms.asset_decimals > MAX_ASSET_DECIMALS:
        return refused_bound(MAX_ASSET_DECIMALS, terms.asset_decimals)
    return out_of_bounds(SPIN, terms.spin)


def check_spin_market(market: parameters.MarketParameters, terms: parameters.VenueParameters) -> Refused | None:
    """Why a Spin market may not be, or None: each number, then those that must fit each other (SP-02, SP-10, SP-11)."""
    rules = market.spin
    if market.market > MAX_MARGIN_MARKET:
        return refused_bound(MAX_MARGIN_MARKET, market.market)
    refused = out_of_bounds(SPIN_MARKET, rules)
    if refused:
        return refused
    # SP-10: what a maker is given is what its taker pays, never more.
    if rules.maker_fee_e9 < -rules.taker_fee_e9:
        return refused_bound(-rules.taker_fee_e9, rules.maker_fee_e9)
    # Price in ticks * size in lots is a whole number of atoms, exact.
    atoms_e18 = market.tick_size_e9 * rules.lot_size_e9 * 10**terms.asset_decimals
    if atoms_e18 != rules.quote_atoms_per_tick_lot * E9 * E9:
        return refused_bound(atoms_e18 // (E9 * E9), rules.quote_atoms_per_tick_lot)
    if rules.max_position_lots > rules.open_interest_cap_lots:
        return refused_bound(rules.open_interest_cap_lots, rules.max_position_lots)
    if rules.max_order_lots > rules.open_interest_cap_lots:
        return refused_bound(rules.open_interest_cap_lots, rules.max_order_lots)
    if rules.step_lots > min(rules.max_order_lots, rules.max_position_lots):
        return refused_bound(min(rules.max_order_lots, rules.max_position_lots), rules.step_lots)
    return _check_sums(market)


def _check_sums(market: parameters.MarketParameters) -> Refused | None:
    """A price there is room for, and an epoch whose mids have a sum."""
    rules, oracle = market.spin, market.oracle
    bound_ticks = price_bound_ticks(market)
    if bound_ticks < 2:
        return refused_bound(TOTAL_BOUND // (2 * rules.quote_atoms_per_tick_lot), rules.open_interest_cap_lots)
    samples = oracle.funding_interval_ms // oracle.tick_interval_ms + 1
    if samples * bound_ticks > INT64_MAX:
        highest_interval_ms = (INT64_MAX // bound_ticks - 1) * oracle.tick_interval_ms
        return refused_bound(highest_interval_ms, oracle.funding_interval_ms)
    return None
