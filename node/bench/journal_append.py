"""One frame of 64 KB, durable: the journal against a plain file, written and synced, in the same directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cluster.journal import SqliteJournal
from node.bench.table import Row
from node.bench.timing import percentile, times_ms

FRAME_BYTES = 64 << 10
_CHECKPOINT_EVERY = 128


def rows(directory: Path, quick: bool) -> Iterator[Row]:
    """p50 and p99 of an append."""
    repeats = 100 if quick else 400
    ours = _journal_ms(directory / "journal-bench", repeats)
    peer = _file_ms(directory / "plain-file", repeats)
    for percent in (50, 99):
        name = f"journal append, 64 KB, durable, p{percent}"
        reference = f"plain file, write + fdatasync, p{percent}"
        yield Row(name, percentile(ours, percent), "ms", None, reference, percentile(peer, percent))


def _journal_ms(directory: Path, repeats: int) -> list[float]:
    """Appends as the pipeline makes them; housekeeping happens between two, as behind acknowledgements."""
    journal = SqliteJournal.open(directory, holder="bench")
    try:
        epoch = journal.take_lease()
        payload = os.urandom(FRAME_BYTES)
        taken: list[float] = []
        while len(taken) < repeats:
            chunk = min(_CHECKPOINT_EVERY, repeats - len(taken))
            taken += times_ms(lambda: journal.append(journal.tip().next_frame(epoch, payload)), chunk, warm=2)
            journal.checkpoint()
        return taken
    finally:
        journal.close()


def _file_ms(path: Path, repeats: int) -> list[float]:
    payload = os.urandom(FRAME_BYTES)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write() -> None:
        os.write(descriptor, payload)
        os.fdatasync(descriptor)

    try:
        return times_ms(write, repeats, warm=4)
    finally:
        os.close(descriptor)
