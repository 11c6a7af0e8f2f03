"""One account at one block, from the journal alone: what the scan saw, what followed, what was refused and why.

The journal is re-executed up to the block before; the block itself is run twice: once on a copy of the account's shard
up to the scan, so that the numbers of the decision can be read, and once whole. What waits at version desks is read
before their call.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.columns import BUCKETS, array, pick
from actors.position_book import PositionBook
from actors.version_desk import VersionDesk
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from cluster.journal import open_reader
from cluster.nearby import Desks, add_pending, events_nearby
from cluster.recovery import Replayed, replay
from cluster.replica import Replica
from cluster.snapshots import SnapshotStore
from cluster.stores import SNAPSHOTS
from cluster.topology import shard_name
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Call

_SCANNED = (
    batches.SHARD_PHASE_SETTLE,
    batches.SHARD_PHASE_MARK,
    batches.SHARD_PHASE_TAKE,
    batches.SHARD_PHASE_SCAN,
)


class NoSuchBlock(Exception):
    """The journal does not reach that height; the message says how far it goes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """An account at a block. `scanned` is the state the block decided on, `after` that at the end of the block.

    `desks`: the venue's version desks before it, with the account's orders, by market. `nearby`: events in others'
    names that concern it (`events_nearby`).
    """

    height: int
    block_time_ms: int
    venue: parameters.VenueParameters
    markets: dict[int, parameters.MarketParameters]
    marks: dict[int, common.Mark]
    scanned: batches.AccountView
    candidates: batches.Candidates
    after: batches.AccountView
    desks: Desks
    nearby: list[events.Event]
    events: list[events.Event]


def moment(
    data_dir: Path,
    venue: int,
    account: int,
    height: int,
    journal_url: str | None = None,
    snapshots_url: str | None = None,
) -> Moment:
    """Looks at an account in the directory of a stopped node, or beside one whose journal is on a server.

    Raises NoSuchBlock, JournalError, FileNotFoundError, and KeyError for a venue that is not there at that height.
    """
    journal = open_reader(journal_url, data_dir)
    try:
        first, tip = journal.start().height + 1, journal.tip().height
        if not first <= height <= tip:
            raise NoSuchBlock(f"the journal goes from {first} to {tip}")
        onlooker = _Onlooker(venue, account)
        replica = Replica(1, transport=onlooker)
        _restore_before(replica, SnapshotStore(snapshots_url or data_dir / SNAPSHOTS), height)
        onlooker.is_watching = replica.state.height == height - 1
        for replayed in replay(journal, replica, replica.state.height + 1):
            if replayed.result.height == height - 1:
                onlooker.is_watching = True
            if replayed.result.height == height:
                return _told(replica, onlooker, venue, account, replayed)
        raise NoSuchBlock(f"the journal ends before {height}")
    finally:
        journal.close()


class _Onlooker(InlineTransport):
    """Carries calls out; while it watches, a copy of the shard runs the first call up to the scan and no further.

    `desks`: the venue's version desks as they stood then, with the account's orders, by market.
    """

    def __init__(self, venue: int, account: int) -> None:
        super().__init__(1)
        self._venue = venue
        self._account = account
        self.is_watching = False
        self.desks: dict[int, batches.VersionView] = {}
        self.copy: PositionBook | None = None
        self.candidates = batches.Candidates()

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """One after the other."""
        for call in calls:
            if self.is_watching and self.copy is None and call.actor == shard_name(0):
                self._copy(call)
                self.desks = self.version_desks()
        return super().call(calls)

    def version_desks(self) -> dict[int, batches.VersionView]:
        """The venue's version desks as they stand, with the account's orders, by market."""
        desks = [actor.book for actor in self._actors.values() if isinstance(actor, VersionDesk)]
        return {desk.market: desk.view(0, [self._account]) for desk in desks if desk.venue == self._venue}

    def _copy(self, call: Call) -> None:
        self.copy = PositionBook(range(BUCKETS))
        self.copy.take_way(Way.BY_ROW)
        shard = self.actor(call.actor)
        if shard.height:
            self.copy.restore([shard.snapshot()])
        asked = batches.ShardCall.FromString(call.payload)
        del asked.phases[:]
        asked.phases.extend(_SCANNED)
        self.candidates = batches.ShardReply.FromString(self.copy.apply(asked.SerializeToString())).candidates


def _restore_before(replica: Replica, snapshots: SnapshotStore, height: int) -> None:
    """The newest snapshot that leaves at least one block to run before the one that is looked at."""
    snapshot = snapshots.latest(at_most=max(0, height - 2))
    if snapshot:
        replica.restore(snapshot.parts)


def _told(replica: Replica, onlooker: _Onlooker, venue: int, account: int, replayed: Replayed) -> Moment:
    state, result = replica.state, replayed.result
    rules = state.venues[venue]
    scanned, after = _scanned(onlooker, venue, account), replica.accounts(venue, [account]).accounts[0]
    add_pending(scanned, onlooker.desks)
    add_pending(after, onlooker.version_desks())
    told = [events.Event.FromString(event) for event in result.events]
    return Moment(
        height=result.height,
        block_time_ms=result.block_time_ms,
        venue=rules,
        markets={key[1]: market for key, market in sorted(state.markets.items()) if key[0] == venue},
        marks={mark.market: mark for mark in result.marks if mark.venue == venue},
        scanned=scanned,
        candidates=_of_account(onlooker.candidates, venue, account),
        after=after,
        events=[event for event in told if (event.venue, event.account) == (venue, account)],
        desks=onlooker.desks,
        nearby=events_nearby(told, venue, account, (row.market for row in [*scanned.versioned, *after.versioned])),
    )


def _scanned(onlooker: _Onlooker, venue: int, account: int) -> batches.AccountView:
    assert onlooker.copy is not None, "the block had no call to its shard"
    query = batches.ShardQuery(accounts=batches.AccountQuery(venue=venue, accounts=[account]))
    found = batches.AccountViews.FromString(onlooker.copy.query(query.SerializeToString())).accounts
    return found[0] if found else batches.AccountView(venue=venue, account=account)


def _of_account(candidates: batches.Candidates, venue: int, account: int) -> batches.Candidates:
    mine = (array(candidates.venue) == venue) & (array(candidates.account) == account)
    return pick(candidates, np.flatnonzero(mine))
