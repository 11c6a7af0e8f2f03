"""Start and crash recovery, the same code: newest snapshot, then every journal frame after it, compared as it goes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from actors.rulebooks.versions import UnknownLogicVersion
from breakwater.v1 import commands_pb2 as commands
from cluster.archive import Archive, ArchiveMismatch
from cluster.archiver import archive_replayed
from cluster.commit import BlockResult
from cluster.journal import FIRST_HEIGHT, GENESIS_TIP, Frame, Journal, JournalCorrupted, ReadableJournal
from cluster.replica import Replica
from cluster.snapshots import Snapshot
from cluster.stores import Snapshots, Stores
from cluster.validation import Claim


class ReplayMismatch(Exception):
    """Re-execution does not give the roots the journal carries; the node must not start."""

    def __init__(self, height: int, reason: str) -> None:
        super().__init__(f"replay differs at height {height}: {reason}")
        self.height = height


class BlockFailed(Exception):
    """A journaled block cannot be executed. It was never acknowledged; an operator may void a command of it."""

    def __init__(self, height: int, cause: Exception) -> None:
        super().__init__(
            f"block {height} cannot be executed ({type(cause).__name__}: {cause}); "
            "`breakwater void` takes a command of it out"
        )
        self.height = height
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Replayed:
    """One block of a replay."""

    frame: Frame
    block: commands.BlockInput
    result: BlockResult
    claim: Claim


def find_voids(frames: Iterator[Frame]) -> dict[int, set[int]]:
    """Commands an operator voided, by height.

    Only frames without roots void, and only in the block they follow, which never ran: that is how the node appends
    them. A void that was sequenced into an ordinary block comes too late for blocks that were acknowledged.
    """
    voids: dict[int, set[int]] = {}
    followed = None
    for frame in frames:
        block = commands.BlockInput.FromString(frame.payload)
        if block.previous_events_root or frame.height == FIRST_HEIGHT:
            followed = frame.height
            continue
        for batch in block.batches:
            if batch.HasField("void_command") and batch.void_command.height == followed:
                voids.setdefault(batch.void_command.height, set()).add(batch.void_command.index)
    return voids


def replay(
    journal: ReadableJournal, replica: Replica, from_height: int, to_height: int | None = None
) -> Iterator[Replayed]:
    """Runs the frames from a height on the replica, to the tip or to a height.

    Raises ReplayMismatch, JournalCorrupted, BlockFailed, UnknownLogicVersion.
    """
    voids = find_voids(journal.frames(from_height))
    for frame in journal.frames(from_height):
        if to_height is not None and frame.height > to_height:
            return
        block = commands.BlockInput.FromString(frame.payload)
        state = replica.state
        if block.height != frame.height:
            raise JournalCorrupted(frame.height, f"its payload is of height {block.height}")
        # A frame appended to void a block that never ran carries no roots.
        if block.previous_events_root and (block.previous_events_root, block.previous_state_root) != (
            state.events_root,
            state.state_root,
        ):
            raise ReplayMismatch(frame.height - 1, "the roots the next frame carries are not those of re-execution")
        voided = tuple(sorted(voids.get(frame.height, ())))
        try:
            result = replica.apply(block, frame.hash, frame.epoch, voided, frame.payload)
        except UnknownLogicVersion:
            raise  # a newer program ran it: nothing of it is to be voided
        except Exception as error:
            raise BlockFailed(frame.height, error) from error
        claim = Claim(frame.height, frame.payload, frame.hash, frame.epoch, voided, result.header_bytes)
        yield Replayed(frame, block, result, claim)


def state_before(stores: Stores, height: int) -> tuple[Mapping[str, bytes], Frame]:
    """The cut before a block that is in the journal, and the block's frame. Raises as `replay` does."""
    snapshot = stores.snapshots.latest(at_most=height - 1)
    journal = stores.open_journal(snapshot.place if snapshot else GENESIS_TIP)
    try:
        replica = Replica()
        if snapshot:
            replica.restore(snapshot.parts)
        for _ in replay(journal, replica, snapshot.height + 1 if snapshot else FIRST_HEIGHT, height - 1):
            pass
        return (replica.cut() if replica.state.height else {}), next(journal.frames(height))
    finally:
        journal.close()


@dataclass(slots=True)
class Recovered:
    """What a node starts from: the cut the blocks since were replayed on, and the replica they were replayed with."""

    journal: Journal
    archive: Archive
    snapshots: Snapshots
    replica: Replica
    base_parts: Mapping[str, bytes] | None
    base_height: int
    claims: list[Claim]


def recover(
    stores: Stores, shards: int, force: bool = False, executed: Callable[[Replayed], None] = lambda replayed: None
) -> Recovered:
    """Opens what is stored, takes the lease (`force`: from whoever has it), and brings a replica to the tip.

    `executed` is shown every block that was replayed.

    Raises LeaseHeld, JournalCorrupted, ReplayMismatch, BlockFailed.
    """
    snapshot = stores.snapshots.latest()
    verify_after = snapshot.place if snapshot else GENESIS_TIP
    journal = stores.open_journal(verify_after)
    archive: Archive | None = None
    try:
        journal.take_lease(force=force)
        archive = stores.open_archive()
        snapshot = _usable_snapshot(stores.snapshots, snapshot, archive, journal)
        replica = Replica(shards)
        if snapshot:
            replica.restore(snapshot.parts)
        base_height = snapshot.height if snapshot else 0
        claims = []
        for replayed in replay(journal, replica, base_height + 1):
            archive_replayed(archive, replayed.block, replayed.result)
            executed(replayed)
            claims.append(replayed.claim)
    except BaseException:
        if archive is not None:
            archive.close()
        journal.close()
        raise
    parts = snapshot.parts if snapshot else None
    return Recovered(journal, archive, stores.snapshots, replica, parts, base_height, claims)


def _usable_snapshot(
    store: Snapshots, snapshot: Snapshot | None, archive: Archive, journal: Journal
) -> Snapshot | None:
    """A snapshot the archive reaches up to, for what the archive lacks is replayed, as far back as the journal goes.

    Raises JournalCorrupted where the archive has a block that the journal lost, ArchiveMismatch where blocks between
    both are nowhere.
    """
    archived, tip_height = archive.tip() or 0, journal.tip().height
    if archived > tip_height:
        raise JournalCorrupted(tip_height + 1, f"blocks up to {archived} were acknowledged: the archive has them")
    if snapshot is None or snapshot.height <= archived:
        return snapshot
    older = store.latest(at_most=archived)
    reached = older.height if older else 0
    if reached >= journal.start().height:
        return older
    if archived:
        raise ArchiveMismatch(
            f"the archive ends at block {archived}, and no snapshot up to there is left to execute the blocks after it "
            "from; move archive.sqlite away, and a start begins a new one"
        )
    return snapshot
