"""What an order would do to an account of a Spin venue as it stands, by the scalar rulebook (SP-03, SP-04).

Not looked at: open interest, which only the book knows, and how many orders the account has.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from actors.rulebooks import margin_trade, spin
from actors.sinks import Refused
from actors.units import E9, LONG, SHORT, div_ceil
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
# Behind every order there is at the same price.
_LAST: Final = 1 << 63


class Standing(NamedTuple):
    """An account in one market: signed lots, orders that may increase, and what the rest of it comes to.

    others_e9: collateral of its other markets and of reservations, orders included, in 1e-9 atoms.
    """

    lots: int
    orders: list[spin.Order]
    equity_atoms: int
    others_e9: int
    mark_ticks: int
    k: int
    collateral_e9: int

    def position_e9(self) -> int:
        """Cp of the market (SP-02)."""
        return spin.collateral_atoms_e9(self.lots, self.mark_ticks, self.k, self.collateral_e9)

    def needed_e9(self) -> int:
        """All that counts in Mr, in 1e-9 atoms."""
        orders = spin.order_collateral_atoms_e9(self.lots, self.orders, self.k, self.collateral_e9)
        return self.position_e9() + orders + self.others_e9


def estimate_ratio(
    account: batches_pb2.AccountView,
    terms: parameters_pb2.MarketParameters,
    mark: common_pb2.Mark,
    book: batches_pb2.BookView,
    ask: Ask,
) -> orders_pb2.EstimatePositionResponse:
    """The account after the order is filled at its price, or at the book's depth up to the protection price."""
    limits = terms.spin
    worst = ask.price_ticks or margin_trade.protection_price_ticks(
        ask.side, mark.mark_ticks, limits.market_protection_ppm
    )
    before = _standing(account, terms, mark)
    filled, quote = filled_lots_and_quote(book, ask, worst, before.k)
    fee = spin.trading_fee_ceil_atoms(quote, limits.taker_fee_e9)
    gained = ask.side * (filled * mark.mark_ticks * before.k - quote) - fee
    after = before._replace(lots=before.lots + ask.side * filled, equity_atoms=before.equity_atoms + gained)
    needed, needed_after = div_ceil(before.needed_e9(), E9), div_ceil(after.needed_e9(), E9)
    refused = _why_not(account, terms, mark, ask, before, worst) or why_not_filled(book, ask, filled, worst)
    return orders_pb2.EstimatePositionResponse(
        mark_ticks=mark.mark_ticks,
        size_lots=ask.size_lots,
        filled_lots=filled,
        average_price_ticks=average_price_ticks(ask.side, quote, filled * before.k),
        quote_atoms=quote,
        fee_atoms=fee,
        hold_atoms=0 if ask.reduce_only else div_ceil(_with_order(before, ask).needed_e9() - before.needed_e9(), E9),
        free_margin_atoms=before.equity_atoms - needed,
        position_lots=after.lots,
        equity_atoms=after.equity_atoms,
        initial_margin_atoms=needed_after,
        maintenance_atoms=div_ceil(spin.TARGET_TENTHS * _positions_e9(account, terms, after), spin.TENTHS * E9),
        free_margin_after_atoms=after.equity_atoms - needed_after,
        liquidation_ticks=spin.liquidation_price_estimate_ticks(
            after.lots,
            mark.mark_ticks,
            after.k,
            after.equity_atoms,
            _positions_e9(account, terms, after),
            limits.collateral_ratio_e9,
        )
        or 0,
        refusal=refused.refusal if refused else refusals_pb2.REFUSAL_UNSPECIFIED,
        required=refused.required if refused else 0,
        actual=refused.actual if refused else 0,
    )


def _standing(
    account: batches_pb2.AccountView, terms: parameters_pb2.MarketParameters, mark: common_pb2.Mark
) -> Standing:
    """The market's part exactly, the others' as the account shows them: rounded up, against it."""
    ratio, limits = account.ratio, terms.spin
    shown = next((one for one in ratio.positions if one.market == terms.market), batches_pb2.RatioPositionView())
    orders = [
        spin.Order(
            one.order,
            LONG if one.side == common_pb2.SIDE_LONG else SHORT,
            one.remaining_lots,
            one.limit_ticks,
        )
        for one in ratio.orders
        if one.market == terms.market and not one.trigger and not one.flags & _REDUCE_ONLY
    ]
    alone = Standing(
        shown.lots,
        orders,
        ratio.equity_atoms,
        0,
        mark.mark_ticks,
        limits.quote_atoms_per_tick_lot,
        limits.collateral_ratio_e9,
    )
    whole = (ratio.position_collateral_atoms + ratio.order_collateral_atoms + ratio.reserved_atoms) * E9
    return alone._replace(others_e9=max(0, whole - alone.needed_e9()))


def _positions_e9(account: batches_pb2.AccountView, terms: parameters_pb2.MarketParameters, after: Standing) -> int:
    """Sum Cp after the fill; of other markets as the account shows it."""
    others = sum(one.collateral_atoms for one in account.ratio.positions if one.market != terms.market)
    return others * E9 + after.position_e9()


def _with_order(standing: Standing, ask: Ask) -> Standing:
    """With the order resting at its limit; a market order counts at the mark (SP-03)."""
    order = spin.Order(_LAST, ask.side, ask.size_lots, ask.price_ticks or standing.mark_ticks)
    return standing._replace(orders=[*standing.orders, order])


def _why_not(
    account: batches_pb2.AccountView,
    terms: parameters_pb2.MarketParameters,
    mark: common_pb2.Mark,
    ask: Ask,
    before: Standing,
    worst_ticks: int,
) -> Refused | None:
    """What admission would refuse, in its order (MT-06, SP-04)."""
    limits = terms.spin
    if refused := why_not_entered(account, limits, ask) or why_not_traded(terms, limits, mark, ask, before.lots):
        return refused
    if ask.reduce_only:
        return None
    with_order = _with_order(before, ask)
    increasing = spin.increasing_lots(before.lots, with_order.orders)
    needed = with_order.needed_e9()
    equity = before.equity_atoms - _loss_at_worst_atoms(before, ask, worst_ticks, limits.taker_fee_e9)
    if needed > before.needed_e9() and not spin.may_open(equity, needed):
        return Refused(refusals_pb2.REFUSAL_MARGIN_RATIO, div_ceil(needed, E9), equity)
    same_side = sum(order.lots for order in with_order.orders if order.side == ask.side)
    could_be = abs(before.lots) + same_side if before.lots * ask.side >= 0 else sum(increasing)
    if limits.max_position_lots and could_be > limits.max_position_lots:
        return Refused(refusals_pb2.REFUSAL_POSITION_CAP, limits.max_position_lots, could_be)
    return None


def _loss_at_worst_atoms(before: Standing, ask: Ask, worst_ticks: int, taker_fee_e9: int) -> int:
    """What a fill at the worst price loses against the mark, and the taker fee of it."""
    value = spin.notional_atoms(ask.size_lots, worst_ticks, before.k)
    against = ask.side * (worst_ticks - before.mark_ticks) * ask.size_lots * before.k
    return max(0, against) + spin.trading_fee_ceil_atoms(value, taker_fee_e9)
