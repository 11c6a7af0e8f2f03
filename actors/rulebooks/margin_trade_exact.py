"""Margin Trade in rationals: the specification `margin_trade` rounds from and conformance compares by.

Amounts are in any one unit of the collateral, prices in that unit per unit of size, sizes signed (long above zero),
rates plain fractions (0.01% is 1/10000). Nothing is rounded unless the name says so. A tier is (lower notional, max
leverage), the leverage rational here. Sides are LONG = 1 and SHORT = -1.
"""

from collections.abc import Sequence
from fractions import Fraction
from math import floor
from typing import NamedTuple

from actors.units import LONG, SHORT

INTEREST_8H = Fraction(1, 10_000)
FUNDING_CLAMP = Fraction(5, 10_000)
FUNDING_CAP_HOURLY = Fraction(4, 100)
SCORE_ONE = 1 << 20
SCORE_PART_CAP = 1 << 30

Tier = tuple[Fraction, Fraction]


def maintenance_rate(max_leverage: Fraction) -> Fraction:
    """Half the initial margin at the highest leverage: 1 / (2 * leverage) (MT-03)."""
    return Fraction(1, 2 * max_leverage)


def deductions(tiers: Sequence[Tier]) -> list[Fraction]:
    """deduction_n = deduction_(n-1) + lower_n * (rate_n - rate_(n-1)), the first 0 (MT-03)."""
    rates = [maintenance_rate(leverage) for _, leverage in tiers]
    found = [Fraction(0)]
    for index in range(1, len(tiers)):
        found.append(found[-1] + tiers[index][0] * (rates[index] - rates[index - 1]))
    return found


def maintenance_margin(notional: Fraction, tiers: Sequence[Tier]) -> Fraction:
    """MM = notional * rate - deduction of the notional's tier (MT-03)."""
    tier = max([index for index, (lower, _) in enumerate(tiers) if lower < notional], default=0)
    return notional * maintenance_rate(tiers[tier][1]) - deductions(tiers)[tier]


def initial_margin(notional: Fraction, leverage: Fraction, tiers: Sequence[Tier]) -> Fraction:
    """IM = max(notional / leverage, 2 * MM) (MT-02)."""
    return max(Fraction(notional, leverage), 2 * maintenance_margin(notional, tiers))


def upnl(size: Fraction, cost: Fraction, mark: Fraction) -> Fraction:
    """size * mark - cost, the cost signed like the size (MT-01)."""
    return size * mark - cost


class Position(NamedTuple):
    """Size and cost, signed alike, and all profit realised so far."""

    size: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)


def after_fill(position: Position, size: Fraction, price: Fraction) -> Position:
    """A fill closes at the average price first and opens the rest at its own (MT-01)."""
    closed = Fraction(0)
    if position.size * size < 0:
        closed = max(size, -position.size) if size < 0 else min(size, -position.size)
    released = -Fraction(position.cost * closed, position.size) if closed else Fraction(0)
    return Position(
        position.size + size,
        position.cost - released + (size - closed) * price,
        position.realised - closed * price - released,
    )


def bankruptcy_quote(size: Fraction, mark: Fraction, equity: Fraction, margin_share: Fraction) -> Fraction:
    """Value at the mark less the equity's share by maintenance margin: what closing it must bring in (MT-15)."""
    return size * mark - equity * margin_share


def deleverage_score(size: Fraction, cost: Fraction, equity: Fraction, mark: Fraction) -> int:
    """r1 * r2, r1 = floor(2**20 * notional / cost), shorts inverted, r2 = floor(2**20 * notional / equity) (MT-15)."""
    notional = abs(size) * mark
    if size > 0:
        gain = SCORE_PART_CAP if cost <= 0 else floor(SCORE_ONE * Fraction(notional, cost))
    else:
        gain = floor(SCORE_ONE * Fraction(max(Fraction(0), -cost), notional))
    return min(SCORE_PART_CAP, gain) * min(SCORE_PART_CAP, floor(SCORE_ONE * Fraction(notional, equity)))


def premium(impact_bid: Fraction, impact_ask: Fraction, oracle: Fraction) -> Fraction:
    """(max(impact bid - oracle, 0) - max(oracle - impact ask, 0)) / oracle (MT-10)."""
    return Fraction(max(impact_bid - oracle, Fraction(0)) - max(oracle - impact_ask, Fraction(0)), oracle)


def mid_premium(impact_bid: Fraction, impact_ask: Fraction, oracle: Fraction) -> Fraction:
    """(impact bid + impact ask) / 2 / oracle - 1: the formula of venues without a spread around the oracle (MT-10)."""
    return Fraction(impact_bid + impact_ask, 2 * oracle) - 1


def clamped_interest(premium: Fraction, interest_8h: Fraction, clamp: Fraction) -> Fraction:
    """clamp(interest - P, -clamp, clamp) (MT-10)."""
    return max(-clamp, min(clamp, interest_8h - premium))


def funding_rate_8h(
    premium: Fraction, interest_8h: Fraction = INTEREST_8H, clamp: Fraction = FUNDING_CLAMP
) -> Fraction:
    """F = P + clamp(interest - P, -clamp, clamp) over eight hours (MT-10)."""
    return premium + clamped_interest(premium, interest_8h, clamp)


def funding_rate_hourly(rate_8h: Fraction, cap: Fraction = FUNDING_CAP_HOURLY) -> Fraction:
    """F / 8 within the hourly cap (MT-10)."""
    return max(-cap, min(cap, Fraction(rate_8h, 8)))


def funding_payment(size: Fraction, oracle: Fraction, rate_8h: Fraction, hours: Fraction) -> Fraction:
    """What a position pays over some hours on its oracle notional, below zero when it receives (MT-10)."""
    return size * oracle * rate_8h * Fraction(hours, 8)


def liquidation_price(
    side: int, price: Fraction, margin_available: Fraction, size: Fraction, rate: Fraction
) -> Fraction:
    """price - side * margin available / size / (1 - l * side), size unsigned, l the maintenance rate (MT-17)."""
    assert side in (LONG, SHORT), f"side must be {LONG} or {SHORT}, got {side}"
    return price - Fraction(side * margin_available, size * (1 - rate * side))
