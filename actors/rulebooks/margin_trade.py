"""Margin Trade: cross-margin linear perpetuals on an order book, in the integers the state is kept in.

atoms are 1e-6 USDC, prices whole ticks, sizes whole lots, and k = `quote_atoms_per_tick_lot` makes lots * ticks * k a
whole number of atoms, exact. A position is (lots, cost_atoms): lots above zero are long and cost what was paid, lots
below zero are short and cost minus what was received. Leverage is a whole number, rates are fractions in 1e-9. Sides
are LONG = 1 (buy) and SHORT = -1 (sell). Requirements are rounded up, equity is exact. `margin_trade_exact` is the
same in rationals and is the specification of this file.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from actors.risk.tiers import Tiers, tier_of
from actors.units import (
    E9,
    LONG,
    PPM,
    PRICE_BOUND,
    SHORT,
    div_ceil,
    div_floor,
    div_half_away,
    mul_div_ceil,
    mul_div_floor,
    mul_div_half_away,
)

USDC_ATOMS = 10**6
MICRO_SHARES = 10**6
BOOTSTRAP_ATOMS_PER_SHARE = USDC_ATOMS

RATIO_ONE_Q30 = 1 << 30
RATIO_BOUND_Q30 = 1 << 62

FUNDING_HOURS = 8


@dataclass(frozen=True, slots=True)
class MarginTradeParameters:
    """What an operator of a Margin Trade venue may set. Rates are 1e-9 fractions, shares of something ppm."""

    taker_fee_e9: int = 450_000
    maker_fee_e9: int = 150_000
    min_notional_atoms: int = 10 * USDC_ATOMS
    price_band_ppm: int = 950_000
    protection_ppm: int = 50_000
    withdrawal_floor_ppm: int = 100_000
    interest_8h_e9: int = 100_000
    funding_clamp_e9: int = 500_000
    funding_cap_hourly_e9: int = 40_000_000
    backstop_numerator: int = 2
    backstop_denominator: int = 3
    partial_liquidation: bool = True
    partial_threshold_atoms: int = 100_000 * USDC_ATOMS
    partial_ppm: int = 200_000
    partial_cooldown_ms: int = 30_000
    liquidation_fee_e9: int = 5_000_000


def value_atoms(lots: int, price_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """What these lots are worth at a price, signed like the lots, exact (MT-01)."""
    return lots * price_ticks * quote_atoms_per_tick_lot


def notional_atoms(lots: int, price_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """The absolute value of a position or an order at a price, exact (MT-01)."""
    return abs(lots) * price_ticks * quote_atoms_per_tick_lot


def maintenance_margin_ceil_atoms(notional_atoms: int, tiers: Tiers) -> int:
    """MM = notional * rate - deduction of the notional's tier, rounded up (MT-03)."""
    tier = tier_of(notional_atoms, tiers)
    return div_ceil(notional_atoms * tiers.rates[tier] - tiers.deductions[tier], tiers.divisor)


def initial_margin_ceil_atoms(notional_atoms: int, leverage: int, tiers: Tiers) -> int:
    """IM = max(ceil(notional / leverage), 2 * MM), the leverage being the account's choice in this market (MT-02)."""
    return max(div_ceil(notional_atoms, leverage), 2 * maintenance_margin_ceil_atoms(notional_atoms, tiers))


def side_hold_ceil_atoms(
    position_lots: int,
    side: int,
    order_lots: int,
    order_value_atoms: int,
    adverse_atoms: int,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    leverage: int,
    tiers: Tiers,
    taker_fee_e9: int,
) -> int:
    """What all resting orders of one side of one market hold, rounded up; 0 while they can only reduce (MT-02).

    order_lots, order_value_atoms and adverse_atoms are sums over the orders of that side that are not reduce-only:
    lots left, lots * limit * k, and `adverse_atoms` of each. The lots that first close an opposite position hold
    nothing; the rest holds the initial margin it adds on top of the position, the highest fee and what filling at
    the limits would lose at the mark at once.
    """
    increase = increasing_lots(position_lots, side, order_lots)
    if increase == 0:
        return 0
    before = notional_atoms(position_lots, mark_ticks, quote_atoms_per_tick_lot)
    after = before + notional_atoms(increase, mark_ticks, quote_atoms_per_tick_lot)
    added = initial_margin_ceil_atoms(after, leverage, tiers) - initial_margin_ceil_atoms(before, leverage, tiers)
    return added + trading_fee_ceil_atoms(order_value_atoms, taker_fee_e9) + adverse_atoms


def increasing_lots(position_lots: int, side: int, order_lots: int) -> int:
    """The lots of an order that are left after it has closed an opposite position (MT-02)."""
    _assert_side(side)
    return order_lots - min(order_lots, max(0, -side * position_lots))


def adverse_atoms(side: int, limit_ticks: int, mark_ticks: int, order_lots: int, quote_atoms_per_tick_lot: int) -> int:
    """What an order filled at its limit would lose against the mark at once, exact, never negative (MT-02)."""
    _assert_side(side)
    return max(0, side * (limit_ticks - mark_ticks)) * order_lots * quote_atoms_per_tick_lot


def market_hold_atoms(buy_hold_atoms: int, sell_hold_atoms: int) -> int:
    """The hold of one market: only one side can increase the position, so the larger (MT-02)."""
    return max(buy_hold_atoms, sell_hold_atoms)


def trading_fee_ceil_atoms(quote_atoms: int, rate_e9: int) -> int:
    """Fee on the quote of a fill, whatever its sign, rounded up: the user pays."""
    return mul_div_ceil(abs(quote_atoms), rate_e9, E9)


def liquidation_fee_ceil_atoms(received_atoms: int, bankruptcy_received_atoms: int, rate_e9: int) -> int:
    """What the insurance fund gets of a liquidation fill: a fee rounded up, only from equity above zero (MT-16a).

    Both quotes are what the closing account receives (below zero: pays) for the lots of this fill; never negative.
    """
    better = received_atoms - bankruptcy_received_atoms
    return max(0, min(trading_fee_ceil_atoms(received_atoms, rate_e9), better))


def insurance_delta_atoms(received_atoms: int, bankruptcy_received_atoms: int, rate_e9: int) -> int:
    """What a liquidation fill gives to (above zero) or takes from the insurance fund (MT-16a).

    A fill worse than bankruptcy costs the fund the whole difference.
    """
    better = received_atoms - bankruptcy_received_atoms
    return better if better < 0 else liquidation_fee_ceil_atoms(received_atoms, bankruptcy_received_atoms, rate_e9)


def premium_half_away_e9(impact_bid_ticks: int, impact_ask_ticks: int, oracle_ticks: int) -> int:
    """(max(impact bid - oracle, 0) - max(oracle - impact ask, 0)) / oracle, half away from zero (MT-10)."""
    above = max(impact_bid_ticks - oracle_ticks, 0)
    below = max(oracle_ticks - impact_ask_ticks, 0)
    return mul_div_half_away(above - below, E9, oracle_ticks)


def mid_premium_half_away_e9(impact_bid_ticks: int, impact_ask_ticks: int, oracle_ticks: int) -> int:
    """(impact bid + impact ask) / 2 / oracle - 1, half away from zero: the other formula in use elsewhere (MT-10)."""
    return mul_div_half_away(impact_bid_ticks + impact_ask_ticks - 2 * oracle_ticks, E9, 2 * oracle_ticks)


def funding_rate_8h_e9(premium_e9: int, interest_8h_e9: int, clamp_e9: int) -> int:
    """F = P + clamp(interest - P, -clamp, clamp) over eight hours, exact (MT-10)."""
    return premium_e9 + max(-clamp_e9, min(clamp_e9, interest_8h_e9 - premium_e9))


def funding_rate_hourly_e9(premium_e9: int, interest_8h_e9: int, clamp_e9: int, cap_hourly_e9: int) -> int:
    """F / 8, half away from zero, cut to the cap on both sides: what one boundary charges (MT-10)."""
    hourly = div_half_away(funding_rate_8h_e9(premium_e9, interest_8h_e9, clamp_e9), FUNDING_HOURS)
    return max(-cap_hourly_e9, min(cap_hourly_e9, hourly))


def funding_payment_atoms(lots: int, oracle_ticks: int, quote_atoms_per_tick_lot: int, rate_e9: int) -> int:
    """What a position pays at a funding boundary on its oracle notional, negative when it receives (MT-10).

    A payer is rounded up and a receiver down; the odd atom goes to the insurance fund.
    """
    return mul_div_ceil(value_atoms(lots, oracle_ticks, quote_atoms_per_tick_lot), rate_e9, E9)


def upnl_atoms(lots: int, cost_atoms: int, mark_ticks: int, quote_atoms_per_tick_lot: int) -> int:
    """Value at the mark less cost, exact (MT-01)."""
    return value_atoms(lots, mark_ticks, quote_atoms_per_tick_lot) - cost_atoms


class PositionAtMark(NamedTuple):
    """One position as the scan sees it; `fresh` is false where the market's mark is stale."""

    lots: int
    cost_atoms: int
    mark_ticks: int
    quote_atoms_per_tick_lot: int
    tiers: Tiers
    leverage: int
    accrued_funding_atoms: int = 0
    fresh: bool = True


class Health(NamedTuple):
    """An account's sums over its markets, atoms."""

    equity_atoms: int
    maintenance_atoms: int
    initial_atoms: int
    notional_atoms: int


def account_health(balance_atoms: int, positions: Iterable[PositionAtMark]) -> Health:
    """Equity = balance + sum uPnL - accrued funding; requirements are sums over the markets (MT-01, MT-02, MT-03).

    A gain at a stale mark counts as zero, a loss counts.
    """
    equity, maintenance, initial, gross = balance_atoms, 0, 0, 0
    for position in positions:
        upnl = upnl_atoms(position.lots, position.cost_atoms, position.mark_ticks, position.quote_atoms_per_tick_lot)
        notional = notional_atoms(position.lots, position.mark_ticks, position.quote_atoms_per_tick_lot)
        equity += (upnl if position.fresh else min(0, upnl)) - position.accrued_funding_atoms
        maintenance += maintenance_margin_ceil_atoms(notional, position.tiers)
        initial += initial_margin_ceil_atoms(notional, position.leverage, position.tiers)
        gross += notional
    return Health(equity, maintenance, initial, gross)


class Rung(IntEnum):
    """The stage of the ladder an account's numbers call for."""

    HEALTHY = 0
    LIQUIDATABLE = 1
    BACKSTOP = 2


def rung_due(equity_atoms: int, maintenance_atoms: int, backstop_numerator: int, backstop_denominator: int) -> Rung:
    """equity < MM, strict, is liquidatable; equity < backstop * MM, strict, goes to the vault (MT-11)."""
    if equity_atoms * backstop_denominator < maintenance_atoms * backstop_numerator:
        return Rung.BACKSTOP
    return Rung.LIQUIDATABLE if equity_atoms < maintenance_atoms else Rung.HEALTHY


def ratio_floor_q30(equity_atoms: int, maintenance_atoms: int) -> int:
    """equity / MM in 1/2**30, rounded down: the order in which the ladder takes accounts, worst first (MT-13).

    Cut to +-RATIO_BOUND_Q30, where an account without a requirement lies too. Decisions never use it.
    """
    if maintenance_atoms == 0:
        return RATIO_BOUND_Q30 if equity_atoms >= 0 else -RATIO_BOUND_Q30
    ratio = mul_div_floor(equity_atoms, RATIO_ONE_Q30, maintenance_atoms)
    return max(-RATIO_BOUND_Q30, min(RATIO_BOUND_Q30, ratio))


def partial_lots_ceil(position_lots: int, notional_atoms: int, parameters: MarginTradeParameters) -> int:
    """The lots one rung-1 order sends, unsigned: above the threshold a share rounded up, else all (MT-12, MT-18)."""
    size = abs(position_lots)
    if not parameters.partial_liquidation or notional_atoms <= parameters.partial_threshold_atoms:
        return size
    return mul_div_ceil(size, parameters.partial_ppm, PPM)


class PartialMemory(NamedTuple):
    """What the shard keeps of an account's last partial: the end of its cooldown and the pair right after it."""

    cooldown_until_ms: int
    equity_atoms: int
    maintenance_atoms: int


def rung_one_lots_ceil(
    position_lots: int,
    notional_atoms: int,
    equity_atoms: int,
    maintenance_atoms: int,
    now_ms: int,
    last_partial: PartialMemory | None,
    parameters: MarginTradeParameters,
) -> int:
    """The lots a rung-1 order sends now, unsigned; 0 means wait (MT-12).

    Inside a cooldown (now < its end) it is the whole position, and only if equity/MM is strictly below the pair kept
    from right after the partial; after it, and without one, `partial_lots_ceil`.
    """
    if last_partial is None or now_ms >= last_partial.cooldown_until_ms or not parameters.partial_liquidation:
        return partial_lots_ceil(position_lots, notional_atoms, parameters)
    worse = equity_atoms * last_partial.maintenance_atoms < last_partial.equity_atoms * maintenance_atoms
    return abs(position_lots) if worse else 0


def liquidation_price_estimate_ticks(
    lots: int,
    mark_ticks: int,
    quote_atoms_per_tick_lot: int,
    equity_atoms: int,
    maintenance_atoms: int,
    tiers: Tiers,
) -> int | None:
    """price - side * (equity - MM) / size / (1 - l * side), l the rate of the position's tier, for people (MT-17).

    equity and MM are the account's. Rounded towards the mark of a healthy account (long up, short down), so it never
    promises room that is not there. None without a position or where no positive price liquidates it.
    """
    if lots == 0:
        return None
    side = LONG if lots > 0 else SHORT
    per_tick = abs(lots) * quote_atoms_per_tick_lot
    tier = tier_of(per_tick * mark_ticks, tiers)
    slope = per_tick * (tiers.divisor - side * tiers.rates[tier])
    numerator = mark_ticks * slope - side * (equity_atoms - maintenance_atoms) * tiers.divisor
    estimate = div_ceil(numerator, slope) if side == LONG else div_floor(numerator, slope)
    return estimate if 0 < estimate < PRICE_BOUND else None


class Fill(NamedTuple):
    """A position after a fill, and the profit the fill realised."""

    lots: int
    cost_atoms: int
    realised_atoms: int


def apply_fill(lots: int, cost_atoms: int, fill_lots: int, price_ticks: int, quote_atoms_per_tick_lot: int) -> Fill:
    """The position after buying (fill_lots > 0) or selling at a price; fees come apart (MT-01).

    A fill beyond the position closes it first and opens the rest. Conserves: realised - change of cost = -quote.
    """
    closed = closing_lots(lots, fill_lots)
    reduced = close_at_quote(lots, cost_atoms, closed, -value_atoms(closed, price_ticks, quote_atoms_per_tick_lot))
    rest = fill_lots - closed
    opened = value_atoms(rest, price_ticks, quote_atoms_per_tick_lot)
    return Fill(reduced.lots + rest, reduced.cost_atoms + opened, reduced.realised_atoms)


def closing_lots(lots: int, fill_lots: int) -> int:
    """The part of a fill that closes the position, signed like the fill."""
    if lots * fill_lots >= 0:
        return 0
    return max(fill_lots, -lots) if fill_lots < 0 else min(fill_lots, -lots)


def close_at_quote(lots: int, cost_atoms: int, closing_lots: int, received_atoms: int) -> Fill:
    """The position after closing some lots (signed like the fill) for a quote; received < 0 is paid.

    Released cost = floor(cost * closed / lots) of the signed cost; the last lot releases what is left.
    """
    closed = abs(closing_lots)
    assert closing_lots * lots <= 0 and closed <= abs(lots), f"{closing_lots} lots do not close {lots}"
    released = mul_div_floor(cost_atoms, closed, abs(lots)) if closed else 0
    return Fill(lots + closing_lots, cost_atoms - released, received_atoms - released)


def withdrawable_atoms(
    equity_atoms: int, initial_atoms: int, holds_atoms: int, notional_atoms: int, floor_ppm: int
) -> int:
    """What may leave: equity - max(sum IM + holds, ceil(floor * notional)), never negative (MT-04).

    notional_atoms is that of all positions and all increasing orders.
    """
    return max(0, equity_atoms - max(initial_atoms + holds_atoms, mul_div_ceil(notional_atoms, floor_ppm, PPM)))


def price_outside_band(limit_ticks: int, oracle_ticks: int, band_ppm: int) -> bool:
    """|limit - oracle| > band * oracle, strict: the order is refused as too far from the oracle (MT-06)."""
    return abs(limit_ticks - oracle_ticks) * PPM > band_ppm * oracle_ticks


def protection_price_ticks(side: int, mark_ticks: int, protection_ppm: int) -> int:
    """The worst price of a market order: a buy up, a sell down to at least 1 tick; the hold covers it (MT-05)."""
    _assert_side(side)
    if side == LONG:
        return mul_div_ceil(mark_ticks, PPM + protection_ppm, PPM)
    return max(1, mul_div_floor(mark_ticks, PPM - protection_ppm, PPM))


def stop_fires(side: int, trigger_ticks: int, mark_ticks: int) -> bool:
    """A stop order fires, inclusive: a buy at mark >= trigger, a sell at mark <= trigger (MT-05)."""
    _assert_side(side)
    return mark_ticks >= trigger_ticks if side == LONG else mark_ticks <= trigger_ticks


def take_profit_fires(side: int, trigger_ticks: int, mark_ticks: int) -> bool:
    """A take-profit order fires, inclusive: a buy at mark <= trigger, a sell at mark >= trigger (MT-05)."""
    return stop_fires(-side, trigger_ticks, mark_ticks)


def mint_shares_floor(deposit_atoms: int, shares_total: int, nav_atoms: int) -> int:
    """Micro-shares of the vault for a deposit at NAV_marked, rounded down in favour of the LPs there (MT-14).

    The first deposit gets one share per BOOTSTRAP_ATOMS_PER_SHARE. 0 means refuse: too small, or nothing to price by.
    """
    if shares_total == 0:
        return mul_div_floor(deposit_atoms, MICRO_SHARES, BOOTSTRAP_ATOMS_PER_SHARE)
    return 0 if nav_atoms <= 0 else mul_div_floor(deposit_atoms, shares_total, nav_atoms)


def redeem_floor_atoms(shares: int, shares_total: int, nav_atoms: int) -> int:
    """Atoms for micro-shares at NAV_marked, rounded down in favour of the LPs that stay; 0 without a NAV (MT-14)."""
    assert 0 <= shares <= shares_total, f"redeeming {shares} of {shares_total} shares"
    return 0 if nav_atoms <= 0 or shares == 0 else mul_div_floor(shares, nav_atoms, shares_total)


def _assert_side(side: int) -> None:
    assert side in (LONG, SHORT), f"side must be {LONG} or {SHORT}, got {side}"
