"""What an order would do to a cross-margin account as it stands, by the scalar rulebook (MT-02, MT-17).

Not looked at: open interest, which only the book knows, and how many orders the account has.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.risk.tiers import Tiers, tiers_of
from actors.rulebooks import margin_trade as rules
from actors.sinks import Refused
from actors.units import LONG, SHORT
from breakwater.v1 import batches_pb2, common_pb2, orders_pb2, parameters_pb2, refusals_pb2
from node.services.asks import (
    Ask,
    average_price_ticks,
    filled_lots_and_quote,
    why_not_entered,
    why_not_filled,
    why_not_traded,
)

_REDUCE_ONLY: Final = 2


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
    filled, quote = filled_lots_and_quote(book, ask, worst, before.k)
    fee = rules.trading_fee_ceil_atoms(quote, terms.margin_trade.taker_fee_e9)
    after = before._replace(lots=before.lots + ask.side * filled)
    equity = cross.equity_atoms + ask.side * (filled * mark.mark_ticks * before.k - quote) - fee
    initial_after = initial + after.initial() - before.initial()
    maintenance_after = cross.maintenance_atoms + after.maintenance() - before.maintenance()
    liquidation = rules.liquidation_price_estimate_ticks(
        after.lots, mark.mark_ticks, after.k, equity, maintenance_after, after.tiers
    )
    refused = _why_not(account, terms, mark, ask, before, added, free) or why_not_filled(book, ask, filled, worst)
    return orders_pb2.EstimatePositionResponse(
        mark_ticks=mark.mark_ticks,
        size_lots=ask.size_lots,
        filled_lots=filled,
        average_price_ticks=average_price_ticks(ask.side, quote, filled * before.k),
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
    if refused := why_not_entered(account, limits, ask):
        return refused
    if ask.leverage > before.tiers.max_leverages[0] or ask.leverage < 0:
        bound = before.tiers.max_leverages[0] if ask.leverage > 0 else 1
        return Refused(refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE, bound, ask.leverage)
    if refused := why_not_traded(terms, limits, mark, ask, before.lots):
        return refused
    if added > 0 and free < added:
        return Refused(refusals_pb2.REFUSAL_BELOW_INITIAL_MARGIN, added, free)
    return None
