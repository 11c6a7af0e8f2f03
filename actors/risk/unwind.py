"""How the vault sells what it took over: five numbers and the state of one market give one order, or none (MT-14)."""

from typing import NamedTuple

from actors.units import LONG, PPM, PRICE_BOUND, SHORT, mul_div_ceil, mul_div_floor


class UnwindRules(NamedTuple):
    """The five numbers of a market: how often, how much of the rest, when all, how much of the depth, how far."""

    step_ms: int
    fraction_ppm: int
    full_disposal_lots: int
    max_depth_ppm: int
    slippage_ppm: int


class UnwindOrder(NamedTuple):
    """A reduce-only IOC order: side LONG buys, lots unsigned."""

    side: int
    lots: int
    limit_ticks: int


def limit_ticks(inventory_lots: int, mark_ticks: int, rules: UnwindRules) -> int:
    """The worst price of the range, rounded towards the mark in the vault's favour: a sell up, a buy down."""
    if inventory_lots > 0:
        return max(1, mul_div_ceil(mark_ticks, max(0, PPM - rules.slippage_ppm), PPM))
    return min(PRICE_BOUND - 1, mul_div_floor(mark_ticks, PPM + rules.slippage_ppm, PPM))


def is_due(now_ms: int, last_step_ms: int, rules: UnwindRules) -> bool:
    """A step is due once its time has passed since the last, inclusive."""
    return now_ms >= last_step_ms + rules.step_ms


def unwind_order(
    inventory_lots: int, now_ms: int, last_step_ms: int, mark_ticks: int, depth_lots: int, rules: UnwindRules
) -> UnwindOrder | None:
    """The order the vault sends now, or None: nothing held, step not due, or no depth to take.

    depth_lots is what rests on the other side at `limit_ticks` or better. Up to the full-disposal size all is sent,
    above it a fraction of what is left, rounded up; never more than the allowed part of the depth, rounded down.
    """
    size = abs(inventory_lots)
    if size == 0 or not is_due(now_ms, last_step_ms, rules):
        return None
    wanted = size if size <= rules.full_disposal_lots else mul_div_ceil(size, rules.fraction_ppm, PPM)
    lots = min(wanted, size, mul_div_floor(depth_lots, rules.max_depth_ppm, PPM))
    if lots == 0:
        return None
    return UnwindOrder(SHORT if inventory_lots > 0 else LONG, lots, limit_ticks(inventory_lots, mark_ticks, rules))
