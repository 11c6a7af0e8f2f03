"""What of the state lives in no actor: the outbox, totals, roots, bucket digests, and what each actor applied last.

Together with the actors' snapshots it is one cut. It holds no clock, no lease and no epoch.
"""

from collections.abc import Sequence

from actors.columns import BUCKETS, RowGatherer, field_names, join, row_count, rows, sort_rows
from actors.contract import NO_HASH, NO_HEIGHT
from actors.ledger.bucket_digests import EMPTY_BUCKET
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from cluster.placement import Owners
from cluster.topology import is_shard, shard_name

Key = tuple[int, int]


class ChainState:
    """The carry of one chain, for shards that own its buckets in this way."""

    def __init__(self, owners: Owners) -> None:
        self.owners = owners
        self.height = NO_HEIGHT
        self.block_time_ms = 0
        self.frame_hash = NO_HASH
        self.header_hash = NO_HASH
        self.events_root = b""
        self.state_root = b""
        self.outbox = batches.Legs()
        self.cross_outbox = RowGatherer(batches.CrossLegs)
        self.version_outbox = batches.VersionLegs()
        self.versions: dict[Key, batches.VersionRecord] = {}
        self.version_sums: dict[Key, batches.VersionSums] = {}
        self.totals: dict[Key, batches.MarketTotals] = {}
        self.buckets = [EMPTY_BUCKET] * BUCKETS
        self.digests: dict[str, bytes] = {}
        self.last_root_second = -1
        self.venues: dict[int, parameters.VenueParameters] = {}
        self.markets: dict[Key, parameters.MarketParameters] = {}
        self.marks: dict[Key, common.Mark] = {}
        self.validated_height = 0
        self.funding_rates_e9: dict[Key, int] = {}
        self._tops: dict[Key, tuple[int, ...]] = {}
        self._tops_before: dict[Key, tuple[int, ...]] = {}
        self._applied: dict[str, tuple[int, bytes]] = {}

    @property
    def shards(self) -> int:
        """How many there are."""
        return self.owners.shards

    def place(self, owners: Owners) -> None:
        """Between two blocks: the next one's rows go to these shards, which all have applied the last one."""
        applied = self._applied.get(shard_name(0))
        self.owners = owners
        self._applied = {name: known for name, known in self._applied.items() if not is_shard(name)}
        if applied is not None:
            self.note_applied([shard_name(shard) for shard in range(owners.shards)], *applied)

    def applied(self, actor: str) -> tuple[int, bytes]:
        """(height, frame hash) of the last block an actor had a call in."""
        return self._applied.get(actor, (NO_HEIGHT, NO_HASH))

    def note_applied(self, actors: Sequence[str], height: int, frame_hash: bytes) -> None:
        """These actors had a call in this block."""
        for actor in actors:
            self._applied[actor] = (height, frame_hash)

    def take_buckets(self, digests: batches.BucketDigests) -> None:
        """New digests of buckets."""
        for bucket, digest in zip(digests.bucket, digests.digest, strict=True):
            self.buckets[bucket] = digest

    def change_parameters(self, changes: batches.ParameterChanges) -> None:
        """Parameters in force from this block on."""
        for venue in changes.venues:
            self.venues[venue.venue] = venue
        for market in changes.markets:
            self.markets[market.venue, market.market] = market

    def has_legs(self) -> bool:
        """Whether anything waits in the outbox for the next block."""
        return self.outbox_rows() > 0

    def outbox_rows(self) -> int:
        """Legs that wait, of all kinds."""
        return row_count(self.outbox) + row_count(self.cross_outbox) + row_count(self.version_outbox)

    def take_tops(self, tops: dict[Key, tuple[int, ...]]) -> None:
        """Ends a block: rows of `BookTops` of the books that were called in it."""
        self._tops_before = self._tops
        self._tops = {**self._tops, **tops}

    def tops_before_message(self) -> batches.BookTops:
        """The books as the block before the last left them."""
        return _tops_message(self._tops_before)

    def venue_list(self) -> list[parameters.VenueParameters]:
        """Venues by number."""
        return [self.venues[venue] for venue in sorted(self.venues)]

    def all_totals(self) -> list[batches.MarketTotals]:
        """Totals of the desks' last replies, by (venue, market)."""
        return [self.totals[key] for key in sorted(self.totals)]

    def all_versions(self) -> list[batches.VersionRecord]:
        """The latest valid version of every market that has one, by (venue, market)."""
        return [self.versions[key] for key in sorted(self.versions)]

    def take_versions(self, replies: Sequence[batches.VersionReply]) -> list[batches.VersionRecord]:
        """Sums and legs of the version desks, and the records that are new, which are returned."""
        self.version_sums.update({(reply.sums.venue, reply.sums.market): reply.sums for reply in replies})
        new = [reply.record for reply in replies if reply.HasField("record")]
        self.versions.update({(record.venue, record.market): record for record in new})
        legs = join(batches.VersionLegs(), (reply.legs for reply in replies))
        self.version_outbox = sort_rows(legs, "venue", "class", "command", "market", "leg")
        return new

    def save(self) -> bytes:
        """The carry as bytes."""
        carry = blocks.Carry(
            height=self.height,
            block_time_ms=self.block_time_ms,
            frame_hash=self.frame_hash,
            header_hash=self.header_hash,
            events_root=self.events_root,
            state_root=self.state_root,
            outbox=self.outbox,
            cross_outbox=self.cross_outbox.message(),
            tops=_tops_message(self._tops),
            tops_before=_tops_message(self._tops_before),
            version_outbox=self.version_outbox,
            versions=self.all_versions(),
            version_sums=[self.version_sums[key] for key in sorted(self.version_sums)],
            totals=self.all_totals(),
            bucket_digests=self.buckets,
            last_root_second=self.last_root_second,
            venues=self.venue_list(),
            markets=[self.markets[key] for key in sorted(self.markets)],
            marks=[self.marks[key] for key in sorted(self.marks)],
            validated_height=self.validated_height,
            funding_rates=[
                blocks.FundingRate(venue=key[0], market=key[1], rate_e9=rate)
                for key, rate in sorted(self.funding_rates_e9.items())
            ],
        )
        for name in sorted(self._applied):
            height, frame_hash = self._applied[name]
            digest = self.digests.get(name, b"")
            carry.actors.add(name=name, digest=digest, height=height, frame_hash=frame_hash)
        return carry.SerializeToString(deterministic=True)

    @classmethod
    def load(cls, saved: bytes, owners: Owners) -> "ChainState":
        """The carry of a cut, whatever the placement it was taken in."""
        carry = blocks.Carry.FromString(saved)
        state = cls(owners)
        state.height, state.block_time_ms = carry.height, carry.block_time_ms
        state.frame_hash, state.header_hash = carry.frame_hash, carry.header_hash
        state.events_root, state.state_root = carry.events_root, carry.state_root
        state.outbox.CopyFrom(carry.outbox)
        state.cross_outbox.take(carry.cross_outbox)
        state._tops = {(row[0], row[1]): row for row in rows(carry.tops)}
        state._tops_before = {(row[0], row[1]): row for row in rows(carry.tops_before)}
        state.version_outbox.CopyFrom(carry.version_outbox)
        state.versions = {(record.venue, record.market): record for record in carry.versions}
        state.version_sums = {(sums.venue, sums.market): sums for sums in carry.version_sums}
        state.totals = {(total.venue, total.market): total for total in carry.totals}
        state.buckets = list(carry.bucket_digests)
        state.last_root_second = carry.last_root_second
        state.venues = {venue.venue: venue for venue in carry.venues}
        state.markets = {(market.venue, market.market): market for market in carry.markets}
        state.marks = {(mark.venue, mark.market): mark for mark in carry.marks}
        state.validated_height = carry.validated_height
        state.funding_rates_e9 = {(rate.venue, rate.market): rate.rate_e9 for rate in carry.funding_rates}
        for actor in carry.actors:
            names = [shard_name(shard) for shard in range(owners.shards)] if is_shard(actor.name) else [actor.name]
            state.note_applied(names, actor.height, actor.frame_hash)
            if actor.digest:
                state.digests[actor.name] = actor.digest
        return state


def _tops_message(tops: dict[Key, tuple[int, ...]]) -> batches.BookTops:
    if not tops:
        return batches.BookTops()
    columns = zip(*(tops[key] for key in sorted(tops)), strict=True)
    return batches.BookTops(**dict(zip(field_names(batches.BookTops), columns, strict=True)))
