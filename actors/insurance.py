"""The insurance desk of a Spin venue: fees, funding on its way, the insurance fund, the shortfall (SP-08, SP-09).

It is called once in every block, after shards and books. Claims come when everything else of the block is booked, so
that a fund fed in this very block pays them.
"""

from collections.abc import Sequence
from typing import Any

from actors.columns import sort_rows
from actors.contract import Actor
from actors.insuring.claims import work_claims
from actors.insuring.desk import InsuranceBook, InsuranceDesk
from actors.insuring.fund import dues_by_kind, take_deposits
from actors.sinks import EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import snapshots_pb2 as snapshots


class Insurance(Actor):
    """One venue's insurance desk."""

    call_type = batches.InsuranceCall

    def __init__(self, venue: int) -> None:
        super().__init__()
        self._book = InsuranceBook(venue)
        self._terms = parameters.VenueParameters()

    def decide(self, call: Any) -> batches.InsuranceReply:
        """Dues, operators' deposits, claims: each in its defined order."""
        if call.venue.venue == self._book.venue:
            self._terms.CopyFrom(call.venue)
        sink = EventSink()
        desk = InsuranceDesk(self._book, sink)
        self._book_dues(call.dues)
        take_deposits(desk, sort_rows(call.deposits, "command"))
        work_claims(desk, call.claims)
        reply = batches.InsuranceReply(height=call.header.height, sums=self._book.sums())
        sink.put(reply.events)
        desk.answers.put(reply.outcomes)
        desk.legs.put(reply.legs)
        if call.header.root:
            reply.digest = self.digest()
        return reply

    def _book_dues(self, dues: batches.CrossDues) -> None:
        """Fees less rebates (SP-10), and funding that payers settled less what receivers did (SP-11)."""
        sums = dues_by_kind(self._book.venue, dues)
        self._book.fees_atoms += sums.pop(batches.CROSS_DUE_KIND_TRADING_FEES)
        self._book.funding_atoms += sums.pop(batches.CROSS_DUE_KIND_FUNDING)
        assert not any(sums.values()), f"dues that no Spin venue has: {sums}"

    def query(self, query: bytes) -> bytes:
        """Nothing to say in a query -> InsuranceView."""
        return self._book.view(self.height).SerializeToString()

    def save(self) -> bytes:
        """The desk, canonical; never the height it was reached at."""
        state = snapshots.InsuranceState(venue=self._terms, totals=self._book.view())
        return state.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes what `save` gave."""
        (body,) = bodies
        saved = snapshots.InsuranceState.FromString(body)
        self._terms.CopyFrom(saved.venue)
        self._book.take(saved.totals)
