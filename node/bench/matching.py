"""The order book on the mixed flow: 60% passive orders, 30% cancels, 10% that cross, in batches of 1,000.

Caps, self-trade prevention and result rows are on. Every peer that is installed gets the same operations in a process
of its own, one call each, and must end with the same book. They take turns, so that whatever else the machine does is
in all of them.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np

from actors.matching.book import MatchingBook
from actors.matching.words import BUY, CANCEL, EXPIRE_MAKER, GTC, IOC, PLACE, RESTED, SELL, UNKNOWN, Caps, Operations
from node.bench.peers.contest import Contestant, contesting
from node.bench.peers.environments import LIMIT_ORDER_BOOK, MATCHING_ENGINE, ORDERLY_CHAOS, NoPeer
from node.bench.table import Row
from node.bench.timing import percentile

BATCH = 1_000
FILLING_BATCHES = 10
WARM_BATCHES = 10
REACH_NS = 200.0
# The fastest peer that can be called from Python takes so many times as long, or more.
TIMES_FASTER = 5.0
BOOKS = (LIMIT_ORDER_BOOK, ORDERLY_CHAOS, MATCHING_ENGINE)
NAME = f"matching, mixed flow of {BATCH:,} operations, caps and self-trade prevention on"
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
    """Ours, then beside every peer; a quick run takes fewer batches."""
    flow = mixed_flow(WARM_BATCHES + (30 if quick else 200))
    with ExitStack() as stack:
        contestants, absent = [], {}
        for peer in BOOKS:
            try:
                contestants.append(stack.enter_context(contesting(peer.installed(), peer.name)))
            except NoPeer as reason:
                absent[peer.name] = str(reason)
        ours_ns, theirs_ns = measured(flow, contestants)
    yield Row(NAME, ours_ns, "ns/op", REACH_NS)
    for peer in BOOKS:
        title = f"{NAME}, beside {peer.name}"
        if peer.name in absent:
            yield Row(title, ours_ns, "ns/op", None, f"{peer.title}: {absent[peer.name]}")
        else:
            fifth_ns = theirs_ns[peer.name] / TIMES_FASTER
            yield Row(title, ours_ns, "ns/op", fifth_ns, f"{peer.title}, one call an operation", theirs_ns[peer.name])


def kernel_ns(batches: int) -> float:
    """Nanoseconds an operation of ours, alone."""
    return measured(mixed_flow(WARM_BATCHES + batches), ())[0]


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


def measured(flow: Flow, contestants: Sequence[Contestant]) -> tuple[float, dict[str, float]]:
    """Nanoseconds an operation, the median over batches: ours, and each contestant's. All must end with our book."""
    book = MatchingBook()
    ours_ns: list[float] = []
    theirs_ns: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    for first in range(0, len(flow.batches), _TURN_BATCHES):
        turn = flow.batches[first : first + _TURN_BATCHES]
        timed = [_ours(book, ops, flow.caps) for ops in turn]
        ours_ns += [taken_ns for taken_ns, _ in timed]
        for contestant in contestants:
            for ops, (_, places) in zip(turn, timed, strict=True):
                theirs_ns[contestant.name].append(contestant.turn(_rows(ops, places)) / len(places))
    ends = {contestant.name: contestant.state() for contestant in contestants}
    ours = (len(book), book.best_bid_ticks(), book.best_ask_ticks(), book.open_lots(BUY), book.open_lots(SELL))
    for name, theirs in ends.items():
        assert ours == theirs, f"the books differ: ours {ours}, that of {name} {theirs}"
    before = FILLING_BATCHES + WARM_BATCHES
    medians = {name: percentile(taken_ns[before:], 50) for name, taken_ns in theirs_ns.items()}
    return percentile(ours_ns[before:], 50), medians


def _ours(book: MatchingBook, ops: Operations, caps: Caps) -> tuple[float, np.ndarray]:
    """(ns an operation, the operations that found what they were about)."""
    begun_ns = time.perf_counter_ns()
    results = book.match(ops, caps)
    taken_ns = time.perf_counter_ns() - begun_ns
    return taken_ns / BATCH, np.delete(np.arange(BATCH), results.op[results.type == UNKNOWN])


def _rows(ops: Operations, places: np.ndarray) -> np.ndarray:
    """As a driver reads them. A cancel that finds nothing would end some of the peers, so those are left out."""
    columns = (ops.kind, ops.order, ops.account, ops.side, ops.price_ticks, ops.size_lots, ops.time_in_force)
    return np.stack([column[places] for column in columns], axis=1)
