"""What of a node outlives its process: journal, snapshots, archive; and where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from cluster.archive import Archive
from cluster.journal import Journal, Tip, open_journal
from cluster.snapshots import Snapshot, SnapshotStore

SNAPSHOTS = "snapshots"


class Snapshots(Protocol):
    """Cuts by height; see `cluster.snapshots.SnapshotStore`."""

    def write(self, height: int, frame_hash: bytes, parts: Mapping[str, bytes]) -> Any:
        """Makes a snapshot durable."""

    def latest(self, at_most: int | None = None) -> Snapshot | None:
        """The newest that verifies, not above a height."""

    def oldest(self) -> Snapshot | None:
        """The oldest that verifies."""

    def heights(self) -> list[int]:
        """Heights there are snapshots of, ascending."""

    def prune(self) -> list[int]:
        """Removes all but the newest."""


class Stores(Protocol):
    """Opens what outlives a process. A simulator keeps all of it on a disk of its own."""

    @property
    def snapshots(self) -> Snapshots:
        """Where the cuts are."""

    def open_journal(self, verify_after: Tip) -> Journal:
        """The journal, checked after this place, its tail settled, no lease taken."""

    def open_archive(self) -> Archive:
        """The archive, made where there is none."""


class DirectoryStores:
    """The stores of a data directory."""

    def __init__(
        self,
        data_dir: Path,
        holder: str,
        notice: Callable[[str], None],
        *,
        journal_url: str | None = None,
        snapshots_url: str | None = None,
    ) -> None:
        """`holder` names this process to whoever finds the journal in use.

        Without URLs the journal is a file of the directory and snapshots a folder of it (docs/stores.md). Raises
        BadSnapshotsUrl.
        """
        self._journal_url = journal_url
        self._data_dir = data_dir
        self._holder = holder
        self._notice = notice
        self.snapshots = SnapshotStore(snapshots_url or data_dir / SNAPSHOTS, notice=notice)

    def open_journal(self, verify_after: Tip) -> Journal:
        """Raises BadJournalUrl, LeaseHeld, StoreFailed, JournalCorrupted, FramesPruned."""
        return open_journal(
            self._journal_url,
            self._data_dir,
            holder=self._holder,
            verify_after=verify_after,
            notice=self._notice,
        )

    def open_archive(self) -> Archive:
        """See `Stores`."""
        return Archive(self._data_dir)
