"""A shard: accounts, positions and resting orders of its buckets, of every venue; phases 3 to 9 of a block.

Books of every kind stand side by side, one a venue, by its rulebook: isolated (Twilight), cross (Margin Trade), ratio
(Spin), versioned (Perennial). One call runs the phases it names, in their order. PAY_OUT and ADMIT may be speculative:
a shard that itself reports a rung skips them, one that ran them undoes them when a later call of the block says DROP.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

import numpy as np

from actors.columns import BUCKETS, add_row, row_count
from actors.contract import Actor
from actors.cross import views as cross_views
from actors.cross.book import VAULT, CrossBook
from actors.cross.phases import CrossPhases
from actors.isolated.book import IsolatedBook
from actors.isolated.phases import IsolatedPhases
from actors.isolated.settle import recharge_maintenance
from actors.ledger.bucket_digests import BucketDigester
from actors.ledger.table import StagingLog
from actors.ratio import views as ratio_views
from actors.ratio.book import RatioBook
from actors.ratio.phases import RatioPhases
from actors.risk.tradable import halt_age_in_force_ms
from actors.shard_state import (
    load_cross,
    load_isolated,
    load_ratio,
    load_versioned,
    saved_cross,
    saved_isolated,
    saved_ratio,
    saved_versioned,
)
from actors.sinks import AnswerSink, EventSink
from actors.venue_rows import VenueCommands
from actors.versioned import views as versioned_views
from actors.versioned.book import VersionedBook
from actors.versioned.phases import VersionedPhases
from actors.ways import Way
from actors.wide_messages import wide
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import snapshots_pb2 as snapshots

Phases = IsolatedPhases | CrossPhases | RatioPhases | VersionedPhases


class PositionBook(Actor):
    """The shard that owns these buckets."""

    call_type = batches.ShardCall

    def __init__(self, buckets: Iterable[int]) -> None:
        super().__init__()
        self._owned = np.zeros(BUCKETS, dtype=np.bool_)
        self._owned[list(buckets)] = True
        self._log = StagingLog()
        self._isolated: dict[int, IsolatedBook] = {}
        self._cross: dict[int, CrossBook] = {}
        self._ratio: dict[int, RatioBook] = {}
        self._versioned: dict[int, VersionedBook] = {}
        self._digests = BucketDigester()

    def take_way(self, way: Way) -> None:
        """The books go the same way; those of Perennial have one only, row by row."""
        super().take_way(way)
        books: list[IsolatedBook | CrossBook | RatioBook]
        books = [*self._isolated.values(), *self._cross.values(), *self._ratio.values()]
        for book in books:
            book.way = way

    def decide(self, call: Any) -> batches.ShardReply:
        """Runs the phases the call names; fills the reply with what they did."""
        reply = wide(batches.ShardReply, height=call.header.height)
        sink, staged = EventSink(), EventSink()
        answers, staged_answers = AnswerSink(sink), AnswerSink(staged)
        phases = list(call.phases)
        if batches.SHARD_PHASE_SETTLE in phases:
            self._log.keep()
        if call.HasField("changes"):
            self._change_parameters(call.changes)
        commands = VenueCommands(call.commands, self._venues())
        parts = self._phases(call, commands, reply)
        for phase in phases:
            if phase == batches.SHARD_PHASE_DROP:
                self._log.roll_back()
            for part in parts:
                part.run(phase, sink, answers)
        is_below = row_count(reply.candidates) > 0
        if batches.SHARD_PHASE_PAY_OUT in phases and not (call.speculative and is_below):
            # Undone by a later DROP, kept by the next block's SETTLE.
            self._log.open()
            for part in parts:
                part.stage(phases, staged, staged_answers)
        elif batches.SHARD_PHASE_TAKE_OVER in phases:
            # The second call of a block with takeovers; what the first staged stays open.
            for part in parts:
                if isinstance(part, RatioPhases):
                    part.stage(phases, staged, staged_answers)
        for part in parts:
            part.finish()
        said: dict[str, EventSink | AnswerSink]
        said = {"events": sink, "outcomes": answers, "staged_events": staged, "staged_outcomes": staged_answers}
        for field, collected in said.items():
            if len(collected):
                collected.put(getattr(reply, field))
        books = self._books()
        for venue in sorted(books):
            add_row(reply.sums, *books[venue].sums())
        if call.header.root:
            for bucket, digest in self._digests.changed(books).items():
                add_row(reply.digests, bucket, digest)
        return reply

    def _phases(self, call: Any, commands: VenueCommands, reply: batches.ShardReply) -> list[Phases]:
        """A part for every kind of book there is one of, in the order of `docs/block.md`."""
        parts: list[Phases] = []
        if self._isolated:
            parts.append(IsolatedPhases(self._isolated, call, commands, reply))
        if self._cross:
            parts.append(CrossPhases(self._cross, call, commands, reply))
        if self._ratio:
            parts.append(RatioPhases(self._ratio, call, commands, reply))
        if self._versioned:
            parts.append(VersionedPhases(self._versioned, call, commands, reply))
        return parts

    def _books(self) -> dict[int, IsolatedBook | CrossBook | RatioBook | VersionedBook]:
        return {**self._isolated, **self._cross, **self._ratio, **self._versioned}

    def _venues(self) -> list[int]:
        return list(self._books())

    def _change_parameters(self, changes: batches.ParameterChanges) -> None:
        for venue in changes.venues:
            if venue.rulebook == common.RULEBOOK_MARGIN_TRADE:
                self._cross_book(venue.venue).set_terms(venue)
                continue
            if venue.rulebook == common.RULEBOOK_SPIN:
                self._ratio_book(venue.venue).set_terms(venue)
                continue
            if venue.rulebook == common.RULEBOOK_PERENNIAL:
                self._versioned_book(venue.venue).set_terms(venue)
                continue
            book = self._isolated_book(venue.venue)
            is_new = not book.terms.version
            book.terms = deepcopy(venue)
            if not is_new:
                recharge_maintenance(book)
        listed: dict[int, CrossBook | RatioBook | VersionedBook]
        listed = {**self._cross, **self._ratio, **self._versioned}
        for market in changes.markets:
            if market.venue in listed:
                listed[market.venue].set_market(market)
                continue
            age_ms = halt_age_in_force_ms(market.halted, market.oracle.halt_age_ms)
            self._isolated[market.venue].halt_age_ms[market.market] = age_ms

    def _isolated_book(self, venue: int) -> IsolatedBook:
        return self._isolated.setdefault(venue, IsolatedBook(venue, self._log, self.way))

    def _cross_book(self, venue: int) -> CrossBook:
        if venue not in self._cross:
            self._cross[venue] = CrossBook(venue, self._log, self.way, self._owns(VAULT))
        return self._cross[venue]

    def _ratio_book(self, venue: int) -> RatioBook:
        if venue not in self._ratio:
            self._ratio[venue] = RatioBook(venue, self._log, self.way)
        return self._ratio[venue]

    def _versioned_book(self, venue: int) -> VersionedBook:
        if venue not in self._versioned:
            self._versioned[venue] = VersionedBook(venue, self._log)
        return self._versioned[venue]

    def book(self, venue: int) -> IsolatedBook | None:
        """A Twilight venue's columns, to be read between blocks."""
        return self._isolated.get(venue)

    def cross_book(self, venue: int) -> CrossBook | None:
        """A Margin Trade venue's columns, to be read between blocks."""
        return self._cross.get(venue)

    def ratio_book(self, venue: int) -> RatioBook | None:
        """A Spin venue's columns, to be read between blocks."""
        return self._ratio.get(venue)

    def versioned_book(self, venue: int) -> VersionedBook | None:
        """A Perennial venue's columns, to be read between blocks."""
        return self._versioned.get(venue)

    def query(self, query: bytes) -> bytes:
        """ShardQuery -> the view it asks for; of accounts, those of other shards are left out."""
        request = batches.ShardQuery.FromString(query)
        if request.WhichOneof("body") == "deleverage_rank":
            view = batches.DeleverageRankView(height=self.height)
            book = self._cross.get(request.deleverage_rank.venue)
            if book:
                view.before, view.positions = cross_views.deleverage_rank(book, request.deleverage_rank)
            return view.SerializeToString()
        if request.WhichOneof("body") == "size":
            return self._size().SerializeToString()
        if request.WhichOneof("body") == "standings":
            return self._standings(request.standings.venue).SerializeToString()
        return self._account_views(request.accounts).SerializeToString()

    def _size(self) -> batches.ShardSizeView:
        books = self._books().values()
        return batches.ShardSizeView(
            accounts=sum(len(book.accounts.table) for book in books),
            row_bytes=sum(book.dumped_bytes() for book in books),
        )

    def _standings(self, venue: int) -> batches.StandingsView:
        view = batches.StandingsView(height=self.height)
        if venue in self._ratio:
            view.rows.CopyFrom(ratio_views.standings(self._ratio[venue]))
        elif venue in self._versioned:
            view.rows.CopyFrom(versioned_views.standings(self._versioned[venue]))
        return view

    def _account_views(self, request: batches.AccountQuery) -> batches.AccountViews:
        views = batches.AccountViews(height=self.height)
        for account in request.accounts:
            if not self._owns(account):
                continue
            if request.venue in self._isolated:
                views.accounts.append(self._isolated[request.venue].view(account))
            elif request.venue in self._cross:
                views.accounts.append(cross_views.account_view(self._cross[request.venue], account))
            elif request.venue in self._ratio:
                views.accounts.append(ratio_views.account_view(self._ratio[request.venue], account))
            elif request.venue in self._versioned:
                views.accounts.append(versioned_views.account_view(self._versioned[request.venue], account))
        return views

    def _owns(self, account: int) -> bool:
        return bool(self._owned[account % BUCKETS])

    def save(self) -> bytes:
        """Every book's rows, marks and parameters. Only between blocks, when nothing is staged any more."""
        saved = snapshots.ShardState(
            books=[saved_isolated(self._isolated[venue]) for venue in sorted(self._isolated)],
            cross_books=[saved_cross(self._cross[venue]) for venue in sorted(self._cross)],
            ratio_books=[saved_ratio(self._ratio[venue]) for venue in sorted(self._ratio)],
            versioned_books=[saved_versioned(self._versioned[venue]) for venue in sorted(self._versioned)],
        )
        return saved.SerializeToString(deterministic=True)

    def snapshot(self) -> bytes:
        """With the digests that still hold: whoever is given the part need not digest every account anew."""
        digests = snapshots.ShardState(digests=self._digests.save(self._books()))
        return super().snapshot() + digests.SerializeToString(deterministic=True)

    def load(self, bodies: Sequence[bytes]) -> None:
        """Takes the rows of its buckets out of the parts of all shards, whatever their number was."""
        for body in bodies:
            state = snapshots.ShardState.FromString(body)
            for isolated in state.books:
                load_isolated(self._isolated_book(isolated.parameters.venue), isolated, self._owned)
            for cross in state.cross_books:
                load_cross(self._cross_book(cross.parameters.venue), cross, self._owned)
            for ratio in state.ratio_books:
                load_ratio(self._ratio_book(ratio.parameters.venue), ratio, self._owned)
            for versioned in state.versioned_books:
                load_versioned(self._versioned_book(versioned.parameters.venue), versioned, self._owned)
            books = self._books()
            for digests in state.digests:
                self._digests.load(books[digests.venue], digests, self._owned)
