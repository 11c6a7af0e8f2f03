"""What one call of a shard does on its Twilight books, phase by phase."""

from collections.abc import Collection

from actors.columns import RowGatherer
from actors.isolated.admit import Admission
from actors.isolated.book import IsolatedBook
from actors.isolated.ladder import carry_out, scan
from actors.isolated.settle import fund, settle_legs, take_marks
from actors.isolated.take import take_commands
from actors.ledger.payout import pay_out_free
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands, rows_of_venues
from breakwater.v1 import batches_pb2 as batches


class IsolatedPhases:
    """The books of a shard and the reply of one call, which the phases fill; `finish` closes it."""

    def __init__(
        self,
        books: dict[int, IsolatedBook],
        call: batches.ShardCall,
        commands: VenueCommands,
        reply: batches.ShardReply,
    ) -> None:
        self._books = books
        self._call = call
        self._reply = reply
        # Most calls of a quiet market bring neither rows nor legs.
        self._commands = commands.of(books)
        self._has_commands = bool(self._commands.ListFields())

    def run(self, phase: int, sink: EventSink, answers: AnswerSink) -> None:
        """A phase that is never speculative."""
        if phase == batches.SHARD_PHASE_SETTLE:
            if self._call.HasField("legs"):
                settle_legs(self._books, self._call.legs, sink)
        elif phase == batches.SHARD_PHASE_MARK:
            for venue in sorted(self._books):
                take_marks(self._books[venue], self._call.marks)
                fund(self._books[venue], self._call.totals, self._reply.funding, sink)
        elif phase == batches.SHARD_PHASE_TAKE:
            if self._has_commands:
                take_commands(self._books, self._commands, sink, answers)
        elif phase == batches.SHARD_PHASE_LADDER:
            seizures = RowGatherer(batches.Seizures)
            carry_out(self._books, rows_of_venues(self._call.ladder, self._books), seizures, sink)
            seizures.put(self._reply.seizures)
        elif phase == batches.SHARD_PHASE_SCAN:
            candidates = RowGatherer(batches.Candidates)
            for venue in sorted(self._books):
                scan(self._books[venue], candidates)
            candidates.put(self._reply.candidates)

    def stage(self, phases: Collection[int], sink: EventSink, answers: AnswerSink) -> None:
        """PAY_OUT and ADMIT."""
        height = self._call.header.height
        admission = Admission(self._books, height, sink, answers)
        if self._has_commands:
            pay_out_free(self._books, height, self._commands.withdrawals, sink, answers)
        admission.trigger()
        if self._has_commands:
            admission.run(self._commands)
        admission.closes.put(self._reply.closes)
        admission.opens.put(self._reply.opens)
        admission.liquidity.put(self._reply.liquidity)

    def finish(self) -> None:
        """Nothing is gathered over several phases."""
