"""What one call of a shard does on its Spin books, phase by phase."""

from collections.abc import Collection

from actors.columns import RowGatherer, add_row
from actors.orders.cancels import take_commands
from actors.ratio.admit import admit
from actors.ratio.book import RatioBook
from actors.ratio.caps import scan_caps
from actors.ratio.payout import pay_out
from actors.ratio.reserve import reserve
from actors.ratio.settle import settle_legs, take_marks
from actors.ratio.takeover import TakeoverReply, Takeovers
from actors.ratio.views import changed_standings
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands, rows_of_venues
from breakwater.v1 import batches_pb2 as batches


class RatioPhases:
    """The books of a shard and the reply of one call, which the phases fill; `finish` closes it."""

    def __init__(
        self,
        books: dict[int, RatioBook],
        call: batches.ShardCall,
        commands: VenueCommands,
        reply: batches.ShardReply,
    ) -> None:
        self._books = [books[venue] for venue in sorted(books)]
        self._call = call
        self._commands = commands
        self._reply = reply
        self._dues = RowGatherer(batches.CrossDues)
        self._ops = RowGatherer(batches.OrderOps)
        for book in self._books:
            book.height, book.block_time_ms = call.header.height, call.header.block_time_ms

    def run(self, phase: int, sink: EventSink, answers: AnswerSink) -> None:
        """A phase that is never speculative."""
        if phase == batches.SHARD_PHASE_SETTLE:
            self._settle(sink)
        elif phase == batches.SHARD_PHASE_MARK:
            for book in self._books:
                take_marks(book, self._call.marks)
        elif phase == batches.SHARD_PHASE_TAKE:
            for book in self._books:
                take_commands(book, self._commands.of([book.venue]), self._ops, sink, answers)
        elif phase == batches.SHARD_PHASE_SCAN:
            caps = RowGatherer(batches.PositionCaps)
            for book in self._books:
                scan_caps(book, caps)
            caps.put(self._reply.caps)
        elif phase == batches.SHARD_PHASE_DROP:
            for book in self._books:
                book.drop_staged()

    def _settle(self, sink: EventSink) -> None:
        claims = RowGatherer(batches.InsuranceClaims)
        for book in self._books:
            book.begin_block()
            settle_legs(book, rows_of_venues(self._call.cross_legs, [book.venue]), self._dues, claims, sink)
        claims.put(self._reply.insurance_claims)

    def stage(self, phases: Collection[int], sink: EventSink, answers: AnswerSink) -> None:
        """Whichever of PAY_OUT, RESERVE, TAKE_OVER and ADMIT the call names, in this order."""
        staged = TakeoverReply(
            RowGatherer(batches.CrossLegs),
            RowGatherer(batches.InsuranceClaims),
            self._dues,
            RowGatherer(batches.OrderOps),
            RowGatherer(batches.PositionCaps),
        )
        reservations = RowGatherer(batches.Reservations)
        for book in self._books:
            commands, tiers = self._commands.of([book.venue]), {}
            if batches.SHARD_PHASE_PAY_OUT in phases:
                book.begin_staging()
                pay_out(book, commands, staged.legs, sink, answers)
            if batches.SHARD_PHASE_RESERVE in phases:
                reserve(book, commands.takeovers, reservations, sink, answers)
            if batches.SHARD_PHASE_TAKE_OVER in phases:
                takeovers = Takeovers(book, staged, sink, answers)
                takeovers.run(rows_of_venues(self._call.reservations, [book.venue]))
                tiers = takeovers.tiers
            if batches.SHARD_PHASE_ADMIT in phases:
                admit(book, commands, tiers, staged.ops, staged.caps, sink, answers)
        reply = self._reply
        reservations.put(reply.reservations)
        staged.legs.put(reply.staged_cross_legs)
        staged.claims.put(reply.staged_insurance_claims)
        staged.ops.put(reply.staged_order_ops)
        staged.caps.put(reply.staged_caps)

    def finish(self) -> None:
        """What several phases of the call gathered, and what stands after them."""
        listed = RowGatherer(batches.StandingRows)
        for book in self._books:
            changed_standings(book, listed)
            for interest in book.open_interest():
                add_row(self._reply.open_interest, book.venue, *interest)
        self._dues.put(self._reply.dues)
        self._ops.put(self._reply.order_ops)
        listed.put(self._reply.standings)
