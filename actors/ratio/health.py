"""What an account of a Spin venue is worth and what it needs, one account at a time, by the scalar rulebook.

Collateral is carried in 1e-9 atoms, whole numbers, so that no rounding moves a tier (SP-04). A position's gain at a
mark that may not be used counts as zero.
"""

from typing import TYPE_CHECKING, NamedTuple

from actors.ledger.book_orders import MARKET_ORDER, BookOrder
from actors.ledger.ratio_positions import RatioPosition
from actors.rulebooks import spin
from actors.units import E9, INT64_MAX, LONG, SHORT, div_ceil

if TYPE_CHECKING:
    from actors.ratio.book import RatioBook


class MarketTerms(NamedTuple):
    """One market as requirements are made from it; k is `quote_atoms_per_tick_lot`, step_lots what closes at a time."""

    mark_ticks: int
    k: int
    collateral_e9: int
    taker_fee_e9: int
    step_lots: int
    max_position_lots: int
    index_e9: int
    usable: bool


class Terms(dict[int, MarketTerms]):
    """Terms by market, bound at the first question; good for one phase."""

    def __init__(self, book: "RatioBook") -> None:
        super().__init__()
        self._book = book

    def __missing__(self, market: int) -> MarketTerms:
        book, rules = self._book, self._book.markets[market].spin
        found = self[market] = MarketTerms(
            book.mark_ticks(market),
            rules.quote_atoms_per_tick_lot,
            rules.collateral_ratio_e9,
            rules.taker_fee_e9,
            rules.step_lots,
            rules.max_position_lots or INT64_MAX,
            book.index_e9(market),
            book.is_usable(market),
        )
        return found


class Health(NamedTuple):
    """An account: equity and what funding it has accrued in atoms, collateral in 1e-9 atoms, all exact (SP-02, SP-03).

    reserved is what its reservations would need beyond the positions (SP-07).
    """

    equity: int
    accrued: int
    positions_e9: int
    orders_e9: int
    reserved_e9: int

    @property
    def collateral_e9(self) -> int:
        """All that counts in Mr."""
        return self.positions_e9 + self.orders_e9 + self.reserved_e9

    @property
    def is_open(self) -> bool:
        """Mr >= 1 with everything counted (SP-04)."""
        return spin.reaches(self.equity, self.collateral_e9, spin.OPEN_TENTHS)


def health(book: "RatioBook", account: int, terms: Terms) -> Health:
    """The account's sums at the marks in force."""
    equity, accrued, positions_e9, orders_e9, reserved_e9 = book.accounts.free(account), 0, 0, 0, 0
    for market in book.positions.of_account(account):
        row, rules = book.positions.read(account, market), terms[market]
        mark, k, collateral_e9, *_ = rules
        if row.lots:
            owed = accrued_ceil_atoms(row, rules)
            equity += counted_upnl_atoms(row, rules) - owed
            accrued += owed
            positions_e9 += spin.collateral_atoms_e9(row.lots, mark, k, collateral_e9)
        if row.reserved:
            reserved_e9 += spin.collateral_atoms_e9(row.reserved, mark, k, collateral_e9)
        if row.buy_lots or row.sell_lots:
            orders_e9 += orders_collateral_e9(book, row, rules)
    return Health(equity, accrued, positions_e9, orders_e9, reserved_e9)


def accrued_ceil_atoms(row: RatioPosition, terms: MarketTerms) -> int:
    """What the position owes since it last paid, below zero what it gets, rounded up (SP-11)."""
    if row.paid_e9 == terms.index_e9:
        return 0
    return spin.accrued_ceil_atoms(row.lots, row.paid_e9, terms.index_e9, terms.k)


def counted_upnl_atoms(row: RatioPosition, terms: MarketTerms) -> int:
    """uPnL of a position; a gain at a mark that may not be used is none."""
    upnl = spin.upnl_atoms(row.lots, row.cost, terms.mark_ticks, terms.k)
    return upnl if upnl < 0 or terms.usable else 0


def counted_order(number: int, order: BookOrder, mark_ticks: int) -> spin.Order:
    """An order as collateral counts it: at its limit, a market order at the mark (SP-03)."""
    price = mark_ticks if order.flags & MARKET_ORDER else order.limit
    return spin.Order(number, order.side, order.remaining, price)


def counted_orders(book: "RatioBook", account: int, market: int, mark_ticks: int) -> list[spin.Order]:
    """The live orders of an account in a market that may increase its position: no triggers, no reduce-only ones."""
    rows = [(number, book.orders.read(number)) for number in book.orders.of_account_in(account, market)]
    return [counted_order(number, row, mark_ticks) for number, row in rows if row.is_resting and not row.is_reduce_only]


def orders_collateral_e9(book: "RatioBook", row: RatioPosition, terms: MarketTerms) -> int:
    """sum Co of one market, in 1e-9 atoms (SP-03): by the sums of the row where no order reduces in part."""
    _, k, collateral_e9, *_ = terms
    if not book.way.trades_by_row:
        buys = increasing_value_atoms(row, LONG, row.buy_lots, row.buy_value)
        sells = increasing_value_atoms(row, SHORT, row.sell_lots, row.sell_value)
        if buys is not None and sells is not None:
            return (buys + sells) * collateral_e9
    orders = counted_orders(book, row.account, row.market, terms.mark_ticks)
    return spin.order_collateral_atoms_e9(row.lots, orders, k, collateral_e9)


def increasing_value_atoms(row: RatioPosition, side: int, lots: int, value_atoms: int) -> int | None:
    """Value of the increasing orders of a side with these sums; None where only single orders can tell."""
    opposite = -side * row.lots
    if lots <= max(0, opposite):
        return 0
    return value_atoms if opposite <= 0 else None


def required_ceil_atoms(collateral_e9: int) -> int:
    """Collateral as people are told it, rounded up."""
    return div_ceil(collateral_e9, E9)
