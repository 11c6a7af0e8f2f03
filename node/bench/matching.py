"""The order book on the mixed flow: 60% passive orders, 30% cancels, 10% that cross, in batches of 1,000.

Caps, self-trade prevention and result rows are on. The peer, limit-order-book 2.0.0 (C++), gets the same operations one
call each, has neither, and must end with the same book. It is not among our requirements: where it cannot be imported
the row says so.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from actors.matching.book import MatchingBook
from actors.matching.words import BUY, CANCEL, EXPIRE_MAKER, GTC, IOC, PLACE, RESTED, SELL, UNKNOWN, Caps, Operations
from node.bench.table import Row
from node.bench.timing import percentile

BATCH = 1_000
FILLING_BATCHES = 10
WARM_BATCHES = 10
REACH_NS = 200.0
_TURN_BATCHES = 20
_SEED = 11
_MIDDLE_TICKS = 100_000
_MEAN_DISTANCE_TICKS = 40
_PROTECTION_TICKS = 5_000
_MAKERS = 1_000
_TAKERS = 200
_LOTS_MAX = 100
# Enough to meet three makers on average: then the book neither grows nor shrinks.
_CROSSING_LOTS_MAX = 300
_POSITION_LOTS = 1 << 40


class Flow(NamedTuple):
    """The batches, the first of which only fill the book, and who is capped."""

    batches: list[Operations]
    caps: Caps


def rows(quick: bool) -> Iterator[Row]:
    """One row; a quick run takes fewer batches."""
    yield matching_row(30 if quick else 200)


def matching_row(batches: int) -> Row:
    """Nanoseconds an operation, the median over batches, for both books; they must end alike."""
    name = f"matching, mixed flow of {BATCH:,} operations, caps and self-trade prevention on"
    try:
        peer = import_module("limit_order_book").LimitOrderBook()
    except ImportError:
        peer = None
    ours_ns, theirs_ns = _measured(mixed_flow(WARM_BATCHES + batches), peer)
    if peer is None:
        return Row(name, ours_ns, "ns/op", REACH_NS, "limit-order-book not run: not installed")
    return Row(name, ours_ns, "ns/op", REACH_NS, "limit-order-book, one call an operation", theirs_ns)


def kernel_ns(batches: int) -> float:
    """Nanoseconds an operation of ours, alone."""
    return _measured(mixed_flow(WARM_BATCHES + batches), None)[0]


class _Draw:
    """The flow drawn batch by batch. A book of our own is led along: cancels name orders that rest."""

    def __init__(self) -> None:
        self._random = random.Random(_SEED)
        self._book = MatchingBook()
        self._owners: dict[int, int] = {}
        self._resting: list[int] = []
        self._number = 0
        takers = np.arange(_MAKERS, _MAKERS + _TAKERS, 5, dtype=np.int64)
        makers = np.arange(0, _MAKERS, 10, dtype=np.int64)
        # Takers fail margin and reduce, for longer than the flow lasts; of makers the position is only kept.
        self.caps = Caps(
            np.concatenate([makers, takers]),
            np.concatenate([makers * 0, -_taker_side(takers) * _POSITION_LOTS]),
            np.concatenate([makers * 0, takers * 0 + 1]),
        )

    def batch(self, passive: float, cancels: float) -> Operations:
        """These shares of passive orders and cancels; the rest crosses. Orders never meet their own account."""
        drawn = [self._operation(self._random.random(), passive, passive + cancels) for _ in range(BATCH)]
        ops = Operations.of_rows(drawn)
        for _, kind, order, account, *_, remaining, _, _ in self._book.match(ops, self.caps).rows():
            if kind == RESTED:
                self._owners[order] = account
                self._resting.append(order)
            elif remaining == 0:
                self._owners.pop(order, None)
        return ops

    def _operation(self, kind: float, passive: float, not_crossing: float) -> dict[str, int]:
        self._number += 1
        draw = self._random
        if kind < passive:
            side = draw.choice((BUY, SELL))
            price_ticks = _MIDDLE_TICKS - side * (1 + int(draw.expovariate(1 / _MEAN_DISTANCE_TICKS)))
            return self._order(draw.randrange(_MAKERS), side, price_ticks, draw.randint(1, _LOTS_MAX), GTC)
        if kind < not_crossing:
            order = self._one_resting()
            return {"kind": CANCEL, "order": order, "account": self._owners.pop(order)}
        taker = _MAKERS + draw.randrange(_TAKERS)
        side = int(_taker_side(taker))
        lots = draw.randint(1, _CROSSING_LOTS_MAX)
        return self._order(taker, side, _MIDDLE_TICKS + side * _PROTECTION_TICKS, lots, IOC)

    def _order(self, account: int, side: int, price_ticks: int, lots: int, time_in_force: int) -> dict[str, int]:
        return {
            **{"kind": PLACE, "order": self._number, "account": account, "side": side, "price_ticks": price_ticks},
            **{"size_lots": lots, "time_in_force": time_in_force, "self_trade": EXPIRE_MAKER},
        }

    def _one_resting(self) -> int:
        while True:
            place = self._random.randrange(len(self._resting))
            self._resting[place], self._resting[-1] = self._resting[-1], self._resting[place]
            order = self._resting.pop()
            if order in self._owners:
                return order


def _taker_side(account: Any) -> Any:
    """One half of the takers buys, the other sells."""
    return np.where(np.asarray(account) % 2 == 0, BUY, SELL)


def mixed_flow(batches: int) -> Flow:
    """Ten batches of passive orders, then the mixed ones, from one seed."""
    draw = _Draw()
    filling = [draw.batch(1.0, 0.0) for _ in range(FILLING_BATCHES)]
    return Flow(filling + [draw.batch(0.6, 0.3) for _ in range(batches)], draw.caps)


def _measured(flow: Flow, peer: Any) -> tuple[float, float]:
    """(ours, the peer's or 0). They take turns, so that whatever else the machine does is in both."""
    book = MatchingBook()
    ours_ns: list[float] = []
    theirs_ns: list[float] = []
    for first in range(0, len(flow.batches), _TURN_BATCHES):
        turn = flow.batches[first : first + _TURN_BATCHES]
        timed = [_ours(book, ops, flow.caps) for ops in turn]
        ours_ns += [taken_ns for taken_ns, _ in timed]
        if peer is not None:
            theirs_ns += [_theirs(peer, ops, places) for ops, (_, places) in zip(turn, timed, strict=True)]
    before = FILLING_BATCHES + WARM_BATCHES
    if peer is None:
        return percentile(ours_ns[before:], 50), 0.0
    _same_book(book, peer)
    return percentile(ours_ns[before:], 50), percentile(theirs_ns[before:], 50)


def _ours(book: MatchingBook, ops: Operations, caps: Caps) -> tuple[float, np.ndarray]:
    """(ns an operation, the operations that found what they were about)."""
    begun_ns = time.perf_counter_ns()
    results = book.match(ops, caps)
    taken_ns = time.perf_counter_ns() - begun_ns
    return taken_ns / BATCH, np.delete(np.arange(BATCH), results.op[results.type == UNKNOWN])


def _theirs(peer: Any, ops: Operations, places: np.ndarray) -> float:
    """Ns an operation. A cancel that finds nothing would abort the process, so those are left out.

    A crossing order is its market order, since what is left must not rest.
    """
    calls = _calls(peer, ops, places)
    begun_ns = time.perf_counter_ns()
    for call, arguments in calls:
        call(*arguments)
    return (time.perf_counter_ns() - begun_ns) / len(calls)


def _calls(peer: Any, ops: Operations, places: np.ndarray) -> list[tuple[Any, tuple[int, ...]]]:
    limit = {BUY: peer.limit_buy, SELL: peer.limit_sell}
    market = {BUY: peer.market_buy, SELL: peer.market_sell}
    columns = (ops.kind, ops.order, ops.side, ops.size_lots, ops.price_ticks, ops.time_in_force)
    calls: list[tuple[Any, tuple[int, ...]]] = []
    for kind, order, side, lots, price_ticks, time_in_force in zip(*(c[places].tolist() for c in columns), strict=True):
        if kind == CANCEL:
            calls.append((peer.cancel, (order,)))
        elif time_in_force == IOC:
            calls.append((market[side], (order, lots)))
        else:
            calls.append((limit[side], (order, lots, price_ticks)))
    return calls


def _same_book(book: MatchingBook, peer: Any) -> None:
    ours = (len(book), book.best_bid_ticks(), book.best_ask_ticks(), book.open_lots(BUY), book.open_lots(SELL))
    theirs = (peer.count(), peer.best_buy(), peer.best_sell(), peer.volume_buy(), peer.volume_sell())
    assert ours == theirs, f"the books differ: ours {ours}, the peer's {theirs}"
