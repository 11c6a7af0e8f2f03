"""Audit: re-executes a data directory's journal in this process from the first block, trusting nothing derived.

Compares every root the journal carries and every archived header, checks the chain, signatures and the invariants of
the design that can be checked from outside the actors.
"""

from dataclasses import dataclass, field
from pathlib import Path

from actors.chain.roots import header_hash
from actors.validator import judge
from breakwater.v1 import blocks_pb2 as blocks
from cluster.archive import Archive, Header
from cluster.conservation import InvariantBroken
from cluster.invariants import check_after_block
from cluster.journal import ReadableJournal, open_read_only
from cluster.recovery import BlockFailed, Replayed, ReplayMismatch, replay
from cluster.replica import Replica
from cluster.signing import verify
from cluster.validation import KEY_NAME, load_or_make_key

AUDIT_SHARDS = 1


@dataclass(slots=True)
class AuditReport:
    """What an audit found. `heights` blocks were re-executed; `state_root` is the last one."""

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


def audit(data_dir: Path) -> AuditReport:
    """Re-executes everything. Raises JournalCorrupted, LeaseHeld, FileNotFoundError."""
    if not data_dir.is_dir():
        raise FileNotFoundError(f"there is no data directory {data_dir}")
    journal = open_read_only(data_dir)
    try:
        journal.verify()
        archive = Archive(data_dir)
        try:
            return _Audit(journal, archive, _public_key(data_dir)).run()
        finally:
            archive.close()
    finally:
        journal.close()


def _public_key(data_dir: Path) -> bytes | None:
    return load_or_make_key(data_dir).public_key if (data_dir / KEY_NAME).exists() else None


class _Audit:
    def __init__(self, journal: ReadableJournal, archive: Archive, public_key: bytes | None) -> None:
        self._journal = journal
        self._archive = archive
        self._public_key = public_key
        self._replica = Replica(AUDIT_SHARDS, scalar=True)
        self._report = AuditReport()

    def run(self) -> AuditReport:
        """Block by block; stops at the first that cannot be executed."""
        report = self._report
        try:
            for replayed in replay(self._journal, self._replica, 1):
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
