"""The pool: desk of a Twilight venue, counterparty of every position, kept to exact totals (TW-15 to TW-19).

It takes the block's work in one order: funding, seizures, closes, LP moves, opens, then accounts for itself.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from actors.columns import sort_rows
from actors.contract import Actor
from actors.pooling.state import PoolBook
from actors.pooling.work import Desk
from actors.risk.tradable import halt_age_in_force_ms
from actors.sinks import AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import snapshots_pb2 as snapshots


class Pool(Actor):
    """One venue's pool: shares, NAV, totals by market, claims."""

    call_type = batches.DeskCall

    def __init__(self, venue: int) -> None:
        super().__init__()
        self._book = PoolBook(venue)

    def decide(self, call: Any) -> batches.DeskReply:
        """Works through the call's columns, each in its defined order."""
        book = self._book
        for terms in call.changes.venues:
            if terms.venue == book.venue:
                book.terms.CopyFrom(terms)
        for market in call.changes.markets:
            if market.venue == book.venue:
                age_ms = halt_age_in_force_ms(market.halted, market.oracle.halt_age_ms)
                book.halt_age_ms[market.market] = age_ms
        self._take_marks(call)
        sink = EventSink()
        answers = AnswerSink(sink)
        desk = Desk(book, sink, answers, call.header.height, self.way)
        desk.fund(call.funding)
        desk.seize(sort_rows(call.seizures, "sequence"))
        desk.close(sort_rows(call.closes, "class", "level_ticks", "command", "position"))
        desk.move_liquidity(sort_rows(call.liquidity, "command"))
        desk.open(sort_rows(call.opens, "class", "level_ticks", "command", "order"))
        if call.account:
            desk.publish()
        reply = batches.DeskReply(height=call.header.height, legs=desk.legs.message(), sums=book.sums())
        sink.put(reply.events)
        answers.put(reply.outcomes)
        reply.totals.extend(book.totals[market] for market in sorted(book.totals))
        if call.header.root:
            reply.digest = self.digest()
        return reply

    def _take_marks(self, call: batches.DeskCall) -> None:
        for mark in call.marks:
            if mark.venue == self._book.venue:
                self._book.marks[mark.market] = deepcopy(mark)

    def query(self, query: bytes) -> bytes:
        """PoolQuery -> PoolView."""
        request = batches.PoolQuery.FromString(query)
        return self._book.view(self.height, _holders(request.accounts)).SerializeToString()

    def save(self) -> bytes:
        """The book, canonical."""
        return self._book.save().SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        self._book.load(snapshots.PoolState.FromString(body))


def _holders(accounts: Iterable[int]) -> list[int]:
    return sorted(set(accounts))
