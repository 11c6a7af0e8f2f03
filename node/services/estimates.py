"""What an order would do to a cross-margin account as it stands, by the scalar rulebook (MT-02, MT-17).

Not looked at: open interest, which only the book knows, and how many orders the account has.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.risk.tiers import Tiers, tiers_of
from actors.risk.tradable import halt_age_in_force_ms, why_not_tradable
from actors.rulebooks import margin_trade as rules
from actors.sinks import Refused
from actors.units import LONG, PPM, SHORT, div_ceil, div_floor
from breakwater.v1 import batches_pb2, common_pb2, orders_pb2, parameters_pb2, refusals_pb2

_REDUCE_ONLY: Final = 2


class Ask(NamedTuple):
    """The order in question; price 0 stands for a market order, leverage 0 for what the account has chosen."""

    side: int
    size_lots: int
    price_ticks: int
    leverage: int
    reduce_only: bool


class Resting(NamedTuple):
    """Sums over the resting orders of one side that are not reduce-only: lots, value and adverse (MT-02)."""

    lots: int = 0
    value_atoms: int = 0
    adverse_atoms: int = 0


class Market(NamedTuple):
    """Terms of the market and the account's standing in it."""

    mark_ticks: int
    k: int
    tiers: Tiers
    taker_fee_e9: int
    lots: int
    leverage: int
    buys: Resting
    sells: Resting

    def initial(self) -> int:
        """Initial margin of the position, atoms, ceil."""
        return rules.initial_margin_ceil_atoms(self._notional(), self.leverage, self.tiers)

    def maintenance(self) -> int:
        """Maintenance margin of the position, atoms, ceil."""
        return rules.maintenance_margin_ceil_atoms(self._notional(), self.tiers)

    def hold(self) -> int:
        """What the resting orders hold beside the position, atoms, ceil."""
        return rules.market_hold_atoms(self._side_hold(LONG, self.buys), self._side_hold(SHORT, self.sells))

    def _notional(self) -> int:
        return rules.notional_atoms(self.lots, self.mark_ticks, self.k)

    def _side_hold(self, side: int, sums: Resting) -> int:
        terms = (self.mark_ticks, self.k, self.leverage, self.tiers, self.taker_fee_e9)
        return rules.side_hold_ceil_atoms(self.lots, side, sums.lots, sums.value_atoms, sums.adverse_atoms, *terms)


def estimate(
    account: batches_pb2.AccountView,
    terms: parameters_pb2.MarketParameters,
    mark: common_pb2.Mark,
    book: batches_pb2.BookView,
    ask: Ask,
) -> orders_pb2.EstimatePositionResponse:
    """The account after the order is filled at its price, or at the book's depth up to the protection price."""
    protection_ppm = terms.margin_trade.market_protection_ppm
    worst = ask.price_ticks or rules.protection_price_ticks(ask.side, mark.mark_ticks, protection_ppm)
    before = _standing(account, terms, mark, ask.leverage)
    cross = account.cross
    # A leverage the account has not chosen yet counts before the order, as if it were set first.
    initial = cross.initial_margin_atoms + before.initial() - _shown(cross, terms.market).initial_margin_atoms
    holds = cross.holds_atoms + before.hold() - _shown(cross, terms.market).hold_atoms
    free = cross.equity_atoms - initial - holds
    added = 0 if ask.reduce_only else _with_order(before, ask, worst).hold() - before.hold()
    filled, quote = _fill(book, ask, worst, before.k)
    fee = rules.trading_fee_ceil_atoms(quote, terms.margin_trade.taker_fee_e9)
    after = before._replace(lots=before.lots + ask.side * filled)
    equity = cross.equity_atoms + ask.side * (filled * mark.mark_ticks * before.k - quote) - fee
    initial_after = initial + after.initial() - before.initial()
    maintenance_after = cross.maintenance_atoms + after.maintenance() - before.maintenance()
    liquidation = rules.liquidation_price_estimate_ticks(
        after.lots, mark.mark_ticks, after.k, equity, maintenance_after, after.tiers
    )
    refused = _why_not(account, terms, mark, ask, before, added, free) or _no_liquidity(book, ask, filled, worst)
    return orders_pb2.EstimatePositionResponse(
        mark_ticks=mark.mark_ticks,
        size_lots=ask.size_lots,
        filled_lots=filled,
        average_price_ticks=_average(ask.side, quote, filled * before.k),
        quote_atoms=quote,
        fee_atoms=fee,
        hold_atoms=added,
        free_margin_atoms=free,
        position_lots=after.lots,
        equity_atoms=equity,
        initial_margin_atoms=initial_after,
        maintenance_atoms=maintenance_after,
        free_margin_after_atoms=equity - initial_after - holds + before.hold() - after.hold(),
        liquidation_ticks=liquidation or 0,
        refusal=refused.refusal if refused else refusals_pb2.REFUSAL_UNSPECIFIED,
        required=refused.required if refused else 0,
        actual=refused.actual if refused else 0,
    )


def _shown(cross: batches_pb2.CrossView, market: int) -> batches_pb2.CrossPositionView:
    for position in cross.positions:
        if position.market == market:
            return position
    return batches_pb2.CrossPositionView(market=market)


def _standing(
    account: batches_pb2.AccountView, terms: parameters_pb2.MarketParameters, mark: common_pb2.Mark, leverage: int
) -> Market:
    tiers = tiers_of([(tier.lower_notional_atoms, tier.max_leverage) for tier in terms.margin_trade.tiers])
    shown = _shown(account.cross, terms.market)
    k = terms.margin_trade.quote_atoms_per_tick_lot
    sums = {LONG: Resting(), SHORT: Resting()}
    for order in account.cross.orders:
        if order.market == terms.market and not order.trigger and not order.flags & _REDUCE_ONLY:
            side = LONG if order.side == common_pb2.SIDE_LONG else SHORT
            sums[side] = _joined(sums[side], side, order.remaining_lots, order.limit_ticks, mark.mark_ticks, k)
    return Market(
        mark_ticks=mark.mark_ticks,
        k=k,
        tiers=tiers,
        taker_fee_e9=terms.margin_trade.taker_fee_e9,
        lots=shown.lots,
        leverage=leverage or shown.leverage or tiers.max_leverages[0],
        buys=sums[LONG],
        sells=sums[SHORT],
    )


def _joined(sums: Resting, side: int, lots: int, limit_ticks: int, mark_ticks: int, k: int) -> Resting:
    return Resting(
        sums.lots + lots,
        sums.value_atoms + rules.notional_atoms(lots, limit_ticks, k),
        sums.adverse_atoms + rules.adverse_atoms(side, limit_ticks, mark_ticks, lots, k),
    )


def _with_order(market: Market, ask: Ask, worst_ticks: int) -> Market:
    sums = market.buys if ask.side == LONG else market.sells
    joined = _joined(sums, ask.side, ask.size_lots, worst_ticks, market.mark_ticks, market.k)
    return market._replace(buys=joined) if ask.side == LONG else market._replace(sells=joined)


def _fill(book: batches_pb2.BookView, ask: Ask, worst_ticks: int, k: int) -> tuple[int, int]:
    """Lots filled and their quote: whole at the price asked about, else level by level."""
    if ask.price_ticks:
        return ask.size_lots, rules.notional_atoms(ask.size_lots, ask.price_ticks, k)
    levels = book.asks if ask.side == LONG else book.bids
    left, quote = ask.size_lots, 0
    for ticks, lots in zip(levels.price_ticks, levels.lots, strict=True):
        if not left or ask.side * (ticks - worst_ticks) > 0:
            break
        taken = min(left, lots)
        left -= taken
        quote += rules.notional_atoms(taken, ticks, k)
    return ask.size_lots - left, quote


def _average(side: int, quote_atoms: int, divisor: int) -> int:
    """Average price in ticks, rounded against the account; 0 where nothing is filled."""
    if not divisor:
        return 0
    return div_ceil(quote_atoms, divisor) if side == LONG else div_floor(quote_atoms, divisor)


def _why_not(
    account: batches_pb2.AccountView,
    terms: parameters_pb2.MarketParameters,
    mark: common_pb2.Mark,
    ask: Ask,
    before: Market,
    added: int,
    free: int,
) -> Refused | None:
    """What admission would refuse, in its order (MT-06)."""
    limits = terms.margin_trade
    reducible = max(0, -ask.side * before.lots)
    is_reducing = ask.reduce_only and ask.size_lots <= reducible
    if ask.size_lots > limits.max_order_lots:
        return Refused(refusals_pb2.REFUSAL_OVERFLOW, limits.max_order_lots, ask.size_lots)
    if account.frozen:
        return Refused(refusals_pb2.REFUSAL_ACCOUNT_FROZEN, 0, account.account)
    if ask.leverage > before.tiers.max_leverages[0] or ask.leverage < 0:
        bound = before.tiers.max_leverages[0] if ask.leverage > 0 else 1
        return Refused(refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE, bound, ask.leverage)
    halted = why_not_tradable(mark, halt_age_in_force_ms(terms.halted, terms.oracle.halt_age_ms))
    if halted and mark.state != common_pb2.MARK_STATE_REDUCE_ONLY:
        return halted
    notional = rules.notional_atoms(ask.size_lots, ask.price_ticks or mark.mark_ticks, before.k)
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
    if added > 0 and free < added:
        return Refused(refusals_pb2.REFUSAL_BELOW_INITIAL_MARGIN, added, free)
    return None


def _no_liquidity(book: batches_pb2.BookView, ask: Ask, filled: int, worst_ticks: int) -> Refused | None:
    if filled:
        return None
    levels = book.asks if ask.side == LONG else book.bids
    best = levels.price_ticks[0] if levels.price_ticks else 0
    return Refused(refusals_pb2.REFUSAL_NO_LIQUIDITY, worst_ticks, best)
