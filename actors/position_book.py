"""A shard: accounts, isolated positions and resting opens of its buckets, of every venue; phases 3 to 9 of a block.

One call runs the phases it names, in their order. PAY_OUT and ADMIT may be speculative: a shard that itself reports a
rung skips them, one that ran them undoes them when a later call of the block says DROP.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from actors.columns import BUCKETS, RowGatherer, add_row, row_count
from actors.contract import Actor
from actors.isolated.admit import Admission, pay_out
from actors.isolated.book import IsolatedBook
from actors.isolated.ladder import carry_out, scan
from actors.isolated.settle import fund, recharge_maintenance, settle_legs, take_marks
from actors.isolated.take import take_commands
from actors.ledger.bucket_digests import BucketDigester
from actors.ledger.table import StagingLog
from actors.risk.tradable import halt_age_in_force_ms
from actors.sinks import AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import snapshots_pb2 as snapshots


class PositionBook(Actor):
    """Shard `shard` of `shards`. `scalar`: by the scalar rulebook throughout, as a validator runs it."""

    call_type = batches.ShardCall

    def __init__(self, shard: int, shards: int, scalar: bool = False) -> None:
        super().__init__()
        self._shard = shard
        self._shards = shards
        self._scalar = scalar
        self._log = StagingLog()
        self._books: dict[int, IsolatedBook] = {}
        self._digests = BucketDigester()

    def decide(self, call: Any) -> batches.ShardReply:
        """Runs the phases the call names; fills the reply with what they did."""
        reply = batches.ShardReply(height=call.header.height)
        sink, staged = EventSink(), EventSink()
        answers, staged_answers = AnswerSink(sink), AnswerSink(staged)
        phases = list(call.phases)
        if batches.SHARD_PHASE_SETTLE in phases:
            self._log.keep()
        self._change_parameters(call.changes)
        for phase in phases:
            self._run(phase, call, reply, sink, answers)
        if not (call.speculative and row_count(reply.candidates)):
            self._stage(phases, call, reply, staged, staged_answers)
        reply.events.CopyFrom(sink.message())
        reply.outcomes.CopyFrom(answers.message())
        reply.staged_events.CopyFrom(staged.message())
        reply.staged_outcomes.CopyFrom(staged_answers.message())
        for venue in sorted(self._books):
            add_row(reply.sums, *self._books[venue].sums())
        if call.header.root:
            for bucket, digest in self._digests.changed(self._books).items():
                add_row(reply.digests, bucket, digest)
        return reply

    def _run(
        self, phase: int, call: batches.ShardCall, reply: batches.ShardReply, sink: EventSink, answers: AnswerSink
    ) -> None:
        """The phases that are never speculative."""
        if phase == batches.SHARD_PHASE_SETTLE:
            settle_legs(self._books, call.legs, sink)
        elif phase == batches.SHARD_PHASE_MARK:
            for venue in sorted(self._books):
                take_marks(self._books[venue], call.marks)
                fund(self._books[venue], call.totals, reply.funding, sink)
        elif phase == batches.SHARD_PHASE_TAKE:
            take_commands(self._books, call.commands, sink, answers)
        elif phase == batches.SHARD_PHASE_DROP:
            self._log.roll_back()
        elif phase == batches.SHARD_PHASE_LADDER:
            seizures = RowGatherer(batches.Seizures)
            carry_out(self._books, call.ladder, seizures, sink)
            reply.seizures.CopyFrom(seizures.message())
        elif phase == batches.SHARD_PHASE_SCAN:
            candidates = RowGatherer(batches.Candidates)
            for venue in sorted(self._books):
                scan(self._books[venue], candidates)
            reply.candidates.CopyFrom(candidates.message())

    def _stage(
        self,
        phases: Sequence[int],
        call: batches.ShardCall,
        reply: batches.ShardReply,
        sink: EventSink,
        answers: AnswerSink,
    ) -> None:
        """PAY_OUT and ADMIT: undone by a later DROP, kept by the next block's SETTLE."""
        if batches.SHARD_PHASE_PAY_OUT not in phases:
            return
        self._log.open()
        pay_out(self._books, call.header.height, call.commands.withdrawals, sink, answers)
        admission = Admission(self._books, call.header.height, sink, answers)
        admission.run(call.commands)
        reply.closes.CopyFrom(admission.closes.message())
        reply.opens.CopyFrom(admission.opens.message())
        reply.liquidity.CopyFrom(admission.liquidity.message())

    def _change_parameters(self, changes: batches.ParameterChanges) -> None:
        for venue in changes.venues:
            book = self._books.setdefault(venue.venue, IsolatedBook(venue.venue, self._log, self._scalar))
            is_new = not book.terms.version
            book.terms = deepcopy(venue)
            if not is_new:
                recharge_maintenance(book)
        for market in changes.markets:
            age_ms = halt_age_in_force_ms(market.halted, market.oracle.halt_age_ms)
            self._books[market.venue].halt_age_ms[market.market] = age_ms

    def book(self, venue: int) -> IsolatedBook | None:
        """A venue's columns, to be read between blocks."""
        return self._books.get(venue)

    def query(self, query: bytes) -> bytes:
        """AccountQuery -> AccountViews; accounts of other shards are left out."""
        request = batches.AccountQuery.FromString(query)
        views = batches.AccountViews(height=self.height)
        book = self._books.get(request.venue)
        for account in request.accounts:
            if book and self._owns(account):
                views.accounts.append(book.view(account))
        return views.SerializeToString()

    def _owns(self, account: int) -> bool:
        return account % BUCKETS % self._shards == self._shard

    def save(self) -> bytes:
        """Every book's rows, marks, rates and parameters. Only between blocks, when nothing is staged any more."""
        saved = snapshots.ShardState()
        for venue in sorted(self._books):
            book = self._books[venue]
            saved.books.add(
                parameters=book.terms,
                marks=[book.marks[market] for market in sorted(book.marks)],
                tables=book.dump(),
                rates=[snapshots.MarketRate(market=key, rate_e9=rate) for key, rate in sorted(book.rates_e9.items())],
                halt_ages=[
                    snapshots.MarketAge(market=key, halt_age_ms=age) for key, age in sorted(book.halt_age_ms.items())
                ],
            )
        return saved.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes the rows of its buckets out of the parts of all shards, whatever their number was."""
        for body in bodies:
            for saved in snapshots.ShardState.FromString(body).books:
                venue = saved.parameters.venue
                book = self._books.setdefault(venue, IsolatedBook(venue, self._log, self._scalar))
                book.terms = deepcopy(saved.parameters)
                book.marks = {mark.market: mark for mark in saved.marks}
                book.rates_e9 = {rate.market: rate.rate_e9 for rate in saved.rates}
                book.halt_age_ms = {age.market: age.halt_age_ms for age in saved.halt_ages}
                book.fill(list(saved.tables), self._owns)
