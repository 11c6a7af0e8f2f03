"""An order somebody asks about: filled at its price or at a book's depth, and what refuses it on every book.

Margin is each rulebook's own: `estimates` (Margin Trade), `ratio_estimates` (Spin).
"""

from __future__ import annotations

from typing import NamedTuple

from actors.risk.tradable import halt_age_in_force_ms, why_not_tradable
from actors.sinks import Refused
from actors.units import LONG, PPM, div_ceil, div_floor
from breakwater.v1 import batches_pb2, common_pb2, parameters_pb2, refusals_pb2

Limits = parameters_pb2.MarginTradeMarket | parameters_pb2.SpinMarket


class Ask(NamedTuple):
    """The order in question; price 0 stands for a market order, leverage 0 for what the account has chosen."""

    side: int
    size_lots: int
    price_ticks: int
    leverage: int
    reduce_only: bool


def filled_lots_and_quote(book: batches_pb2.BookView, ask: Ask, worst_ticks: int, k: int) -> tuple[int, int]:
    """Lots filled and their quote: whole at the price asked about, else level by level."""
    if ask.price_ticks:
        return ask.size_lots, ask.size_lots * ask.price_ticks * k
    levels = book.asks if ask.side == LONG else book.bids
    left, quote = ask.size_lots, 0
    for ticks, lots in zip(levels.price_ticks, levels.lots, strict=True):
        if not left or ask.side * (ticks - worst_ticks) > 0:
            break
        taken = min(left, lots)
        left -= taken
        quote += taken * ticks * k
    return ask.size_lots - left, quote


def average_price_ticks(side: int, quote_atoms: int, divisor: int) -> int:
    """Average price in ticks, rounded against the account; 0 where nothing is filled."""
    if not divisor:
        return 0
    return div_ceil(quote_atoms, divisor) if side == LONG else div_floor(quote_atoms, divisor)


def why_not_entered(account: batches_pb2.AccountView, limits: Limits, ask: Ask) -> Refused | None:
    """OVERFLOW of the size, ACCOUNT_FROZEN: what comes before the market is looked at."""
    if ask.size_lots > limits.max_order_lots:
        return Refused(refusals_pb2.REFUSAL_OVERFLOW, limits.max_order_lots, ask.size_lots)
    return Refused(refusals_pb2.REFUSAL_ACCOUNT_FROZEN, 0, account.account) if account.frozen else None


def why_not_traded(
    terms: parameters_pb2.MarketParameters, limits: Limits, mark: common_pb2.Mark, ask: Ask, lots: int
) -> Refused | None:
    """The market's state, MIN_NOTIONAL, the band, MARKET_REDUCE_ONLY, REDUCE_ONLY, in this order (MT-06)."""
    reducible = max(0, -ask.side * lots)
    is_reducing = ask.reduce_only and ask.size_lots <= reducible
    halted = why_not_tradable(mark, halt_age_in_force_ms(terms.halted, terms.oracle.halt_age_ms))
    if halted and mark.state != common_pb2.MARK_STATE_REDUCE_ONLY:
        return halted
    notional = ask.size_lots * (ask.price_ticks or mark.mark_ticks) * limits.quote_atoms_per_tick_lot
    if not ask.reduce_only and notional < limits.min_notional_atoms:
        return Refused(refusals_pb2.REFUSAL_MIN_NOTIONAL, limits.min_notional_atoms, notional)
    oracle = mark.index_ticks or mark.mark_ticks
    highest = div_floor(oracle * (PPM + limits.price_band_ppm), PPM)
    lowest = div_ceil(oracle * (PPM - limits.price_band_ppm), PPM)
    if ask.price_ticks and not lowest <= ask.price_ticks <= highest:
        edge = highest if ask.price_ticks > highest else lowest
        return Refused(refusals_pb2.REFUSAL_TOO_FAR_FROM_ORACLE, edge, ask.price_ticks)
    if halted and not is_reducing:
        return Refused(refusals_pb2.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)
    if ask.reduce_only and not is_reducing:
        return Refused(refusals_pb2.REFUSAL_REDUCE_ONLY, reducible, ask.size_lots)
    return None


def why_not_filled(book: batches_pb2.BookView, ask: Ask, filled: int, worst_ticks: int) -> Refused | None:
    """NO_LIQUIDITY where nothing would be filled up to the worst price."""
    if filled:
        return None
    levels = book.asks if ask.side == LONG else book.bids
    best = levels.price_ticks[0] if levels.price_ticks else 0
    return Refused(refusals_pb2.REFUSAL_NO_LIQUIDITY, worst_ticks, best)
