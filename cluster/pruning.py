"""Cutting the beginning of a journal off, behind a snapshot that was read and found whole. Never without one."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from cluster.frame_archive import FrameArchive
from cluster.journal import Journal, JournalCorrupted, Tip
from cluster.snapshots import Snapshot

KEEP_BLOCKS = 1_000
# Frames a transaction: a running node appends between two of them.
_AT_ONCE = 512


class Cuts(Protocol):
    """As much of the snapshots as pruning needs."""

    def oldest(self) -> Snapshot | None:
        """The oldest that verifies."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What pruning did: frames removed, where the journal begins now, the snapshot behind it, archive files written.

    `kept_because` says in a sentence why nothing was removed; empty where something was.
    """

    frames: int
    start_height: int
    snapshot_height: int
    files: tuple[Path, ...] = ()
    kept_because: str = ""


def prune(journal: Journal, snapshots: Cuts, keep_blocks: int = KEEP_BLOCKS, archive: Path | None = None) -> Pruned:
    """Remove the frames below the oldest snapshot that verifies, but never one of the last `keep_blocks` (at least 1).

    With `archive`, a directory, they are written into Parquet files and read again first. The journal's writer calls
    this, between two appends. It goes in steps that each take effect whole: broken off, it is done up to somewhere.
    Raises JournalError, OSError.
    """
    start, tip = journal.start(), journal.tip()
    snapshot = snapshots.oldest()
    if snapshot is None:
        return Pruned(0, start.height, 0, (), "no snapshot verifies, and without one every frame is needed")
    last = min(snapshot.height, tip.height - max(keep_blocks, 1))
    if last <= start.height:
        reason = (
            f"the journal has heights {start.height + 1:,} to {tip.height:,}; the oldest snapshot that verifies is of "
            f"{snapshot.height:,} and the last {max(keep_blocks, 1):,} blocks stay"
        )
        return Pruned(0, start.height, snapshot.height, (), reason)
    if next(journal.frames(snapshot.height)).hash != snapshot.frame_hash:  # it vouches for nothing here
        raise JournalCorrupted(snapshot.height, "it is not the frame the snapshot was taken at")
    files = _moved(journal, start, last, archive) if archive is not None else []
    removed = 0
    for height in [*range(start.height + 1 + _AT_ONCE, last + 1, _AT_ONCE), last + 1]:
        removed += journal.cut_before(height)
    journal.checkpoint()
    return Pruned(removed, last, snapshot.height, tuple(files))


def _moved(journal: Journal, start: Tip, last: int, directory: Path) -> list[Path]:
    """Write what is to go into the archive, behind what is there from a pruning that was broken off."""
    archive = FrameArchive(directory)
    reached = archive.tip()
    if reached.height:
        if reached.height < start.height:
            raise JournalCorrupted(
                reached.height + 1,
                f"the archive in {directory} ends at {reached.height} and the journal begins at {start.height + 1}: "
                "the frames between are in neither",
            )
        if reached.height > journal.tip().height or _hash_at(journal, start, reached.height) != reached.hash:
            raise JournalCorrupted(reached.height, f"the archive in {directory} is of another journal")
    first = max(reached.height, start.height) + 1
    return archive.add(takewhile(lambda frame: frame.height <= last, journal.frames(first))) if first <= last else []


def _hash_at(journal: Journal, start: Tip, height: int) -> bytes:
    return start.hash if height == start.height else next(journal.frames(height)).hash
