"""Legs of books as they move positions: fills, orders that are gone, the cash they earn and cost, and what is told.

One call's legs on one book. Cash of fills is posted in one go, by whoever needs balances to be right before the end.
"""

import numpy as np

from actors.event_rows import body_number
from actors.legs import kernel
from actors.legs.runs import COMMAND_BITS, Int64Array, Run, free_of
from actors.orders.book import OrderedBook
from actors.rulebooks import margin_trade
from actors.sinks import SETTLE, EventSink
from actors.units import mul_div_floor

# The class under which positions are told, after every class of a desk.
TOLD_CLASS = 15
_UPDATED_BODY = body_number("position_updated")


class Move:
    """What one call's legs did to one position: atoms realised and fees paid."""

    __slots__ = ("fee", "liquidation_fee", "realised")

    def __init__(self) -> None:
        self.realised = 0
        self.fee = 0
        self.liquidation_fee = 0


class Moves:
    """The positions one call moves, with what is not posted yet."""

    def __init__(self, book: OrderedBook, sink: EventSink) -> None:
        self._positions = book.positions
        self.book = book
        self._sink = sink
        self.moves: dict[tuple[int, int], Move] = {}
        # What fills earned and cost, not posted yet.
        self._cash: dict[int, int] = {}

    def fill(self, account: int, market: int, order: int, lots: int, quote: int, fees: tuple[int, int]) -> None:
        """FILL: the position, what is left of the order, the trading and the liquidation fee."""
        move = self.move(account, market, lots, quote)
        if self.has_row(account, order):
            self.book.fill_order(order, abs(lots))
        else:
            self.fill_without_row(account)
        fee, liquidation_fee = fees
        move.fee += fee
        move.liquidation_fee += liquidation_fee
        self._cash[account] -= fee + liquidation_fee

    def gone(self, account: int, market: int, order: int) -> None:
        """GONE: the order leaves the table."""
        if self.has_row(account, order):
            self.book.remove_order(order)
        else:
            self.gone_without_row(account, market)

    def move(self, account: int, market: int, lots: int, quote: int) -> Move:
        """The position moves by lots at a quote; what it realises is cash. Returns the record of it."""
        held, cost = self._positions.position(account, market)
        after = position_after(held, cost, lots, quote)
        self._positions.move(account, market, after.lots, after.cost_atoms)
        realised = after.realised_atoms
        self._cash[account] = self._cash.get(account, 0) + realised
        move = self.moves.get((account, market))
        if move is None:
            move = self.moves[account, market] = Move()
        move.realised += realised
        return move

    def post_cash(self) -> None:
        """What fills left to post is cash of the accounts from here on."""
        for account, atoms in self._cash.items():
            self.book.accounts.post(account, free=atoms)
        self._cash.clear()

    def has_row(self, account: int, order: int) -> bool:
        """It is an order of the account's own that still counts.

        One that was amended to fewer lots in the very block in which the book filled it has no row any more: its first
        fills have used it up, the others only move the position.
        """
        assert order >> COMMAND_BITS <= self.book.height, f"order {order} of account {account} is of a later block"
        return order in self.book.orders

    def fill_without_row(self, account: int) -> None:
        """A fill came for an order that is in no table."""

    def gone_without_row(self, account: int, market: int) -> None:
        """An order is gone that is in no table."""

    def told_under(self, account: int, market: int) -> tuple[int, int, int, int]:
        """The sort key of the position's event."""
        return (SETTLE, self.book.venue << 8 | TOLD_CLASS, account, market)

    def told_under_many(self, accounts: Int64Array, markets: Int64Array) -> Int64Array:
        """`told_under` of equally long columns, a key a column."""
        return key_columns(SETTLE, self.book.venue << 8 | TOLD_CLASS, accounts, markets)

    def tell_run(self, run: Run) -> None:
        """One event for each position that a run of legs moved."""
        told = run.done[:, [kernel.REALISED, kernel.FEE, kernel.LIQUIDATION_FEE]]
        fields = np.column_stack((run.lots, run.cost_atoms, told, free_of(self.book, run.accounts)))
        keys = self.told_under_many(run.accounts, run.markets)
        self._sink.emit_rows(keys, _UPDATED_BODY, self.book.venue, run.markets, run.accounts, fields)

    def tell(self) -> None:
        """One event for each position that moved, after all legs of the call."""
        venue, accounts = self.book.venue, self.book.accounts
        for (account, market), move in sorted(self.moves.items()):
            lots, cost = self._positions.position(account, market)
            fields = (lots, cost, move.realised, move.fee, move.liquidation_fee, accounts.free(account))
            self._sink.emit_row(self.told_under(account, market), _UPDATED_BODY, venue, market, account, fields)


def key_columns(phase: int, a: int, b: Int64Array, c: Int64Array) -> Int64Array:
    """Sort keys that differ in their last two numbers."""
    keys = np.empty((4, b.size), dtype=np.int64)
    keys[0], keys[1], keys[2], keys[3] = phase, a, b, c
    return keys


def position_after(lots: int, cost_atoms: int, moved_lots: int, quote_atoms: int) -> margin_trade.Fill:
    """The position after moving by lots at one price: it closes first, then opens; quote is signed like the lots.

    Released cost is rounded down and the last lot releases what is left; cash less cost moves by -quote, exactly.
    """
    if lots * moved_lots >= 0:
        return margin_trade.Fill(lots + moved_lots, cost_atoms + quote_atoms, 0)
    closing = margin_trade.closing_lots(lots, moved_lots)
    closing_quote = mul_div_floor(quote_atoms, abs(closing), abs(moved_lots))
    assert closing_quote * moved_lots == quote_atoms * closing, "a move that turns a position is not at one price"
    closed = margin_trade.close_at_quote(lots, cost_atoms, closing, -closing_quote)
    opened_quote = quote_atoms - closing_quote
    return margin_trade.Fill(lots + moved_lots, closed.cost_atoms + opened_quote, closed.realised_atoms)
