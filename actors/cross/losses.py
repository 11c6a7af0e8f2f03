"""What the live orders of an account may lose against the mark, so that no fill at it ends below zero (MT-02, MT-06).

Holds do not cover all of it: an order that only reduces holds nothing, and of a market's two sides only the larger is
held. Here every order counts, resting or new, with what it loses at its worst price and the fee it may pay there.
"""

from collections.abc import Callable

from actors.cross.book import CrossBook
from actors.cross.holds import CarriedAtoms, MarginTerms
from actors.ledger.book_orders import BookOrder
from actors.ledger.cross_positions import CrossPosition
from actors.orders.carried import SECOND as SPARE
from actors.orders.carried import CarriedColumns
from actors.orders.checks import only_reduces
from actors.orders.worst_prices import drawn_in_ticks
from actors.sinks import Refused
from actors.units import E9
from breakwater.v1 import refusals_pb2 as refusals


def fees_ceil_atoms(value: int, lots: int, terms: MarginTerms) -> int:
    """The taker fee on a value, atoms, however it is cut into fills: each is rounded up and has a lot at least."""
    return -(-value * terms.taker_fee_e9 // E9) + lots


def worst_loss_ceil_atoms(side: int, limit_ticks: int, lots: int, terms: MarginTerms) -> int:
    """What lots filled at their worst price cost the account at the mark, fee included."""
    mark_ticks, k, _, _, taker_fee_e9, _ = terms
    per_tick = lots * k
    gap = side * (limit_ticks - mark_ticks)
    fees = -(-limit_ticks * per_tick * taker_fee_e9 // E9) + lots
    return gap * per_tick + fees if gap > 0 else fees


def order_loss_ceil_atoms(order: BookOrder, terms: MarginTerms) -> int:
    """What is left of a resting order; a trigger loses nothing before it fires."""
    return worst_loss_ceil_atoms(order.side, order.limit, order.remaining, terms) if not order.trigger else 0


def spared_limit_ticks(order: BookOrder, spare_atoms: int, terms: MarginTerms) -> int:
    """The order's worst price, or the nearer one at which its lots against the mark and their fee use `spare` up."""
    lots, mark = order.remaining, terms.mark_ticks
    left = spare_atoms - fees_ceil_atoms(max(order.limit, mark) * lots * terms.k, lots, terms)
    return drawn_in_ticks(order, left, mark, terms.k)


def spare_atoms(book: CrossBook, account: int, terms_of: Callable[[int], MarginTerms]) -> int:
    """Equity less all that the account's resting orders may lose, atoms; below zero where they may lose more."""
    positions = book.positions
    spare = book.accounts.free(account)
    for market in positions.of_account(account):
        row, terms = positions.read(account, market), terms_of(market)
        if row.lots:
            upnl = row.lots * terms.mark_ticks * terms.k - row.cost
            spare += upnl if terms.usable else min(0, upnl)
        spare -= orders_loss_ceil_atoms(book, row, terms)
    return spare


def orders_loss_ceil_atoms(book: CrossBook, row: CrossPosition, terms: MarginTerms) -> int:
    """What all resting orders of one market may lose, both sides and reduce-only ones."""
    loss = row.buy_adverse + row.sell_adverse
    lots = row.buy_lots + row.sell_lots
    if lots:
        loss += fees_ceil_atoms(row.buy_value + row.sell_value, lots, terms)
    if row.reduce_only:
        for number in book.orders.of_account_in(row.account, row.market):
            order = book.orders.read(number)
            if order.is_reduce_only:
                loss += order_loss_ceil_atoms(order, terms)
    return loss


class SpareEquities(CarriedAtoms):
    """Spare equity by account, carried along with what admission changes."""

    def __init__(self, book: CrossBook, terms_of: Callable[[int], MarginTerms], columns: CarriedColumns) -> None:
        super().__init__(book, terms_of, spare_atoms, columns, SPARE)

    def bounded(self, order: BookOrder, row: CrossPosition, freed_atoms: int = 0) -> BookOrder | Refused:
        """The order as it may go to the book, its worst price drawn in where it only reduces; `row` is without it.

        Any other order that may lose more than is spare is refused (BELOW_INITIAL_MARGIN: its loss, what is spare).
        One that loses nothing against the mark is held whole, or costs its fee only. `freed_atoms`: what the order
        could lose before it was amended.
        """
        terms = self._terms_of(order.market)
        if order.side * (order.limit - terms.mark_ticks) <= 0:
            return order
        spare = self.of(order.account) + freed_atoms
        if only_reduces(order, row):
            return order._replace(limit=spared_limit_ticks(order, spare, terms))
        loss = order_loss_ceil_atoms(order, terms)
        return Refused(refusals.REFUSAL_BELOW_INITIAL_MARGIN, loss, spare) if loss > spare else order

    def note(self, order: BookOrder, freed_atoms: int = 0) -> None:
        """The order is in the tables, or in the place of one that could lose `freed_atoms`."""
        if self.knows(order.account):
            self.take(order.account, order_loss_ceil_atoms(order, self._terms_of(order.market)) - freed_atoms)
