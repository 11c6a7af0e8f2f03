"""Twilight: isolated-margin inverse perpetual against a pool, in the integers the state is kept in.

atoms are sats, prices whole ticks, a position size is atoms * ticks and constant for life (TW-02), leverage is in
hundredths, rates are fractions in 1e-9 (0.04% is 400_000), maintenance is kept exactly in 1e-9 atoms. Sides are
LONG = 1 and SHORT = -1. Rounding favours the pool unless a rule names another. `twilight_exact` is the same in
rationals and is the specification of this file.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from actors.units import (
    E9,
    LONG,
    PPM,
    SHORT,
    TOTAL_BOUND,
    div_ceil,
    div_floor,
    div_half_away,
    div_toward_zero,
    mul_div_ceil,
    mul_div_floor,
)

LEVERAGE_UNIT = 100
PERCENT_E9 = 10_000_000
POSITION_SIZE_BOUND = TOTAL_BOUND
MINIMUM_FEE_ATOMS = 1

ALWAYS_LONG = 1 << 62
NEVER_LONG = 0
NEVER_SHORT = 1 << 62

MICRO_SHARES = 10**6
BOOTSTRAP_ATOMS_PER_SHARE = 1_000


@dataclass(frozen=True, slots=True)
class TwilightParameters:
    """What an operator of a Twilight venue may set. Rates are 1e-9 fractions, caps parts per million."""

    maintenance_ratio_e9: int = 4_000_000
    taker_fee_e9: int = 400_000
    maker_fee_e9: int = 200_000
    psi: int = 1
    min_leverage_hundredths: int = 100
    max_leverage_hundredths: int = 5_000
    margin_cap_atoms: int = 10_000_000
    utilisation_cap_ppm: int = 900_000
    price_pool_shares_marked: bool = True
    limits_on: bool = True
    max_oi_ppm: int = 4_000_000
    max_net_ppm: int = 800_000
    max_position_ppm: int = 20_000
    funding_interval_ms: int = 3_600_000


def seed() -> TwilightParameters:
    """The preset of the documentation: shares at realised NAV, the limits of TW-19 off (TW-17, TW-19)."""
    return TwilightParameters(price_pool_shares_marked=False, limits_on=False)


def safe() -> TwilightParameters:
    """Our default: mint at max(realised, marked), redeem at min, the limits of TW-19 on (TW-17, TW-19)."""
    return TwilightParameters(price_pool_shares_marked=True, limits_on=True)


def entry_value_floor_atoms(margin_atoms: int, leverage_hundredths: int) -> int:
    """EV = floor(IM * L), atoms (TW-02)."""
    return mul_div_floor(margin_atoms, leverage_hundredths, LEVERAGE_UNIT)


def position_size(entry_value_atoms: int, entry_ticks: int) -> int:
    """PS = EV * entry price, atoms * ticks, exact (TW-02). The door refuses sizes of POSITION_SIZE_BOUND and more."""
    assert entry_value_atoms > 0 and entry_ticks > 0, f"empty position: {entry_value_atoms} atoms at {entry_ticks}"
    return entry_value_atoms * entry_ticks


def bankruptcy_value_atoms(side: int, entry_value_atoms: int, margin_atoms: int) -> int:
    """BV = EV + IM for a long, EV - IM for a short, from the initial margin; 0 for a short at 1x (TW-03)."""
    _assert_side(side)
    return entry_value_atoms + side * margin_atoms


def funding_paid_e9(side: int, rate_e9: int) -> int:
    """The part of the funding rate this side pays, never negative: what maintenance is charged with (TW-04)."""
    _assert_side(side)
    return max(0, rate_e9 * side)


def maintenance_margin_e9(
    side: int,
    entry_value_atoms: int,
    initial_margin_atoms: int,
    maintenance_ratio_e9: int,
    fee_rate_e9: int,
    funding_paid_e9: int,
) -> int:
    """MM = ratio * EV + fee * BV + funding * BV in 1e-9 atoms, exact (TW-04)."""
    bankruptcy_value = bankruptcy_value_atoms(side, entry_value_atoms, initial_margin_atoms)
    return maintenance_ratio_e9 * entry_value_atoms + (fee_rate_e9 + funding_paid_e9) * bankruptcy_value


def fee_ceil_atoms(position_size: int, price_ticks: int, fee_rate_e9: int) -> int:
    """Fee on PS / price, rounded up, at least 1 atom, at open and at close alike (TW-07)."""
    return max(MINIMUM_FEE_ATOMS, mul_div_ceil(position_size, fee_rate_e9, price_ticks * E9))


def funding_rate_e9(total_long: int, total_short: int, psi: int) -> int:
    """Hourly rate ((L-S)/(L+S))^2 / (8 psi) percent as a 1e-9 fraction, cut toward zero (TW-08).

    Negative when shorts are heavier, 0 without open interest. The totals are sums of position sizes.
    """
    assert psi > 0, f"psi must be positive, got {psi}"
    total = total_long + total_short
    if total == 0:
        return 0
    skew = total_long - total_short
    return div_toward_zero(skew * abs(skew) * PERCENT_E9, 8 * psi * total * total)


def funding_payment_atoms(side: int, position_size: int, mark_ticks: int, rate_e9: int) -> int:
    """What the position pays at a funding boundary, negative when it receives (TW-08).

    A payer is rounded up and a receiver down, so the odd sat stays with the pool.
    """
    _assert_side(side)
    return mul_div_ceil(position_size, side * rate_e9, mark_ticks * E9)


def upnl_half_away_atoms(side: int, position_size: int, entry_value_atoms: int, mark_ticks: int) -> int:
    """uPnL at the mark, half away from zero: the rounding of a settlement (TW-05, TW-15)."""
    return div_half_away(_upnl_times_mark(side, position_size, entry_value_atoms, mark_ticks), mark_ticks)


def upnl_floor_atoms(side: int, position_size: int, entry_value_atoms: int, mark_ticks: int) -> int:
    """uPnL at the mark rounded down, against the trader (TW-05)."""
    return div_floor(_upnl_times_mark(side, position_size, entry_value_atoms, mark_ticks), mark_ticks)


def equity_floor_atoms(
    side: int, position_size: int, entry_value_atoms: int, margin_held_atoms: int, mark_ticks: int
) -> int:
    """Margin held + uPnL at the mark, rounded down (TW-10)."""
    return margin_held_atoms + upnl_floor_atoms(side, position_size, entry_value_atoms, mark_ticks)


def is_liquidatable(
    side: int,
    mark_ticks: int,
    position_size: int,
    entry_value_atoms: int,
    margin_held_atoms: int,
    maintenance_e9: int,
) -> bool:
    """Margin held + uPnL(mark) <= MM, inclusive, without a division (TW-06, TW-10)."""
    assert mark_ticks > 0, f"mark must be positive, got {mark_ticks}"
    value_e9 = _breakeven_value_e9(side, entry_value_atoms, margin_held_atoms, maintenance_e9)
    if side == LONG:
        return mark_ticks * value_e9 <= position_size * E9
    return mark_ticks * value_e9 >= position_size * E9


def liquidation_threshold_ticks(
    side: int, position_size: int, entry_value_atoms: int, margin_held_atoms: int, maintenance_e9: int
) -> int:
    """The whole mark that decides `is_liquidatable`: a long iff mark <= it, a short iff mark >= it (TW-06).

    Exact for every mark from 1 to PRICE_BOUND. NEVER_LONG (0) and NEVER_SHORT stand for a position no mark can
    liquidate, ALWAYS_LONG for a long whose maintenance exceeds all it could be worth. A short is never "always":
    at a mark near zero it is worth more than any maintenance.
    """
    assert position_size > 0, f"position size must be positive, got {position_size}"
    value_e9 = _breakeven_value_e9(side, entry_value_atoms, margin_held_atoms, maintenance_e9)
    if side == LONG:
        return ALWAYS_LONG if value_e9 <= 0 else min(ALWAYS_LONG, mul_div_floor(position_size, E9, value_e9))
    return NEVER_SHORT if value_e9 <= 0 else min(NEVER_SHORT, mul_div_ceil(position_size, E9, value_e9))


def liquidation_price_display_e4(
    side: int, position_size: int, entry_value_atoms: int, margin_held_atoms: int, maintenance_e9: int
) -> int | None:
    """Liquidation price in 1e-4 ticks, half away from zero, for people; decisions use the threshold (TW-06).

    None where there is no such price: a long at any mark, a short at none.
    """
    value_e9 = _breakeven_value_e9(side, entry_value_atoms, margin_held_atoms, maintenance_e9)
    return None if value_e9 <= 0 else div_half_away(position_size * E9 * 10_000, value_e9)


class LiquidationTerms(NamedTuple):
    """What a liquidation moves and records, atoms. The trader gets nothing (TW-11)."""

    seized_atoms: int
    equity_atoms: int
    maintenance_atoms: int
    deficit_atoms: int


def liquidation_terms(
    side: int,
    position_size: int,
    entry_value_atoms: int,
    margin_held_atoms: int,
    mark_ticks: int,
    maintenance_e9: int,
) -> LiquidationTerms:
    """Full close at the mark: the pool receives exactly the margin held, PnL is never paid out (TW-11).

    Equity is floored and the requirement rounded up. The deficit max(0, -equity) is the pool's unpaid claim, kept
    for statistics and moved nowhere. A margin that funding drove below zero is seized as it is: the pool hands back
    what it was credited beyond the trader's margin.
    """
    equity = equity_floor_atoms(side, position_size, entry_value_atoms, margin_held_atoms, mark_ticks)
    return LiquidationTerms(
        seized_atoms=margin_held_atoms,
        equity_atoms=equity,
        maintenance_atoms=div_ceil(maintenance_e9, E9),
        deficit_atoms=max(0, -equity),
    )


class CloseTerms(NamedTuple):
    """What a close moves, atoms. Where is_liquidation holds, nothing of this moves: see `liquidation_terms`."""

    upnl_atoms: int
    fee_atoms: int
    payment_atoms: int
    payout_atoms: int
    pool_delta_atoms: int
    is_liquidation: bool


def close_terms(
    side: int,
    position_size: int,
    entry_value_atoms: int,
    initial_margin_atoms: int,
    margin_held_atoms: int,
    mark_ticks: int,
    fee_rate_e9: int,
) -> CloseTerms:
    """payment = round(uPnL) + (margin held - IM) - fee, payout = IM + payment (TW-15).

    pool_delta is what the pool receives now, margin held - payout, the rest having moved when it arose (TW-09).
    A payout below zero is no close but a liquidation (TW-12).
    """
    upnl = upnl_half_away_atoms(side, position_size, entry_value_atoms, mark_ticks)
    fee = fee_ceil_atoms(position_size, mark_ticks, fee_rate_e9)
    payment = upnl + (margin_held_atoms - initial_margin_atoms) - fee
    payout = initial_margin_atoms + payment
    return CloseTerms(
        upnl_atoms=upnl,
        fee_atoms=fee,
        payment_atoms=payment,
        payout_atoms=payout,
        pool_delta_atoms=margin_held_atoms - payout,
        is_liquidation=payout < 0,
    )


def open_limit_fills(side: int, limit_ticks: int, mark_ticks: int) -> bool:
    """A limit open fills at the mark: long limit >= mark, short limit <= mark (TW-14)."""
    _assert_side(side)
    return limit_ticks >= mark_ticks if side == LONG else limit_ticks <= mark_ticks


def close_limit_triggers(side: int, level_ticks: int, mark_ticks: int) -> bool:
    """A close limit triggers: long level <= mark, short level >= mark (TW-14)."""
    _assert_side(side)
    return level_ticks <= mark_ticks if side == LONG else level_ticks >= mark_ticks


def stop_loss_triggers(side: int, level_ticks: int, mark_ticks: int) -> bool:
    """A stop loss triggers: long level >= mark, short level <= mark (TW-14)."""
    _assert_side(side)
    return level_ticks >= mark_ticks if side == LONG else level_ticks <= mark_ticks


def take_profit_triggers(side: int, level_ticks: int, mark_ticks: int) -> bool:
    """A take profit triggers: long level <= mark, short level >= mark (TW-14)."""
    return close_limit_triggers(side, level_ticks, mark_ticks)


def mint_shares_floor(deposit_atoms: int, shares_total: int, nav_atoms: int) -> int:
    """Micro-shares for a deposit, rounded down in favour of the LPs already there (TW-16).

    The first deposit gets one share per BOOTSTRAP_ATOMS_PER_SHARE. 0 means refuse: too small, or nothing to price by.
    """
    if shares_total == 0:
        return mul_div_floor(deposit_atoms, MICRO_SHARES, BOOTSTRAP_ATOMS_PER_SHARE)
    return 0 if nav_atoms <= 0 else mul_div_floor(deposit_atoms, shares_total, nav_atoms)


def redeem_floor_atoms(shares: int, shares_total: int, nav_atoms: int) -> int:
    """Atoms for micro-shares, rounded down in favour of the LPs that stay; 0 while the NAV is not positive (TW-16)."""
    assert 0 <= shares <= shares_total, f"redeeming {shares} of {shares_total} shares"
    return 0 if nav_atoms <= 0 or shares == 0 else mul_div_floor(shares, nav_atoms, shares_total)


def utilisation_reached(ttm_atoms: int, tvl_atoms: int, cap_ppm: int) -> bool:
    """TTM / TVL >= cap, tested on the state after an open; always with a TVL that is not positive (TW-17)."""
    return tvl_atoms <= 0 or ttm_atoms * PPM >= tvl_atoms * cap_ppm


def withdrawable_atoms(tvl_atoms: int, ttm_atoms: int) -> int:
    """What LPs may withdraw at most, max(TVL - TTM, 0) (TW-18)."""
    return max(tvl_atoms - ttm_atoms, 0)


class LimitBreach(StrEnum):
    """Which limit of TW-19 an open would break, the first of these in this order."""

    SIZE = "SIZE"
    OI = "OI"
    SKEW = "SKEW"
    LIMIT = "LIMIT"


class RiskLimits(NamedTuple):
    """Caps, room left and the largest open per side; all in the unit of the totals they were computed from (TW-19)."""

    oi_max: int
    net_max: int
    position_max: int
    room_oi: int
    room_net_long: int
    room_net_short: int
    max_long: int
    max_short: int


def risk_limits(
    total_long: int,
    total_short: int,
    pool_equity: int,
    max_oi_mult_ppm: int,
    max_net_ppm: int,
    max_position_ppm: int,
    may_open: bool,
) -> RiskLimits:
    """Limits as multiples of the pool's equity, rounded down in the pool's favour (TW-19).

    Totals and equity in one unit (the pool passes notionals in atoms). Without may_open the largest opens are 0.
    """
    oi_max = mul_div_floor(pool_equity, max_oi_mult_ppm, PPM)
    net_max = mul_div_floor(pool_equity, max_net_ppm, PPM)
    position_max = mul_div_floor(pool_equity, max_position_ppm, PPM)
    net = total_long - total_short
    room_oi = max(0, oi_max - total_long - total_short)
    room_net_long = max(0, net_max - net)
    room_net_short = max(0, net_max + net)
    max_long = max(0, min(position_max, room_oi, room_net_long)) if may_open else 0
    max_short = max(0, min(position_max, room_oi, room_net_short)) if may_open else 0
    return RiskLimits(oi_max, net_max, position_max, room_oi, room_net_long, room_net_short, max_long, max_short)


def limit_breached(limits: RiskLimits, side: int, notional: int) -> LimitBreach | None:
    """The limit an open of this notional would break, by the precedence SIZE > OI > SKEW > LIMIT, or None (TW-19)."""
    _assert_side(side)
    room_net, largest = (
        (limits.room_net_long, limits.max_long) if side == LONG else (limits.room_net_short, limits.max_short)
    )
    if notional > limits.position_max:
        return LimitBreach.SIZE
    if notional > limits.room_oi:
        return LimitBreach.OI
    if notional > room_net:
        return LimitBreach.SKEW
    return LimitBreach.LIMIT if notional > largest else None


def _assert_side(side: int) -> None:
    assert side in (LONG, SHORT), f"side must be {LONG} or {SHORT}, got {side}"


def _upnl_times_mark(side: int, position_size: int, entry_value_atoms: int, mark_ticks: int) -> int:
    """uPnL * mark, exact: with PS = EV * entry, PS * (mark - entry) / entry is EV * mark - PS (TW-05)."""
    _assert_side(side)
    return side * (entry_value_atoms * mark_ticks - position_size)


def _breakeven_value_e9(side: int, entry_value_atoms: int, margin_held_atoms: int, maintenance_e9: int) -> int:
    """The notional at which equity equals maintenance, 1e-9 atoms: EV + side * (m - MM) (TW-06)."""
    _assert_side(side)
    return (entry_value_atoms + side * margin_held_atoms) * E9 - side * maintenance_e9
