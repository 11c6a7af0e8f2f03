"""Parameters of Margin Trade as the documentation shows them: bounds and presets from the code, meanings from here."""

from collections.abc import Mapping
from typing import Any

from actors.sealing.bounds import ORACLE
from actors.sealing.margin_bounds import MARGIN_TRADE, MARGIN_TRADE_MARKET
from breakwater.v1 import common_pb2
from node.margin_presets import margin_trade_market, margin_trade_venue

VENUE = {
    "partial_threshold_atoms": "rung 1 sends positions above this notional in parts (MT-12)",
    "partial_fraction_ppm": "how large a part is",
    "cooldown_ms": "after a part of which something was filled",
    "backstop_numerator": "below this part of the maintenance margin the vault takes over (MT-11)",
    "backstop_denominator": "the same; at least the numerator",
    "ladder_rounds": "rounds of the ladder in one block",
    "deleverage_policy": "who gives how much in ADL (MT-15)",
    "deleverage_price": "at which price (MT-15)",
    "vault_lock_ms": "shares of a deposit are locked so long (MT-14)",
    "vault_max_leverage_hundredths": "the vault's gross notional over its equity, after a takeover",
    "vault_loss_limit_ppm": "how far its equity may be below its highest, after a takeover",
    "notice_ms": "tiers that ask for more margin wait so long",
    "max_orders_per_account": "live orders and triggers",
}
MARKET = {
    "lot_size_e9": "a lot, in 1e-9 of the base unit; never changes",
    "quote_atoms_per_tick_lot": "what a lot at a tick is worth; must fit tick and lot size exactly (MT-01)",
    "maker_fee_e9": "of the quote",
    "taker_fee_e9": "of the quote",
    "liquidation_fee_e9": "of the quote of a rung-1 fill (MT-16a)",
    "min_notional_atoms": "smallest order, reduce-only ones aside (MT-06)",
    "max_order_lots": "largest order; at most the open interest cap",
    "open_interest_cap_lots": "longs of the market; bounds its prices too",
    "price_band_ppm": "limits farther from the oracle price are refused (MT-06)",
    "market_protection_ppm": "worst price of a market order, from the mark (MT-05)",
    "impact_notional_atoms": "notional the impact prices are taken at (MT-10)",
    "interest_rate_e9": "per 8 hours (MT-10)",
    "interest_clamp_e9": "how far interest may pull the rate (MT-10)",
    "funding_cap_e9": "highest rate an hour, either way (MT-10)",
    "unwind_step_ms": "the vault's five numbers (MT-14): time between two sales",
    "unwind_fraction_ppm": "part of what is left that a sale sends",
    "unwind_full_lots": "up to this size everything is sent",
    "unwind_depth_ppm": "part of the depth in range a sale may take",
    "unwind_slippage_ppm": "the range, from the mark",
}
OF_ORACLE = {
    "tick_interval_ms": "the mark moves at most once in it",
    "source_fresh_ms": "an older price has no vote",
    "warn_age_ms": "an older mark is STALE, and still used",
    "halt_age_ms": "an older mark is HALTED; 0: never",
    "future_tolerance_ms": "a price may be so far ahead of block time",
    "breaker_move_ppm": "a larger move in a window trips the market; 0: off",
    "breaker_window_ms": "that window",
    "breaker_hold_ms": "how long a tripped mark is held",
    "funding_interval_ms": "between two boundaries",
    "min_fresh_sources": "fewer fresh spot sources are no oracle price; 0 counts as 1 (MT-08)",
    "mark_rule": "how the mark is made (MT-09)",
    "reduce_only_age_ms": "without an oracle price for longer: reduce-only; 0: never (MT-08)",
}
_ENUMS: dict[str, Any] = {
    "deleverage_policy": common_pb2.DeleveragePolicy,
    "deleverage_price": common_pb2.DeleveragePrice,
    "mark_rule": common_pb2.MarkRule,
}


def of_venue() -> str:
    """`margin_trade` of a venue. A switch has no bounds and stands last."""
    rules = margin_trade_venue().margin_trade
    parts = f"| `partial_liquidation` | off, on | {switch(rules.partial_liquidation)} | off: always whole (MT-18) |"
    return f"{table(MARGIN_TRADE, rules, VENUE)}\n{parts}"


def of_market() -> str:
    """`margin_trade` of a market, beside BTC's preset."""
    return table(MARGIN_TRADE_MARKET, margin_trade_market(1, "BTC").margin_trade, MARKET)


def of_oracle() -> str:
    """`oracle` of a market of either rulebook, beside a Margin Trade market's preset."""
    return table(ORACLE, margin_trade_market(1, "BTC").oracle, OF_ORACLE)


def table(bounds: Mapping[str, tuple[int, int]], preset: Any, meanings: Mapping[str, str]) -> str:
    """A line a parameter: bounds, the preset's value, what it means."""
    assert set(bounds) == set(meanings), set(bounds) ^ set(meanings)
    lines = ["| parameter | bounds | preset | meaning |", "|---|---|---|---|"]
    for name, (lowest, highest) in bounds.items():
        within = f"{shown(name, lowest)} to {shown(name, highest)}"
        lines.append(f"| `{name}` | {within} | {shown(name, getattr(preset, name))} | {meanings[name]} |")
    return "\n".join(lines)


def shown(name: str, value: int) -> str:
    """A value as people read it: enumerations by name, large bounds as powers of two."""
    if name in _ENUMS:
        full: str = _ENUMS[name].Name(value)
        return full.removeprefix(f"{name.upper()}_")
    for power in (40, 44, 50, 60):
        if value in ((1 << power), (1 << power) - 1):
            return f"2^{power}" if value == 1 << power else f"2^{power} - 1"
    return f"{value:,}"


def switch(value: bool) -> str:
    """Of a parameter that is either."""
    return "on" if value else "off"
