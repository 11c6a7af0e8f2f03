"""What one call of a shard does on its Margin Trade books, phase by phase."""

from collections.abc import Collection

from actors.columns import RowGatherer
from actors.cross.admit import admit
from actors.cross.book import CrossBook
from actors.cross.caps import scan_caps
from actors.cross.ladder import carry_out
from actors.cross.payout import pay_out
from actors.cross.rank import rank
from actors.cross.scan import scan, vault_state
from actors.cross.settle import fund, settle_cross_legs, take_marks
from actors.orders.cancels import take_commands
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands, rows_of_venues
from breakwater.v1 import batches_pb2 as batches


class CrossPhases:
    """The books of a shard and the reply of one call, which the phases fill; `finish` closes it."""

    def __init__(
        self,
        books: dict[int, CrossBook],
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
            self._settle(0, sink)
        elif phase == batches.SHARD_PHASE_MARK:
            for book in self._books:
                take_marks(book, self._call.marks)
                fund(book, self._reply.funding, self._dues, sink)
        elif phase == batches.SHARD_PHASE_TAKE:
            for book in self._books:
                take_commands(book, self._commands.of([book.venue]), self._ops, sink, answers)
        elif phase == batches.SHARD_PHASE_LADDER:
            self._carry_out(sink)
        elif phase == batches.SHARD_PHASE_SETTLE_LADDER:
            self._settle(self._call.round, sink)
        elif phase == batches.SHARD_PHASE_SCAN:
            self._scan(sink)
        elif phase == batches.SHARD_PHASE_RANK:
            candidates = RowGatherer(batches.DeleverageCandidates)
            for book in self._books:
                rank(book, rows_of_venues(self._call.demands, [book.venue]), candidates)
            candidates.put(self._reply.deleverage_candidates)

    def _settle(self, ladder_round: int, sink: EventSink) -> None:
        for book in self._books:
            legs = rows_of_venues(self._call.cross_legs, [book.venue])
            settle_cross_legs(book, legs, self._dues, sink, ladder_round)

    def _carry_out(self, sink: EventSink) -> None:
        offers, positions = RowGatherer(batches.Offers), RowGatherer(batches.OfferPositions)
        for book in self._books:
            orders = rows_of_venues(self._call.ladder, [book.venue])
            carry_out(book, orders, self._ops, offers, positions, self._dues, sink, self._call.round)
        offers.put(self._reply.offers)
        positions.put(self._reply.offer_positions)

    def _scan(self, sink: EventSink) -> None:
        """Who is below a rung, what the books must know of accounts, and the vaults."""
        candidates, caps = RowGatherer(batches.Candidates), RowGatherer(batches.PositionCaps)
        for book in self._books:
            scan(book, candidates, self._call.round, sink)
            scan_caps(book, caps)
            if book.owns_vault:
                self._reply.vaults.append(vault_state(book))
        candidates.put(self._reply.candidates)
        caps.put(self._reply.caps)

    def stage(self, phases: Collection[int], sink: EventSink, answers: AnswerSink) -> None:
        """PAY_OUT and ADMIT."""
        ops, caps = RowGatherer(batches.OrderOps), RowGatherer(batches.PositionCaps)
        liquidity = RowGatherer(batches.LiquidityOps)
        for book in self._books:
            commands = self._commands.of([book.venue])
            pay_out(book, commands.withdrawals, sink, answers)
            admit(book, commands, ops, liquidity, caps, sink, answers)
        ops.put(self._reply.staged_order_ops)
        caps.put(self._reply.staged_caps)
        liquidity.put(self._reply.liquidity)

    def finish(self) -> None:
        """What several phases of the call gathered, and the open interest after them."""
        self._dues.put(self._reply.dues)
        self._ops.put(self._reply.order_ops)
        for book in self._books:
            interest, told = book.open_interest(), self._reply.open_interest
            told.venue.extend([book.venue] * len(interest))
            told.market.extend([market for market, _, _ in interest])
            told.long_lots.extend([lots for _, lots, _ in interest])
            told.short_lots.extend([lots for _, _, lots in interest])
