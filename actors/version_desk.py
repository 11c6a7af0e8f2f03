"""The desk of one Perennial market: pins orders to versions, liquidates, settles versions, names debts (PE-03 to 17).

One call a block: debts its shards found, then ops by (class, command), then the versions whose time has come, whether
anybody did anything or not. docs/perennial.md says every step.
"""

from collections.abc import Callable, Sequence
from typing import Any

from actors.columns import rows, sort_rows
from actors.contract import Actor
from actors.versioning.changes import change
from actors.versioning.debts import debt_rows, record_debts, repay
from actors.versioning.desk import Op, VersionWork
from actors.versioning.liquidations import liquidate
from actors.versioning.settling import settle_versions
from actors.versioning.slots import first_slot_after_ms
from actors.versioning.state import VersionBook
from breakwater.v1 import batches_pb2 as batches

_WORKERS: dict[int, Callable[[VersionWork, Op], None]] = {
    batches.VERSION_OP_KIND_CHANGE: change,
    batches.VERSION_OP_KIND_LIQUIDATE: liquidate,
    batches.VERSION_OP_KIND_REPAY: repay,
}


class VersionDesk(Actor):
    """One market's versions."""

    call_type = batches.VersionCall

    def __init__(self, venue: int, market: int) -> None:
        super().__init__()
        self._book = VersionBook(venue, market)

    @property
    def book(self) -> VersionBook:
        """The desk's state, to be read between blocks."""
        return self._book

    def decide(self, call: Any) -> batches.VersionReply:
        """Works through the call's columns, each in its defined order, then settles what is due."""
        book = self._book
        if call.HasField("venue") and call.HasField("market"):
            book.set_terms(call.venue, call.market)
        now_ms = call.header.block_time_ms
        book.next_ms = self._next_slot_ms(now_ms, call.mark.published_ms)
        work = VersionWork(book, now_ms)
        record_debts(work, debt_rows(call.debts))
        for row in rows(sort_rows(call.ops, "class", "command")):
            op = Op(*row)
            _WORKERS[op.kind](work, op)
        reply = batches.VersionReply(height=call.header.height)
        if settle_versions(work, call.mark):
            reply.record.CopyFrom(book.record())
        work.sink.put(reply.events)
        work.answers.put(reply.outcomes)
        work.legs.put(reply.legs)
        reply.sums.CopyFrom(book.sums())
        reply.standings.CopyFrom(work.standings())
        if call.header.root:
            reply.digest = self.digest()
        return reply

    def _next_slot_ms(self, now_ms: int, published_ms: int) -> int:
        """The slot orders of this block are pinned to (PE-04).

        It is later than the block, later than the price that may already be seen where a publisher's clock is ahead,
        and never before a slot that was asked for, though such a price may have gone again.
        """
        slot_ms = first_slot_after_ms(max(now_ms, published_ms), self._book.terms.version_ms)
        return max([slot_ms, *self._book.pending.versions_ms()])

    def query(self, query: bytes) -> bytes:
        """VersionQuery -> VersionView."""
        request = batches.VersionQuery.FromString(query)
        return self._book.view(self.height, request.accounts, request.everyone).SerializeToString()

    def save(self) -> bytes:
        """The book, canonical."""
        return self._book.save()

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        self._book.load(body)
