"""Audit: re-executes a journal in this process from its first block, trusting nothing derived.

Compares every root the journal carries and every archived header, checks the chain, signatures and the invariants of
the design that can be checked from outside the actors. Where the beginning of the journal was cut off and its frames
are not at hand, it begins at the oldest whole snapshot instead, and says what it takes on trust there.
"""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from actors.chain.roots import header_hash
from actors.validator import judge
from actors.ways import Way
from breakwater.v1 import blocks_pb2 as blocks
from cluster.archive import Archive, Header
from cluster.conservation import InvariantBroken
from cluster.frame_archive import FrameArchive, Rejoined
from cluster.invariants import check_after_block
from cluster.journal import FIRST_HEIGHT, GENESIS_TIP, JournalCorrupted, ReadableJournal, open_reader
from cluster.recovery import BlockFailed, Replayed, ReplayMismatch, replay
from cluster.replica import Replica
from cluster.signing import verify
from cluster.snapshots import Snapshot, SnapshotStore
from cluster.stores import SNAPSHOTS
from cluster.validation import KEY_NAME, load_or_make_key

_log = logging.getLogger(__name__)

AUDIT_SHARDS = 1


class NothingToAudit(Exception):
    """There is no block that could be executed again."""


@dataclass(slots=True)
class AuditReport:
    """What an audit found. `heights` blocks from `first_height` on were re-executed; `state_root` is the last one.

    `on_trust` says what was not checked; empty where everything was, from the first block.
    """

    first_height: int = FIRST_HEIGHT
    on_trust: str = ""
    heights: int = 0
    roots_equal: bool = True
    conserved: bool = True
    signed: int = 0
    final_state_root: str = ""
    violations: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return self.roots_equal and self.conserved and not self.violations


def audit(
    data_dir: Path,
    journal_url: str | None = None,
    snapshots_url: str | None = None,
    frames: Path | None = None,
    notice: Callable[[str], None] = _log.warning,
) -> AuditReport:
    """Re-executes everything; `frames` is a directory of archived frames that come before the journal's.

    Raises JournalError, NothingToAudit, FileNotFoundError.
    """
    if not data_dir.is_dir():
        raise FileNotFoundError(f"there is no data directory {data_dir}")
    with closing(_whole(open_reader(journal_url, data_dir), frames)) as journal:
        journal.verify()
        with closing(Archive(data_dir, is_owner=False)) as archive:
            run = _Audit(journal, archive, _public_key(data_dir))
            if journal.start() != GENESIS_TIP:
                store = SnapshotStore(snapshots_url or data_dir / SNAPSHOTS, notice=notice)
                run.begin_at(_snapshot_to_begin_at(store, journal))
            return run.run()


def _whole(journal: ReadableJournal, frames: Path | None) -> ReadableJournal:
    if frames is None:
        return journal
    try:
        return Rejoined(FrameArchive(frames), journal)
    except BaseException:
        journal.close()
        raise


def _snapshot_to_begin_at(store: SnapshotStore, journal: ReadableJournal) -> Snapshot:
    """The oldest whole one the journal reaches back to."""
    start, tip = journal.start(), journal.tip()
    snapshot = store.oldest(at_least=start.height)
    if snapshot is None or snapshot.height > tip.height:
        raise NothingToAudit(
            f"the journal begins at height {start.height + 1} and no whole snapshot of {start.height} to {tip.height} "
            "is there to begin at; with the archived frames (--frames) an audit begins at the first block"
        )
    known = start if snapshot.height == start.height else next(journal.frames(snapshot.height)).tip
    if known.hash != snapshot.frame_hash:
        raise JournalCorrupted(snapshot.height, "it is not the frame the snapshot was taken at")
    return snapshot


def _public_key(data_dir: Path) -> bytes | None:
    return load_or_make_key(data_dir).public_key if (data_dir / KEY_NAME).exists() else None


class _Audit:
    def __init__(self, journal: ReadableJournal, archive: Archive, public_key: bytes | None) -> None:
        self._journal = journal
        self._archive = archive
        self._public_key = public_key
        self._replica = Replica(AUDIT_SHARDS, Way.BY_ROW)
        self._report = AuditReport()

    def begin_at(self, snapshot: Snapshot) -> None:
        """Takes a state on trust instead of executing the blocks that made it."""
        self._replica.restore(snapshot.parts)
        self._report.first_height = snapshot.height + 1
        self._report.on_trust = (
            f"the state after block {snapshot.height}: it is the snapshot's {snapshot.digest.hex()[:16]}, taken at the "
            f"frame {snapshot.frame_hash.hex()[:16]} of this journal, whose earlier blocks were not executed again"
        )

    def run(self) -> AuditReport:
        """Block by block; stops at the first that cannot be executed."""
        report = self._report
        try:
            # Up to the tip of now: a journal on a server may be written meanwhile.
            for replayed in replay(self._journal, self._replica, report.first_height, self._journal.tip().height):
                report.heights += 1
                self._check(replayed)
        except ReplayMismatch as mismatch:
            report.roots_equal = False
            report.violations.append(str(mismatch))
        except BlockFailed as failed:
            report.conserved = not isinstance(failed.cause, InvariantBroken)
            report.violations.append(str(failed))
        return report

    def _check(self, replayed: Replayed) -> None:
        report, result = self._report, replayed.result
        if result.state_root:
            report.final_state_root = result.state_root.hex()
        archived = self._archive.header(result.height)
        if archived is not None:
            self._compare(replayed, archived)
        state = self._replica.state
        faults = judge(result.header, result.header, result.events, state.venues, state.markets)
        faults += check_after_block(self._replica, result)
        report.violations += [f"height {result.height}: {fault}" for fault in faults]

    def _compare(self, replayed: Replayed, archived: Header) -> None:
        report, result, state = self._report, replayed.result, self._replica.state
        if archived.header != result.header_bytes:
            claimed = blocks.BlockHeader.FromString(archived.header)
            report.roots_equal = False
            report.violations += [
                f"height {result.height}: {fault}"
                for fault in judge(claimed, result.header, result.events, state.venues, state.markets)
            ]
        if archived.signature is not None and self._public_key is not None:
            report.signed += 1
            if not verify(self._public_key, header_hash(archived.header), archived.signature):
                report.violations.append(f"height {result.height}: the header's signature is not the validator's")
