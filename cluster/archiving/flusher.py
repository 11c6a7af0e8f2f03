"""Brings what was written to the disk, in a thread of its own and often enough that nobody has to wait for much."""

from __future__ import annotations

import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

from cluster.archiving.segments import Segments

# So much may be written before the next flush begins.
FLUSH_BYTES: Final = 64 << 20


class Reached(NamedTuple):
    """How far an archive is written."""

    height: int
    end_event: int
    segment: int


class Flusher:
    """Says up to where an archive survives a loss of power."""

    def __init__(self, folder: Path, segments: Segments, reached: Reached) -> None:
        """`reached` survives one already."""
        self._folder = folder
        self._segments = segments
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="archive-flush")
        self._flushing: Future[None] | None = None
        self._going_to = reached
        self._bytes = 0
        self._owed: list[Path] = []  # files that are not known to be flushed
        self.reached = reached

    def wrote(self, size: int) -> bool:
        """So many bytes more; whether a flush should begin."""
        self._bytes += size
        return self._bytes >= FLUSH_BYTES and self._flushing is None

    def begin(self, to: Reached, files: list[Path]) -> None:
        """Begins to flush the segments up to a place, and these files."""
        assert self._flushing is None, "one flush at a time"
        self._bytes, self._going_to = 0, to
        self._owed += files
        self._flushing = self._thread.submit(self._flush, self.reached.segment, list(self._owed))

    def end(self, wait: bool) -> bool:
        """Takes note of a flush that has come to its end; False where there is none. Raises OSError."""
        flushing = self._flushing
        if flushing is None or not (wait or flushing.done()):
            return False
        self._flushing = None
        flushing.result()
        self._owed.clear()
        self.reached = self._going_to
        return True

    def close(self) -> None:
        """Waits for a flush under way."""
        self._thread.shutdown()

    def _flush(self, since: int, files: list[Path]) -> None:
        self._segments.sync(since)
        for path in files:
            _sync(path)
        _sync(self._folder)


def _sync(path: Path) -> None:
    """A file that was merged away meanwhile, or a folder nothing was written into, needs none."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
