"""Margin tiers: maintenance rates that rise with the notional, as integers over one divisor, exact (MT-03)."""

from collections.abc import Sequence
from itertools import pairwise
from math import lcm
from typing import NamedTuple

from actors.units import TOTAL_BOUND

# notional < 2**60 times a rate numerator of at most 7 stays below 2**63: the compiled twin counts in 64 bits.
RATE_NUMERATOR_MAX = 7

# (lower notional in 1e-6 USDC, max leverage) as the venue publishes them (MT-03).
BTC_TIER_ROWS = ((0, 40), (150_000_000_000_000, 20))
ETH_TIER_ROWS = ((0, 25), (100_000_000_000_000, 15))
SOL_TIER_ROWS = ((0, 20), (70_000_000_000_000, 10))
OTHER_TIER_ROWS = ((0, 10),)


class Tiers(NamedTuple):
    """Maintenance tiers as integers over one divisor: MM = (notional * rate_n - deduction_n) / divisor (MT-03)."""

    lowers_atoms: tuple[int, ...]
    max_leverages: tuple[int, ...]
    rates: tuple[int, ...]
    deductions: tuple[int, ...]
    divisor: int


def tiers_are_valid(rows: Sequence[tuple[int, int]]) -> bool:
    """Lowers ascend from 0, leverages fall strictly, rates stay small enough for 64 bits: the check at listing."""
    if not rows or rows[0][0] != 0 or any(leverage < 1 for _, leverage in rows):
        return False
    steps = list(pairwise(rows))
    if any(low >= high or fast <= slow for (low, fast), (high, slow) in steps) or rows[-1][0] >= TOTAL_BOUND:
        return False
    return lcm(*(2 * leverage for _, leverage in rows)) <= RATE_NUMERATOR_MAX * 2 * rows[-1][1]


def tiers_of(rows: Sequence[tuple[int, int]]) -> Tiers:
    """Tiers from (lower notional in atoms, max leverage), a maintenance rate being 1 / (2 * leverage), exact (MT-03).

    deduction_n = deduction_(n-1) + lower_n * (rate_n - rate_(n-1)) keeps the requirement continuous.
    """
    assert tiers_are_valid(rows), f"tiers must ascend from 0 with falling leverage: {rows}"
    divisor = lcm(*(2 * leverage for _, leverage in rows))
    rates = [divisor // (2 * leverage) for _, leverage in rows]
    deductions = [0]
    for (lower, _), (before, rate) in zip(rows[1:], pairwise(rates), strict=True):
        deductions.append(deductions[-1] + lower * (rate - before))
    lowers, leverages = zip(*rows, strict=True)
    return Tiers(lowers, leverages, tuple(rates), tuple(deductions), divisor)


def tier_of(notional_atoms: int, tiers: Tiers) -> int:
    """The index of the tier a notional falls in; a lower bound belongs to the tier below it (MT-03)."""
    return max(sum(lower < notional_atoms for lower in tiers.lowers_atoms) - 1, 0)
