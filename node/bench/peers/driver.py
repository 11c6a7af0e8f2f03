"""A peer in its own process and its own environment: `python driver.py NAME`. The standard library and the peer only.

On standard input come batches: a number of rows, then seven numbers each (kind, order, account, side, price, lots, time
in force), all int64. The answer to each is the nanoseconds it took, to one of -1 rows the state of the book: orders,
best bid, best ask, lots bid, lots asked.
"""

from __future__ import annotations

import os
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any, BinaryIO

CANCEL, BUY, IOC = 2, 1, 2
COLUMNS = 7
STATE = 5
END = -1

Row = tuple[int, ...]
Call = tuple[Callable[..., Any], tuple[Any, ...]]


class LimitOrderBook:
    """limit-order-book: C++ behind ctypes. A crossing order is its market order: what is left must not rest."""

    def __init__(self) -> None:
        self._book = import_module("limit_order_book").LimitOrderBook()

    def call(self, row: Row) -> Call:
        """What to call for an operation."""
        kind, order, _, side, price, lots, time_in_force = row
        book = self._book
        if kind == CANCEL:
            return book.cancel, (order,)
        if time_in_force == IOC:
            return (book.market_buy if side == BUY else book.market_sell), (order, lots)
        return (book.limit_buy if side == BUY else book.limit_sell), (order, lots, price)

    def state(self) -> list[int]:
        """As in the module's words."""
        book = self._book
        return [book.count(), book.best_buy(), book.best_sell(), book.volume_buy(), book.volume_sell()]


class OrderlyChaos:
    """orderly-chaos: C++ behind ctypes, without trade events."""

    def __init__(self) -> None:
        peer = import_module("orderly_chaos")
        self._book, self._buy, self._sell = peer.LimitOrderBook(), peer.Side.BUY, peer.Side.SELL

    def call(self, row: Row) -> Call:
        """What to call for an operation."""
        kind, order, _, side, price, lots, time_in_force = row
        word = self._buy if side == BUY else self._sell
        if kind == CANCEL:
            return self._book.cancel, (order,)
        if time_in_force == IOC:
            return self._book.market, (word, order, lots)
        return self._book.limit, (word, order, lots, price)

    def state(self) -> list[int]:
        """As in the module's words."""
        book = self._book
        return [book.count(), book.best_buy(), book.best_sell(), book.volume_buy(), book.volume_sell()]


class MatchingEngine:
    """matching-engine: Python, with events and self-trade prevention. Its commands are made before they are timed."""

    def __init__(self) -> None:
        self._domain = import_module("matching_engine.domain")
        self._engine = import_module("matching_engine.engine").MatchingEngine()
        self._sequence = 0

    def call(self, row: Row) -> Call:
        """What to call for an operation."""
        kind, order, account, side, price, lots, time_in_force = row
        words = self._domain
        self._sequence += 1
        if kind == CANCEL:
            command = words.CancelOrder(order, account)
        else:
            word = words.Side.BUY if side == BUY else words.Side.SELL
            within = words.TimeInForce.IOC if time_in_force == IOC else words.TimeInForce.GTC
            prevention = words.SelfTradePrevention.CANCEL_MAKER
            command = words.NewOrder(
                order, account, word, price, lots, words.OrderType.LIMIT, within, False, prevention
            )
        return self._engine.process, (words.SequencedCommand(self._sequence, self._sequence, command),)

    def state(self) -> list[int]:
        """As in the module's words."""
        book, buy = self._engine.book, self._domain.Side.BUY
        lots = {True: 0, False: 0}
        for entry in book.entries():
            lots[entry.side is buy] += entry.qty
        return [len(book), book.best_bid() or 0, book.best_ask() or 0, lots[True], lots[False]]


PEERS = {"limit-order-book": LimitOrderBook, "orderly-chaos": OrderlyChaos, "matching-engine": MatchingEngine}


def batches(source: BinaryIO) -> Iterator[list[Row]]:
    """The batches, until the one of -1 rows."""
    while (count := _numbers(source, 1)[0]) != END:
        flat = _numbers(source, count * COLUMNS)
        yield [tuple(flat[at : at + COLUMNS]) for at in range(0, len(flat), COLUMNS)]


def _numbers(source: BinaryIO, count: int) -> array[int]:
    numbers = array("q")
    numbers.frombytes(source.read(count * numbers.itemsize))
    assert len(numbers) == count, "the bench has gone away"
    return numbers


def main() -> None:
    """Serves the batches of standard input. Whatever the peer prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    peer: Any = PEERS[sys.argv[1]]()
    for rows in batches(sys.stdin.buffer):
        calls = [peer.call(row) for row in rows]
        begun_ns = time.perf_counter_ns()
        for call, arguments in calls:
            call(*arguments)
        answers.write(array("q", [time.perf_counter_ns() - begun_ns]).tobytes())
        answers.flush()
    answers.write(array("q", peer.state()).tobytes())
    answers.flush()


if __name__ == "__main__":
    main()
