"""How large a lot is and what it is worth at a tick: the one place that knows where each rulebook says so."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import parameters_pb2

# Perennial counts in millionths of the base unit (PE: everything is in 1e-6).
_MILLIONTH_E9: Final = 1_000


def lot_size_e9(market: parameters_pb2.MarketParameters) -> int:
    """A lot in 1e-9 of the base unit; 0 where sizes are no lots (Twilight)."""
    if market.HasField("margin_trade"):
        return market.margin_trade.lot_size_e9
    if market.HasField("spin"):
        return market.spin.lot_size_e9
    return _MILLIONTH_E9 if market.HasField("perennial") else 0


def quote_atoms_per_tick_lot(market: parameters_pb2.MarketParameters) -> int:
    """k: atoms a lot at a tick is worth, exact; 0 where it is no whole number of atoms or there are no lots."""
    if market.HasField("margin_trade"):
        return market.margin_trade.quote_atoms_per_tick_lot
    return market.spin.quote_atoms_per_tick_lot if market.HasField("spin") else 0
