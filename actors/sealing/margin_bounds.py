"""Bounds of Margin Trade venues and markets: inside them every product of the rulebook stays in 64 bits."""

from collections.abc import Sequence
from itertools import pairwise
from math import lcm

from actors.risk.mark_price import price_bound_ticks
from actors.risk.tiers import RATE_NUMERATOR_MAX, Tiers, tier_of, tiers_of
from actors.sealing.bounds import DAY_MS, out_of_bounds, refused_bound
from actors.sinks import Refused
from actors.units import E9, ORDER_LOTS_BOUND, POSITION_LOTS_BOUND, PPM, TOTAL_BOUND
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

# Positions are keyed account << 16 | market.
MAX_MARGIN_MARKET = (1 << 16) - 1
MAX_ASSET_DECIMALS = 9
MAX_TIERS = 8
MAX_LEVERAGE = 100

# field -> (lowest, highest)
MARGIN_TRADE: dict[str, tuple[int, int]] = {
    "partial_threshold_atoms": (0, TOTAL_BOUND - 1),
    "partial_fraction_ppm": (1, PPM),
    "cooldown_ms": (0, DAY_MS),
    "backstop_numerator": (0, RATE_NUMERATOR_MAX),
    "backstop_denominator": (1, RATE_NUMERATOR_MAX),
    "ladder_rounds": (1, 64),
    "deleverage_policy": (common.DELEVERAGE_POLICY_QUEUE, common.DELEVERAGE_POLICY_PRO_RATA_PROFIT),
    "deleverage_price": (common.DELEVERAGE_PRICE_BANKRUPTCY, common.DELEVERAGE_PRICE_PREVIOUS_MARK),
    "vault_lock_ms": (0, 365 * DAY_MS),
    "vault_max_leverage_hundredths": (1, 100 * MAX_LEVERAGE),
    "vault_loss_limit_ppm": (0, PPM),
    "notice_ms": (0, 30 * DAY_MS),
    "max_orders_per_account": (1, 10_000),
}
MARGIN_TRADE_MARKET: dict[str, tuple[int, int]] = {
    "lot_size_e9": (1, 10**6 * E9),
    "quote_atoms_per_tick_lot": (1, 1 << 20),
    "maker_fee_e9": (0, E9 // 100),
    "taker_fee_e9": (0, E9 // 100),
    "liquidation_fee_e9": (0, E9 // 10),
    "min_notional_atoms": (0, 1 << 40),
    "max_order_lots": (1, ORDER_LOTS_BOUND - 1),
    "open_interest_cap_lots": (1, POSITION_LOTS_BOUND - 1),
    "price_band_ppm": (1, PPM),
    "market_protection_ppm": (1, PPM - 1),
    "impact_notional_atoms": (1, 1 << 50),
    "interest_rate_e9": (-E9 // 100, E9 // 100),
    "interest_clamp_e9": (0, E9 // 10),
    "funding_cap_e9": (0, E9 // 10),
    "unwind_step_ms": (1, DAY_MS),
    "unwind_fraction_ppm": (1, PPM),
    "unwind_full_lots": (0, POSITION_LOTS_BOUND - 1),
    "unwind_depth_ppm": (1, PPM),
    "unwind_slippage_ppm": (0, PPM - 1),
}


def check_margin_trade(rules: parameters.MarginTradeParameters) -> Refused | None:
    """Why a venue may not have these rules, or None. The backstop is a part of the maintenance margin (MT-11)."""
    refused = out_of_bounds(MARGIN_TRADE, rules)
    if refused is None and rules.backstop_numerator > rules.backstop_denominator:
        return refused_bound(rules.backstop_denominator, rules.backstop_numerator)
    return refused


def check_margin_market(market: parameters.MarketParameters, asset_decimals: int) -> Refused | None:
    """Why a Margin Trade market may not be, or None: rates, tiers, and numbers that fit together."""
    rules = market.margin_trade
    if market.market > MAX_MARGIN_MARKET:
        return refused_bound(MAX_MARGIN_MARKET, market.market)
    refused = out_of_bounds(MARGIN_TRADE_MARKET, rules) or check_tiers(rules.tiers)
    if refused:
        return refused
    # MT-01: price in ticks * size in lots is a whole number of atoms, exact.
    atoms_e18 = market.tick_size_e9 * rules.lot_size_e9 * 10**asset_decimals
    if atoms_e18 != rules.quote_atoms_per_tick_lot * E9 * E9:
        return refused_bound(atoms_e18 // (E9 * E9), rules.quote_atoms_per_tick_lot)
    if rules.max_order_lots > rules.open_interest_cap_lots:
        return refused_bound(rules.open_interest_cap_lots, rules.max_order_lots)
    if price_bound_ticks(market) < 2:
        return refused_bound(TOTAL_BOUND // (2 * rules.quote_atoms_per_tick_lot), rules.open_interest_cap_lots)
    return None


def check_tiers(tiers: Sequence[parameters.MarginTier]) -> Refused | None:
    """Why these tiers may not be, or None: lowers ascend from 0, leverages fall, rates fit in 64 bits (MT-03)."""
    if not 0 < len(tiers) <= MAX_TIERS:
        return refused_bound(MAX_TIERS if tiers else 1, len(tiers))
    if tiers[0].lower_notional_atoms != 0:
        return refused_bound(0, tiers[0].lower_notional_atoms)
    if not 1 <= tiers[0].max_leverage <= MAX_LEVERAGE:
        return refused_bound(MAX_LEVERAGE if tiers[0].max_leverage > 1 else 1, tiers[0].max_leverage)
    for before, tier in pairwise(tiers):
        if not before.lower_notional_atoms < tier.lower_notional_atoms < TOTAL_BOUND:
            low, high = before.lower_notional_atoms + 1, TOTAL_BOUND - 1
            return refused_bound(low if tier.lower_notional_atoms < low else high, tier.lower_notional_atoms)
        if not 1 <= tier.max_leverage < before.max_leverage:
            return refused_bound(1 if tier.max_leverage < 1 else before.max_leverage - 1, tier.max_leverage)
    divisor = lcm(*(2 * tier.max_leverage for tier in tiers))
    highest = RATE_NUMERATOR_MAX * 2 * tiers[-1].max_leverage
    return refused_bound(highest, divisor) if divisor > highest else None


def tiers_in_force(market: parameters.MarketParameters) -> Tiers:
    """The tiers of a market that has passed its check."""
    return tiers_of([(tier.lower_notional_atoms, tier.max_leverage) for tier in market.margin_trade.tiers])


def raises_margin(current: Tiers, wanted: Tiers) -> bool:
    """Whether the wanted tiers ask for more maintenance at any notional; exact, before rounding.

    Between the lower bounds of both the difference is linear, so only those and the largest notional are asked.
    """
    notionals = (*current.lowers_atoms, *wanted.lowers_atoms, TOTAL_BOUND)
    return any(_required(wanted, at) * current.divisor > _required(current, at) * wanted.divisor for at in notionals)


def _required(tiers: Tiers, notional_atoms: int) -> int:
    """Maintenance times the divisor."""
    tier = tier_of(notional_atoms, tiers)
    return notional_atoms * tiers.rates[tier] - tiers.deductions[tier]
