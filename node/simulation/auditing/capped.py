"""Margin Trade: what an account needs at least for its positions and resting orders, worked out anew (MT-02, MT-03)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from math import ceil

from breakwater.v1 import parameters_pb2
from node.simulation.auditing.resting import Resting
from node.simulation.auditing.seen import E9, Seen, ceil_div


def margin_needed_atoms(
    seen: Seen, venue: int, lots: Mapping[int, int], orders: Mapping[int, Sequence[Resting]]
) -> int:
    """Initial margin and holds at the best leverage there is: who has less fails margin, whatever leverage it chose.

    `lots` and `orders` are the account's, by market.
    """
    needed = 0
    for market in sorted({*lots, *orders}):
        terms, mark = seen.markets[venue, market].margin_trade, seen.mark_ticks(venue, market)
        resting = [order for order in orders.get(market, ()) if not order.is_reduce_only]
        needed += max(_side_atoms(terms, mark, lots.get(market, 0), side, resting) for side in (1, -1))
    return needed


def _side_atoms(
    terms: parameters_pb2.MarginTradeMarket, mark_ticks: int, lots: int, side: int, resting: Sequence[Resting]
) -> int:
    """Of the position if this side of the orders fills: margin, the taker's fee, the loss against the mark (MT-02)."""
    orders = [order for order in resting if order.side == side]
    k, size = terms.quote_atoms_per_tick_lot, sum(order.lots for order in orders)
    increase = size - min(size, max(0, -side * lots))
    margin = _initial_margin_atoms((abs(lots) + increase) * mark_ticks * k, terms.tiers)
    if not increase:
        return margin
    fee = ceil_div(sum(order.lots * order.price_ticks for order in orders) * k * terms.taker_fee_e9, E9)
    return margin + fee + sum(max(0, side * (order.price_ticks - mark_ticks)) * order.lots * k for order in orders)


def _initial_margin_atoms(notional_atoms: int, tiers: Sequence[parameters_pb2.MarginTier]) -> int:
    """Every part of the notional at the leverage of its tier, to the next even number: twice the maintenance."""
    upper = [tier.lower_notional_atoms for tier in tiers[1:]] + [notional_atoms]
    parts = (
        Fraction(max(0, min(notional_atoms, end) - tier.lower_notional_atoms), tier.max_leverage)
        for tier, end in zip(tiers, upper, strict=True)
    )
    return 2 * ceil(sum(parts, Fraction(0)) / 2)
