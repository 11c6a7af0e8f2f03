"""Twilight in rationals: the specification `twilight` rounds from and conformance compares by.

Amounts are sats, prices USD, leverage a plain number, rates PERCENT as the rule texts write them (fee 0.04 is 0.04%).
Nothing is rounded unless the name or the docstring says so. Sides are LONG = 1 and SHORT = -1.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import NamedTuple

from actors.units import LONG, SHORT, div_half_away

MAINTENANCE_PERCENT = Fraction(2, 5)
TAKER_FEE_PERCENT = Fraction(4, 100)
MAKER_FEE_PERCENT = Fraction(2, 100)
MINIMUM_FEE = Fraction(1)
LEVEL_SCALE = 10_000


def half_away(value: Fraction) -> int:
    """The nearest integer, a half away from zero (TW-15)."""
    return div_half_away(value.numerator, value.denominator)


def entry_value(initial_margin: Fraction, leverage: Fraction) -> Fraction:
    """EV = IM * L (TW-02); the state keeps floor(EV)."""
    return initial_margin * leverage


def position_size(entry_value: Fraction, entry_price: Fraction) -> Fraction:
    """PS = EV * entry price (TW-02)."""
    return entry_value * entry_price


def bankruptcy_value(side: int, entry_value: Fraction, initial_margin: Fraction) -> Fraction:
    """BV = EV + IM for a long, EV - IM for a short (TW-03)."""
    _assert_side(side)
    return entry_value + side * initial_margin


def bankruptcy_price(position_size: Fraction, bankruptcy_value: Fraction) -> Fraction:
    """PS / BV; 0 stands for none, which is a short at 1x (TW-03)."""
    return Fraction(0) if bankruptcy_value == 0 else Fraction(position_size, bankruptcy_value)


def funding_paid_percent(side: int, rate_percent: Fraction) -> Fraction:
    """The part of the rate this side pays, never negative (TW-04)."""
    _assert_side(side)
    return max(Fraction(0), rate_percent * side)


def maintenance_margin(
    entry_value: Fraction,
    bankruptcy_value: Fraction,
    fee_percent: Fraction,
    funding_percent: Fraction,
    maintenance_percent: Fraction = MAINTENANCE_PERCENT,
) -> Fraction:
    """MM = 0.4% * EV + fee% * BV + funding% * BV; which funding rate is the caller's choice (TW-04)."""
    return Fraction(maintenance_percent * entry_value + (fee_percent + funding_percent) * bankruptcy_value, 100)


def fee(position_size: Fraction, price: Fraction, fee_percent: Fraction) -> Fraction:
    """fee% of PS / price, at least 1 sat (TW-07)."""
    return max(MINIMUM_FEE, Fraction(fee_percent * position_size, 100 * price))


def funding_rate_percent(total_long: Fraction, total_short: Fraction, psi: Fraction) -> Fraction:
    """((L-S)/(L+S))^2 / (8 psi) percent an hour with the sign of L - S; 0 without open interest (TW-08)."""
    total = total_long + total_short
    if total == 0:
        return Fraction(0)
    skew = Fraction(total_long - total_short, total)
    return Fraction(skew * abs(skew), 8 * psi)


def funding_payment(side: int, position_size: Fraction, mark: Fraction, rate_percent: Fraction) -> Fraction:
    """What the position pays, negative when it receives: rate% * PS / mark, longs pay when positive (TW-08)."""
    _assert_side(side)
    return Fraction(side * rate_percent * position_size, 100 * mark)


def upnl(side: int, position_size: Fraction, entry_price: Fraction, mark: Fraction) -> Fraction:
    """PS * (mark - entry) / (entry * mark) for a long, the opposite for a short (TW-05)."""
    _assert_side(side)
    return Fraction(side * position_size * (mark - entry_price), entry_price * mark)


def is_liquidatable(margin_held: Fraction, upnl: Fraction, maintenance_margin: Fraction) -> bool:
    """Margin held + uPnL <= MM, inclusive (TW-10)."""
    return margin_held + upnl <= maintenance_margin


def liquidation_price(
    side: int, entry_price: Fraction, entry_value: Fraction, margin: Fraction, maintenance_margin: Fraction
) -> Fraction | None:
    """entry * EV / (EV + side * (margin - MM)) (TW-06); None where the denominator is zero."""
    _assert_side(side)
    denominator = entry_value + side * (margin - maintenance_margin)
    return None if denominator == 0 else Fraction(entry_price * entry_value, denominator)


class Settlement(NamedTuple):
    """A close in sats, the fee unrounded: payment = round(uPnL) + round(margin held - IM) - fee (TW-15)."""

    margin_difference: Fraction
    upnl_rounded: int
    payment: Fraction
    payout_rounded: int


def settlement(initial_margin: Fraction, margin_held: Fraction, upnl: Fraction, close_fee: Fraction) -> Settlement:
    """Settlement of a close, half away from zero, to 1 sat; the payout may be negative here, see TW-12 (TW-15)."""
    difference = margin_held - initial_margin
    upnl_rounded = half_away(upnl)
    payment = upnl_rounded + half_away(difference) - close_fee
    return Settlement(difference, upnl_rounded, payment, half_away(initial_margin + payment))


def settlement_residue(side: int, upnl_rounded: int, position_size: int, entry_price: int, settle_price: int) -> int:
    """What rounding left of uPnL * settle * entry - side * PS * (settle - entry): zero for an exact uPnL (TW-15)."""
    _assert_side(side)
    return upnl_rounded * entry_price * settle_price - side * position_size * (settle_price - entry_price)


class Ledger(NamedTuple):
    """One position's life in whole sats, as the state keeps it: user pays up, user receives down (TW-09)."""

    margin_held: int
    payout: int
    pool_received: int
    is_liquidation: bool


def ledger(
    initial_margin: int,
    open_fee: Fraction,
    funding_payments: Sequence[Fraction],
    upnl: Fraction,
    close_fee: Fraction,
) -> Ledger:
    """Round every movement once, when it happens, in the pool's favour; the uPnL half away (TW-15).

    pool_received is everything the pool got over the position's life, so payout + pool_received = IM; a payout
    below zero is a liquidation and the pool keeps IM (TW-12).
    """
    margin_held = initial_margin - ceil(open_fee) - sum(ceil(payment) for payment in funding_payments)
    payout = margin_held + half_away(upnl) - ceil(close_fee)
    if payout < 0:
        return Ledger(margin_held, 0, initial_margin, True)
    return Ledger(margin_held, payout, initial_margin - payout, False)


def limit_opens(side: int, limit: Fraction, mark: Fraction) -> bool:
    """Long limit >= mark, short limit <= mark (TW-14)."""
    _assert_side(side)
    return limit >= mark if side == LONG else limit <= mark


def level_e4(price: Fraction) -> int:
    """A price on the grid trigger levels are compared on: floored to 1e-4 (TW-14)."""
    return floor(price * LEVEL_SCALE)


def triggered_below(levels: Sequence[Fraction], price: Fraction) -> list[int]:
    """Indices of levels <= price, both floored to 1e-4, by (level, index) (TW-13, TW-14)."""
    highest = level_e4(price)
    return _by_level([(level, index) for index, level in enumerate(map(level_e4, levels)) if level <= highest])


def triggered_above(levels: Sequence[Fraction], price: Fraction) -> list[int]:
    """Indices of levels >= price, both floored to 1e-4, by (level, index) (TW-13, TW-14)."""
    lowest = level_e4(price)
    return _by_level([(level, index) for index, level in enumerate(map(level_e4, levels)) if level >= lowest])


def mint_shares(deposit: Fraction, shares_total: Fraction, nav: Fraction) -> Fraction:
    """Shares for a deposit at the share price NAV / shares (TW-16)."""
    return Fraction(deposit * shares_total, nav)


def redeem(shares: Fraction, shares_total: Fraction, nav: Fraction) -> Fraction:
    """Sats for shares at the share price NAV / shares (TW-16)."""
    return Fraction(shares * nav, shares_total)


class Limits(NamedTuple):
    """Caps, room left and the largest open per side, in the unit of the totals (TW-19)."""

    oi_max: Fraction
    net_max: Fraction
    position_max: Fraction
    room_oi: Fraction
    room_net_long: Fraction
    room_net_short: Fraction
    max_long: Fraction
    max_short: Fraction


def risk_limits(
    total_long: Fraction,
    total_short: Fraction,
    pool_equity: Fraction,
    max_oi: Fraction,
    max_net: Fraction,
    max_position: Fraction,
    may_open: bool,
) -> Limits:
    """Multiples of the pool's equity less what is used, never negative room; no opens unless may_open (TW-19)."""
    net = total_long - total_short
    position_max = max_position * pool_equity
    room_oi = max(Fraction(0), max_oi * pool_equity - total_long - total_short)
    room_long = max(Fraction(0), max_net * pool_equity - net)
    room_short = max(Fraction(0), max_net * pool_equity + net)
    return Limits(
        oi_max=max_oi * pool_equity,
        net_max=max_net * pool_equity,
        position_max=position_max,
        room_oi=room_oi,
        room_net_long=room_long,
        room_net_short=room_short,
        max_long=min(position_max, room_oi, room_long) if may_open else Fraction(0),
        max_short=min(position_max, room_oi, room_short) if may_open else Fraction(0),
    )


def _by_level(hits: list[tuple[int, int]]) -> list[int]:
    return [index for _, index in sorted(hits)]


def _assert_side(side: int) -> None:
    assert side in (LONG, SHORT), f"side must be {LONG} or {SHORT}, got {side}"
