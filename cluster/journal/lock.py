"""The lock file of a data directory: one writer, or any number of readers, on one host."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from cluster.journal.journal import LeaseHeld

LOCK_NAME = "journal.lock"


class DirectoryLock:
    """Holds `journal.lock` until released or until the process dies, however it dies.

    It is taken before the store is touched, so a second opener neither reads nor repairs what another is writing.
    """

    def __init__(self, directory: Path, holder: str, *, shared: bool = False) -> None:
        """Take the lock at once; raises LeaseHeld, naming the holder, when it is taken."""
        self._shared = shared
        self._descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            other = self._who_holds_it()
            os.close(self._descriptor)
            raise LeaseHeld(str(directory), other) from None
        if not shared:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{holder} (process {os.getpid()})".encode(), 0)

    def release(self) -> None:
        """Let the lock go; harmless when repeated."""
        if self._descriptor < 0:
            return
        if not self._shared:
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)
        self._descriptor = -1

    def _who_holds_it(self) -> str:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return "a reader of its journal"  # sharing succeeded, so whoever is in the way shares too
        except BlockingIOError:
            text = os.pread(self._descriptor, 400, 0).decode(errors="replace").strip()
            return text or "another process"
