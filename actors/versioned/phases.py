"""What one call of a shard does on its Perennial books, phase by phase."""

from collections.abc import Collection

from actors.columns import RowGatherer, add_row
from actors.ledger.account_commands import take_account_commands
from actors.ledger.payout import pay_out_free
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands, rows_of_venues
from actors.versioned.admit import admit
from actors.versioned.book import VersionedBook
from actors.versioned.settle import settle_version_legs
from actors.versioned.views import changed_standings
from breakwater.v1 import batches_pb2 as batches


class VersionedPhases:
    """The books of a shard and the reply of one call, which the phases fill; `finish` closes it."""

    def __init__(
        self,
        books: dict[int, VersionedBook],
        call: batches.ShardCall,
        commands: VenueCommands,
        reply: batches.ShardReply,
    ) -> None:
        self._books = books
        self._call = call
        self._commands = commands
        self._reply = reply
        for book in books.values():
            book.height, book.block_time_ms = call.header.height, call.header.block_time_ms

    def run(self, phase: int, sink: EventSink, answers: AnswerSink) -> None:
        """A phase that is never speculative: SETTLE and TAKE; prices reach a Perennial book in its versions alone."""
        if phase == batches.SHARD_PHASE_SETTLE:
            self._settle(sink)
        elif phase == batches.SHARD_PHASE_TAKE and self._books:
            take_account_commands(self._books, self._commands.of(self._books), sink, answers)

    def _settle(self, sink: EventSink) -> None:
        debts = RowGatherer(batches.VersionDebts)
        for venue in sorted(self._books):
            book = self._books[venue]
            book.changed.clear()
            legs = rows_of_venues(self._call.version_legs, [venue])
            settle_version_legs(book, legs, self._call.versions, debts, sink)
        debts.put(self._reply.version_debts)

    def stage(self, phases: Collection[int], sink: EventSink, answers: AnswerSink) -> None:
        """PAY_OUT and ADMIT."""
        ops = RowGatherer(batches.VersionOps)
        for venue in sorted(self._books):
            book, commands = self._books[venue], self._commands.of([venue])
            pay_out_free({venue: book}, book.height, commands.withdrawals, sink, answers)
            admit(book, commands, ops, answers)
        ops.put(self._reply.version_ops)

    def finish(self) -> None:
        """What every market's accounts hold together, and how the block left the rows it changed so far."""
        standings = RowGatherer(batches.StandingRows)
        for venue in sorted(self._books):
            book = self._books[venue]
            for holding in book.holdings():
                add_row(self._reply.version_holdings, *holding)
            changed_standings(book, standings)
        standings.put(self._reply.standings)
