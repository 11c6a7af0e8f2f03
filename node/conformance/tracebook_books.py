"""The referee's events on our books, one book a symbol: decimals to ticks and lots, and back for what it compares."""

from __future__ import annotations

import hashlib
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

import orjson

from actors.matching.book import MatchingBook
from actors.matching.words import (
    AMEND,
    BUY,
    CANCEL,
    CANCEL_ACCOUNT,
    EXPIRE_MAKER,
    EXPIRE_TAKER,
    FILL,
    FOK,
    GTC,
    IOC,
    MARKET,
    PLACE,
    PRICE_TICKS_MAX,
    SELL,
    TRADE_WITH_SELF,
    Operations,
)

NOT_ACTIVE: Final = "ORDER_NOT_ACTIVE"
DUPLICATE_ID: Final = "DUPLICATE_ORDER_ID"
INVALID_ORDER: Final = "INVALID_ORDER"
INVALID_REPLACEMENT: Final = "INVALID_REPLACEMENT"
# An order of nobody never meets itself.
NO_OWNER: Final = -1
# Sums over a level stay far inside 64 bits.
LOTS_MAX: Final = 1 << 56

_SIDES: Final = {"BUY": BUY, "SELL": SELL}
_TIMES_IN_FORCE: Final = {"LIMIT": GTC, "MARKET": IOC, "IOC": IOC, "FOK": FOK}
_SELF_TRADE: Final = {"NONE": TRADE_WITH_SELF, "CANCEL_RESTING": EXPIRE_MAKER, "CANCEL_INCOMING": EXPIRE_TAKER}


class Unsupported(Exception):
    """A configuration that asks for another matching than ours."""


class Books:
    """All symbols of one trace."""

    def __init__(self, config: dict[str, Any]) -> None:
        if config.get("matching_algorithm", "fifo") != "fifo":
            raise Unsupported("the book matches by price and time only")
        self._tick = Decimal(str(config.get("tick_size", "0.01")))
        self._lot = Decimal(1).scaleb(-int(config.get("quantity_decimal_places", 12)))
        self._self_trade = _SELF_TRADE[config.get("self_trade_policy", "NONE")]
        self._books: dict[str, MatchingBook] = {}
        self._accounts: dict[int, int] = {}
        self._owners: list[int] = []

    def apply(self, event: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """Does one event; (why it was rejected or "", its trades in their order)."""
        symbol, name = event["symbol"], event["op"]
        if name in ("new", "clear"):
            book = self._books.setdefault(symbol, MatchingBook())
            reason, rows = self._new(book, event) if name == "new" else self._clear(book)
        else:
            book = self._books.get(symbol, MatchingBook())
            order = book.order(event["order_id"])
            if order is None:
                return NOT_ACTIVE, []
            target = {"order": order[0], "account": order[1]}
            if name == "cancel":
                reason, rows = _done(book, {**target, "kind": CANCEL})
            elif name == "reduce":
                reason, rows = self._reduce(book, order, target, event)
            else:
                reason, rows = self._replace(book, order, target, event)
        return reason, [self._trade(symbol, row) for row in rows if row[1] == FILL]

    def order_count(self) -> int:
        """Orders resting in all books."""
        return sum(len(book) for book in self._books.values())

    def state(self) -> dict[str, Any]:
        """Every resting order by priority, the symbols in their order."""
        books = []
        for symbol in sorted(self._books):
            rows = self._books[symbol].dump().tolist()
            sides = {key: [self._resting(row) for row in rows if row[2] == side] for key, side in _STATE_SIDES}
            books.append({"symbol": symbol, **sides})
        return {"books": books}

    def digest(self) -> str:
        """SHA-256 of the state as JSON with sorted keys."""
        return hashlib.sha256(orjson.dumps(self.state(), option=orjson.OPT_SORT_KEYS)).hexdigest()

    def _new(self, book: MatchingBook, event: dict[str, Any]) -> _Answer:
        if book.order(event["order_id"]) is not None:
            return DUPLICATE_ID, []
        side, kind = _SIDES[event["side"]], event["order_type"]
        price_ticks = self._ticks(event["price"]) if kind != "MARKET" else PRICE_TICKS_MAX if side == BUY else 1
        lots = self._lots(event["quantity"])
        if price_ticks is None or lots is None:
            return INVALID_ORDER, []
        flags = {"flags": MARKET if kind == "MARKET" else 0, "time_in_force": _TIMES_IN_FORCE[kind]}
        return _done(book, {**self._place(event["order_id"], event["owner"], side, price_ticks, lots), **flags})

    def _clear(self, book: MatchingBook) -> _Answer:
        accounts = sorted({row[1] for row in book.dump().tolist()})
        return _done(book, *({"kind": CANCEL_ACCOUNT, "account": account} for account in accounts))

    def _reduce(self, book: MatchingBook, order: _Order, target: dict[str, int], event: dict[str, Any]) -> _Answer:
        lots = self._lots(event["quantity"])
        if lots is None or lots > order[4]:
            return INVALID_ORDER, []
        amend = {"kind": AMEND, "price_ticks": order[3], "size_lots": order[4] - lots, "expected_lots": order[4]}
        return _done(book, {**target, **amend})

    def _replace(self, book: MatchingBook, order: _Order, target: dict[str, int], event: dict[str, Any]) -> _Answer:
        """Always behind the others. An amendment of ours that only shrinks would stay: there it is cancel and new."""
        price_ticks = order[3] if event["price"] is None else self._ticks(event["price"])
        lots = order[4] if event["quantity"] is None else self._lots(event["quantity"])
        if price_ticks is None or lots is None:
            return INVALID_REPLACEMENT, []
        if price_ticks == order[3] and lots < order[4]:
            place = self._place(order[0], self._owners[order[1]], order[2], price_ticks, lots)
            return _done(book, {**target, "kind": CANCEL}, place)
        amend = {"kind": AMEND, "price_ticks": price_ticks, "size_lots": lots, "expected_lots": order[4]}
        return _done(book, {**target, **amend})

    def _place(self, order_id: int, owner: int, side: int, price_ticks: int, lots: int) -> dict[str, int]:
        if owner not in self._accounts:
            self._accounts[owner] = len(self._owners)
            self._owners.append(owner)
        return {
            **{"kind": PLACE, "order": order_id, "account": self._accounts[owner], "side": side},
            **{"price_ticks": price_ticks, "size_lots": lots},
            "self_trade": TRADE_WITH_SELF if owner == NO_OWNER else self._self_trade,
        }

    def _ticks(self, price: float | str) -> int | None:
        """The nearest tick, a half to the even one; None where there is none above zero or within our bounds."""
        ticks = int((Decimal(str(price)) / self._tick).to_integral_value(ROUND_HALF_EVEN))
        return ticks if 0 < ticks <= PRICE_TICKS_MAX else None

    def _lots(self, quantity: float | str) -> int | None:
        lots = int((Decimal(str(quantity)) / self._lot).to_integral_value(ROUND_HALF_EVEN))
        return lots if 0 < lots <= LOTS_MAX else None

    def _trade(self, symbol: str, row: _Order) -> dict[str, Any]:
        maker_buys = row[6] == BUY
        return {
            "symbol": symbol,
            "buy_order_id": row[2] if maker_buys else row[4],
            "sell_order_id": row[4] if maker_buys else row[2],
            "price": _text(row[7] * self._tick),
            "quantity": _text(row[8] * self._lot),
        }

    def _resting(self, row: list[int]) -> dict[str, Any]:
        return {
            "order_id": row[0],
            "price": _text(row[3] * self._tick),
            "remaining_quantity": _text(row[4] * self._lot),
            "owner": self._owners[row[1]],
            "order_type": "LIMIT",
        }


_Order = tuple[int, ...]
_Answer = tuple[str, list[_Order]]
_STATE_SIDES: Final = (("bids", BUY), ("asks", SELL))


def _done(book: MatchingBook, *operations: dict[str, int]) -> _Answer:
    return "", book.match(Operations.of_rows(operations)).rows()


def _text(number: Decimal) -> str:
    """Without exponent and without zeros behind the last digit."""
    return format(number.normalize(), "f")
