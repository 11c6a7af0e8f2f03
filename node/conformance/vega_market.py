"""One market of a Vega scenario on our own order book and average-price accounting; marks are last trades.

The opening auction is emulated: its orders cross at one price when it ends. Margins, fees and pegged orders are not.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from actors.matching import words
from actors.matching.book import MatchingBook
from actors.rulebooks import margin_trade_exact
from actors.rulebooks.margin_trade_exact import Position

STATUS_OF_REASON = {
    words.USER: "STATUS_CANCELLED",
    words.IOC_REST: "STATUS_PARTIALLY_FILLED",
    words.AMENDED_AWAY: "STATUS_CANCELLED",
}
TIMES_IN_FORCE = {"TIF_GTC": words.GTC, "TIF_GTT": words.GTC, "TIF_IOC": words.IOC, "TIF_FOK": words.FOK}


class Trade(NamedTuple):
    """One trade as the scenarios name it."""

    buyer: str
    seller: str
    price: int
    size: int


class Peg(NamedTuple):
    """A pegged order: not placed here, remembered so that its row in a book can be told."""

    side: int
    reference: str
    offset: int


@dataclass(slots=True)
class Order:
    """An order over its life: the total size, what of it was filled, and its present price and status."""

    number: int
    party: str
    side: int
    price: int
    size: int
    time_in_force: int
    flags: int
    filled: int = 0
    status: str = "STATUS_ACTIVE"


class VegaMarket:
    """A market from its opening auction on."""

    def __init__(self) -> None:
        self.book = MatchingBook()
        self.trades: list[Trade] = []
        self.pegs: list[Peg] = []
        self.mark = 0
        self._in_auction = True
        self._orders: list[Order] = []
        self._references: dict[tuple[str, str], Order] = {}
        self._parties: list[str] = []
        self._positions: dict[str, Position] = {}

    def place(self, party: str, side: int, price: int, size: int, kind: str, flags: int, reference: str) -> None:
        """A new order; `kind` is its time in force. In the auction it waits for the end. A reference may come again."""
        order = Order(len(self._orders) + 1, party, side, price, size, TIMES_IN_FORCE[kind], flags)
        self._orders.append(order)
        self._references[party, reference] = order
        if party not in self._parties:
            self._parties.append(party)
        if not self._in_auction:
            self._send_new(order, price)

    def amend(self, party: str, reference: str, price: int, size: int) -> bool:
        """The order's new price (0: as it was) and total size; False where we refuse: not live, or size <= filled."""
        order = self._references.get((party, reference))
        if order is None or order.status != "STATUS_ACTIVE" or size <= order.filled:
            return False
        order.price, order.size = price or order.price, size
        if not self._in_auction:
            self._send(order, words.AMEND, order.price, order.size - order.filled)
        return True

    def cancel(self, party: str, reference: str) -> None:
        """Takes the order out, if it is live."""
        order = self._references.get((party, reference))
        if order is not None and order.status == "STATUS_ACTIVE":
            if self._in_auction:
                order.status = "STATUS_CANCELLED"
            else:
                self._send(order, words.CANCEL, 0, 0)

    def end_auction(self) -> None:
        """Orders that cross do so at one price, the rest comes to stand at its own; then trading is continuous."""
        self._in_auction = False
        waiting = [order for order in self._orders if order.status == "STATUS_ACTIVE"]
        price = auction_price(waiting)
        best_first = sorted(waiting, key=lambda order: (-order.side * order.price, order.number))
        crossing = [order for order in best_first if price and order.side * (order.price - price) >= 0]
        for order in crossing:
            self._send_new(order, price)
        for order in crossing:
            if order.status == "STATUS_ACTIVE" and order.price != price:
                self._send(order, words.AMEND, order.price, order.size - order.filled)
        for order in waiting:
            if order not in crossing:
                self._send_new(order, order.price)

    def order(self, party: str, reference: str) -> Order | None:
        """The last order a party gave this reference."""
        return self._references.get((party, reference))

    def position(self, party: str) -> Position:
        """Size, cost and realised profit; nothing for who never traded."""
        return self._positions.get(party, Position())

    def settle(self, price: int) -> None:
        """An expiry: every profit at the settlement price is realised."""
        self.mark = price
        for party, held in self._positions.items():
            gained = margin_trade_exact.upnl(held.size, held.cost, Fraction(price))
            self._positions[party] = Position(held.size, held.cost + gained, held.realised + gained)

    def depth(self, side: int) -> dict[int, int]:
        """Lots by price of one side."""
        return {price: lots for price, lots, _ in self.book.depth(side, len(self.book) + 1)}

    def is_pegged(self, side: int, price: int) -> bool:
        """Whether a pegged order stands at this price, offset from the best of our own book."""
        best = {"BID": self.book.best_bid_ticks(), "ASK": self.book.best_ask_ticks()}
        pegs = [peg for peg in self.pegs if peg.side == side and best[peg.reference]]
        return any(best[peg.reference] - side * peg.offset == price for peg in pegs)

    def _send_new(self, order: Order, price: int) -> None:
        self._send(order, words.PLACE, price, order.size)

    def _send(self, order: Order, kind: int, price: int, size: int) -> None:
        """One operation on the book, and what came of it for all orders and positions."""
        row = {
            "kind": kind,
            "order": order.number,
            "account": self._parties.index(order.party),
            "side": order.side,
            "price_ticks": price,
            "size_lots": size,
            "expected_lots": order.size - order.filled,
            "time_in_force": order.time_in_force,
            "flags": order.flags,
            "self_trade": words.EXPIRE_TAKER,
        }
        for result in self.book.match(words.Operations.of_rows([row]), self._caps()).rows():
            self._take(dict(zip(words.Results._fields, result, strict=True)))
        self.mark = self.book.last_trade_ticks() or self.mark

    def _take(self, row: dict[str, int]) -> None:
        """One result row."""
        order, price, lots = self._orders[row["order"] - 1], row["price_ticks"], row["lots"]
        if row["type"] == words.FILL:
            taker = self._orders[row["other_order"] - 1]
            self._fill(order, price, lots)
            self._fill(taker, price, lots)
            buyer, seller = (order, taker) if order.side == words.BUY else (taker, order)
            self.trades.append(Trade(buyer.party, seller.party, price, lots))
        elif row["type"] == words.DONE:
            order.status = STATUS_OF_REASON.get(row["reason"], "STATUS_STOPPED")

    def _fill(self, order: Order, price: int, lots: int) -> None:
        order.filled += lots
        if order.filled == order.size:
            order.status = "STATUS_FILLED"
        held = self.position(order.party)
        self._positions[order.party] = margin_trade_exact.after_fill(held, Fraction(order.side * lots), Fraction(price))

    def _caps(self) -> words.Caps:
        """Everybody's position, so that reduce-only orders know what they may reduce; nobody fails margin."""
        sizes = [int(self.position(party).size) for party in self._parties]
        count = np.arange(len(sizes), dtype=np.int64)
        return words.Caps(count, np.array(sizes, dtype=np.int64), np.zeros(len(sizes), dtype=np.int64))


def auction_price(orders: Sequence[Order]) -> int:
    """The middle, rounded down, of the prices at which most lots cross; 0 where none do."""

    def volume(price: int) -> int:
        bought = sum(order.size for order in orders if order.side == words.BUY and order.price >= price)
        sold = sum(order.size for order in orders if order.side == words.SELL and order.price <= price)
        return min(bought, sold)

    prices = sorted({order.price for order in orders})
    most = max(map(volume, prices), default=0)
    best = [price for price in prices if volume(price) == most]
    return (best[0] + best[-1]) // 2 if most else 0
