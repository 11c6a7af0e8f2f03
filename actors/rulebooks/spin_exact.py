"""Spin in rationals: the specification `spin` rounds from and conformance prints by.

Amounts are in any one unit of the collateral, prices in that unit per unit of size, sizes signed (long above zero),
rates plain fractions (10% is 1/10). Nothing is rounded unless the name says so. Sides are LONG = 1 and SHORT = -1.
"""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil
from typing import NamedTuple

from actors.units import LONG, SHORT

TARGET = Fraction(7, 10)
FUNDING_CAP = Fraction(1, 100)


def upnl(size: Fraction, entry: Fraction, mark: Fraction) -> Fraction:
    """size * (mark - entry), the size signed (SP-02)."""
    return size * (mark - entry)


def collateral(size: Fraction, price: Fraction, rate: Fraction) -> Fraction:
    """Cc * |size| * price (SP-02, SP-03)."""
    return rate * abs(size) * price


def margin_ratio(equity: Fraction, collaterals: Iterable[Fraction]) -> Fraction | None:
    """Mr = E / (sum Cp + sum Co); None where there is no collateral, Mr being infinite there (SP-02, SP-03)."""
    total = sum(collaterals, Fraction(0))
    return Fraction(equity, total) if total else None


def calculated_size(
    equity: Fraction, position_collateral: Fraction, size: Fraction, mark: Fraction, rate: Fraction, penalty: Fraction
) -> Fraction:
    """x = (0.7 * sum Cp - E) / (mark * (0.7 * Cc - Tf)), signed like the position, neither rounded nor capped (SP-06).

    The position itself where Cc <= Tf / 0.7, as no x brings Mr to 0.7 there.
    """
    if TARGET * rate <= penalty:
        return size
    side = LONG if size > 0 else SHORT
    return side * Fraction(TARGET * position_collateral - equity, mark * (TARGET * rate - penalty))


def closed_size_ceil(calculated: Fraction, size: Fraction, step: Fraction) -> Fraction:
    """The calculator's answer rounded up to the step, away from zero, and capped at the position (SP-06)."""
    side = LONG if size > 0 else SHORT
    return side * min(abs(size), step * ceil(Fraction(abs(calculated), step)))


def funding_rate(average_mid: Fraction, index: Fraction, cap: Fraction = FUNDING_CAP) -> Fraction:
    """clamp((avg_mid - index) / index, -1%, +1%) (SP-11)."""
    return max(-cap, min(cap, Fraction(average_mid, index) - 1))


def deficit(equity: Fraction) -> Fraction:
    """What is owed beyond the balance once everything is closed; the insurance fund's to pay (SP-09)."""
    return max(Fraction(0), -equity)


class MarketTerms(NamedTuple):
    """What the venue publishes of a market; sizes and prices in units of the asset and the collateral."""

    collateral_rate: Fraction
    step: Fraction
    tick: Fraction
    max_position: Fraction


NEAR_PERP = MarketTerms(Fraction(1, 10), Fraction(1, 100), Fraction(1, 1000), Fraction(10_000))
