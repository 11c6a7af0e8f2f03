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

    others_e9: collateral of its other markets and of reservations, orders included, in 1e-9 atoms. losses_atoms: what
    resting orders of the market that are beyond the mark may lose.
    """

    lots: int
    orders: list[spin.Order]
    equity_atoms: int
    others_e9: int
    mark_ticks: int
    k: int
    collateral_e9: int
    losses_atoms: int = 0

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
        hold_atoms=0
        if ask.reduce_only
        else div_ceil(_with_order(before, ask, worst).needed_e9() - before.needed_e9(), E9),
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
    losses = sum(
        _loss_ceil_atoms(one.side, one.lots, one.price_ticks, alone, limits.taker_fee_e9)
        for one in orders
        if one.side * (one.price_ticks - mark.mark_ticks) > 0
    )
    return alone._replace(others_e9=max(0, whole - alone.needed_e9()), losses_atoms=losses)


def _positions_e9(account: batches_pb2.AccountView, terms: parameters_pb2.MarketParameters, after: Standing) -> int:
    """Sum Cp after the fill; of other markets as the account shows it."""
    others = sum(one.collateral_atoms for one in account.ratio.positions if one.market != terms.market)
    return others * E9 + after.position_e9()


def _with_order(standing: Standing, ask: Ask, worst_ticks: int) -> Standing:
    """With the order as admission counts it: a buy at its worst price, a sale at the mark where that is worse."""
    price = worst_ticks if ask.side == LONG else max(worst_ticks, standing.mark_ticks)
    order = spin.Order(_LAST, ask.side, ask.size_lots, price)
    return standing._replace(orders=[*standing.orders, order])


def _why_not(
    account: batches_pb2.AccountView,
    terms: parameters_pb2.MarketParameters,
    mark: common_pb2.Mark,
    ask: Ask,
    before: Standing,
    worst_ticks: int,
) -> Refused | None:
    """What admission would refuse, in its order (MT-06, SP-04); lots reserved for takeovers are not seen here."""
    limits = terms.spin
    if refused := why_not_entered(account, limits, ask) or why_not_traded(terms, limits, mark, ask, before.lots):
        return refused
    largest = ask.side * before.lots + sum(one.lots for one in before.orders if one.side == ask.side) + ask.size_lots
    if ask.reduce_only or largest <= 0:
        return None
    needed = _with_order(before, ask, worst_ticks).needed_e9()
    left = before.equity_atoms - before.losses_atoms
    left -= _loss_ceil_atoms(ask.side, ask.size_lots, worst_ticks, before, limits.taker_fee_e9)
    if not spin.may_open(left, needed):
        return Refused(refusals_pb2.REFUSAL_MARGIN_RATIO, div_ceil(needed, E9), left)
    if largest > limits.max_position_lots:
        return Refused(refusals_pb2.REFUSAL_POSITION_CAP, limits.max_position_lots, largest)
    return None


def _loss_ceil_atoms(side: int, lots: int, worst_ticks: int, standing: Standing, taker_fee_e9: int) -> int:
    """What a fill at the worst price loses against the mark, and the taker fee of it."""
    against = max(0, side * (worst_ticks - standing.mark_ticks)) * lots * standing.k
    return against + spin.trading_fee_ceil_atoms(spin.notional_atoms(lots, worst_ticks, standing.k), taker_fee_e9)
