"""A node that stands by: follows another node's journal on a replica of its own, and takes over when that one is gone.

Nothing is decided here that is not in the journal: who holds the lease decides who writes, and a holder that came back
finds itself fenced. Where the journal can be read by its holder alone (SQLite), the standby waits for it to be let go.
"""

from collections.abc import Callable, Mapping
from threading import Event

from cluster.archive import Archive
from cluster.archiver import archive_replayed
from cluster.journal import FIRST_HEIGHT, GENESIS_TIP, Journal, LeaseHeld, StoreFailed, Tip
from cluster.poison import LocalTrial
from cluster.recovery import BlockFailed, Recovered, Replayed, replay
from cluster.replica import Replica
from cluster.stores import Stores
from cluster.validation import Claim
from cluster.void import recover_past_poison

_LOOK_S = 0.1


class GaveUp(Exception):
    """Standing by was ended from outside."""


class Follower:
    """A replica at, or shortly behind, the tip of a journal that somebody else writes."""

    def __init__(
        self,
        stores: Stores,
        shards: int,
        snapshot_every: int,
        notice: Callable[[str], None],
        executed: Callable[[Replayed], None] = lambda replayed: None,
    ) -> None:
        """`executed` is shown every block, before a snapshot is taken past it.

        Raises LeaseHeld where the journal cannot be read beside its holder.
        """
        self._stores = stores
        self._shards = shards
        self._snapshot_every = snapshot_every
        self._notice = notice
        self._executed = executed
        snapshot = stores.snapshots.latest()
        self._base_parts: Mapping[str, bytes] | None = snapshot.parts if snapshot else None
        self._base_height = snapshot.height if snapshot else 0
        self._claims: list[Claim] = []
        self._journal: Journal = stores.open_journal(snapshot.place if snapshot else GENESIS_TIP)
        self._archive: Archive = stores.open_archive()
        self._replica = self._at_base()

    @property
    def height(self) -> int:
        """The last block that was followed."""
        return self._replica.state.height

    def follow(self) -> int:
        """Executes what was appended since; how many blocks. Raises StoreFailed, JournalCorrupted, ReplayMismatch.

        A last block that cannot be executed is left until its holder has voided what is to blame.
        """
        before = self.height
        try:
            self._execute()
        except BlockFailed as failed:
            self._notice(f"standby: {failed}; waiting for whoever holds the journal")
            self._replica, self._claims = self._at_base(), []
        return self.height - before

    def take_over(self) -> Recovered:
        """Becomes the writer, where nobody is. Raises LeaseHeld."""
        self._journal.take_lease()
        try:
            self._execute()
        except BlockFailed:
            self.close()
            return recover_past_poison(self._stores, self._shards, LocalTrial, self._notice)
        base = (self._base_parts, self._base_height, self._claims)
        return Recovered(self._journal, self._archive, self._stores.snapshots, self._replica, *base)

    def reconnect(self) -> None:
        """After StoreFailed: opens the journal anew where it was left."""
        self._journal.close()
        state = self._replica.state
        self._journal = self._stores.open_journal(Tip(state.height, state.frame_hash) if state.height else GENESIS_TIP)

    def close(self) -> None:
        """Lets journal and archive go."""
        self._archive.close()
        self._journal.close()

    def _at_base(self) -> Replica:
        replica = Replica(self._shards)
        if self._base_parts is not None:
            replica.restore(self._base_parts)
        return replica

    def _execute(self) -> None:
        for replayed in replay(self._journal, self._replica, self.height + FIRST_HEIGHT):
            archive_replayed(self._archive, replayed.block, replayed.result)
            self._executed(replayed)
            self._claims.append(replayed.claim)
            if self._snapshot_every and self.height - self._base_height >= self._snapshot_every:
                self._take_snapshot()

    def _take_snapshot(self) -> None:
        """So that neither a restart nor the validator after a take-over begins at the first block."""
        state = self._replica.state
        parts = self._replica.cut()
        self._stores.snapshots.write(state.height, state.frame_hash, parts)
        self._stores.snapshots.prune()
        self._base_parts, self._base_height = parts, state.height
        self._claims = []


def stand_by(
    stores: Stores,
    shards: int,
    snapshot_every: int,
    notice: Callable[[str], None],
    stop: Event,
    followed: Callable[[int], None] = lambda height: None,
    executed: Callable[[Replayed], None] = lambda replayed: None,
) -> Recovered:
    """Follows until the journal is free, and takes it; `followed` hears how far it is, `executed` is shown every block.

    Raises GaveUp where `stop` came first, and as `replay` does.
    """
    follower: Follower | None = None
    silent = False
    try:
        while not stop.wait(_LOOK_S):
            try:
                if follower is None:
                    follower = Follower(stores, shards, snapshot_every, notice, executed)
                elif silent:
                    follower.reconnect()
                silent = False
                follower.follow()
                followed(follower.height)
                recovered = follower.take_over()
            except LeaseHeld:
                continue
            except StoreFailed as error:
                if not silent:
                    notice(f"standby: {error}")
                silent = True
                continue
            follower = None
            return recovered
        raise GaveUp
    finally:
        if follower is not None:
            follower.close()
