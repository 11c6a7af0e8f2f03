"""The backstop of a Margin Trade venue: LP shares of the vault, insurance fund, fees, shortfall (MT-13 to MT-16).

In a round of the ladder it books dues and takes offers; in the last call of a block also operators' deposits and LP
moves, and it accounts for itself.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from actors.backing.desk import BackstopDesk
from actors.backing.funds import book_dues
from actors.backing.shares import move_liquidity, raise_high_nav
from actors.backing.state import BackstopBook
from actors.backing.takeovers import take_offers
from actors.columns import sort_rows
from actors.contract import Actor
from actors.insuring.fund import take_deposits
from actors.sinks import EventSink
from breakwater.v1 import batches_pb2 as batches


class Backstop(Actor):
    """One venue's backstop."""

    call_type = batches.BackstopCall

    def __init__(self, venue: int) -> None:
        super().__init__()
        self._book = BackstopBook(venue)

    def decide(self, call: Any) -> batches.BackstopReply:
        """Works through the call's columns, each in its defined order."""
        book = self._book
        if call.venue.venue == book.venue:
            book.terms.CopyFrom(call.venue)
        book.now_ms = call.header.block_time_ms
        if call.vault.venue == book.venue:
            book.see_vault(call.vault)
        sink = EventSink()
        desk = BackstopDesk(book, call.header.height, call.round, sink)
        book_dues(desk, call.dues)
        take_offers(desk, sort_rows(call.offers, "sequence"), call.offer_positions)
        if not call.round:
            book.see_marks(call.marks)
            raise_high_nav(book)
            take_deposits(desk, sort_rows(call.insurance, "command"))
            move_liquidity(desk, sort_rows(call.liquidity, "command", "account"))
        if call.account:
            desk.publish()
        reply = batches.BackstopReply(height=call.header.height, sums=book.sums())
        sink.put(reply.events)
        desk.answers.put(reply.outcomes)
        desk.legs.put(reply.legs)
        desk.demands.put(reply.demands)
        if call.header.root:
            reply.digest = self.digest()
        return reply

    def query(self, query: bytes) -> bytes:
        """PoolQuery -> BackstopView."""
        request = batches.PoolQuery.FromString(query)
        return self._book.view(self.height, _holders(request.accounts)).SerializeToString()

    def save(self) -> bytes:
        """The book, canonical."""
        return self._book.save()

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        self._book.load(body)


def _holders(accounts: Iterable[int]) -> list[int]:
    return sorted(set(accounts))
