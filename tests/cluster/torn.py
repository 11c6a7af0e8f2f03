"""A write-ahead log that ends in the middle of its last transaction, wherever: the acknowledged frames are there."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cluster.journal import Frame, JournalError, SqliteJournal
from cluster.journal.sqlite_reader import JOURNAL_NAME

LOG_NAME = f"{JOURNAL_NAME}-wal"


@dataclass(frozen=True, slots=True)
class TornLog:
    """A journal before and after its last append: the log's bytes, the file beside it, the frames.

    The last transaction lies between `first`, the first byte the append changed, and `end`, behind the last one.
    """

    file: bytes
    before: bytes
    after: bytes
    frames: list[Frame]
    first: int
    end: int


def torn_log(directory: Path, frames: int, turned: bool) -> TornLog:
    """Append frames and look at the log around the last append. `turned`: the log was written from its start again, so
    that whole pages of an earlier turn lie behind what is new."""
    made: list[Frame] = []
    with closing(SqliteJournal.open(directory, holder="torn")) as journal:
        epoch = journal.take_lease()
        for number in range(frames):
            if number == frames - 1:
                before = (directory / LOG_NAME).read_bytes()
            elif turned and number == frames // 2:
                journal.checkpoint()
            made.append(journal.tip().next_frame(epoch, b"frame %d " % number * 20))
            journal.append(made[-1])
        after = (directory / LOG_NAME).read_bytes()
        changed = [at for at in range(len(after)) if after[at : at + 1] != before[at : at + 1]]
        file = (directory / JOURNAL_NAME).read_bytes()
        return TornLog(file, before, after, made, changed[0], changed[-1] + 1)


def recovered_at(log: TornLog, cuts: Iterable[int], behind: bool, scratch: Path) -> tuple[int, list[str]]:
    """Let the log end after so many bytes, or go on `behind` with what was there before; how many cuts were tried, and
    what was wrong with them."""
    tried, faults = 0, []
    for cut in cuts:
        scratch.mkdir()
        (scratch / JOURNAL_NAME).write_bytes(log.file)
        (scratch / LOG_NAME).write_bytes(log.after[:cut] + (log.before[cut:] if behind else b""))
        expected = log.frames if cut >= log.end else log.frames[:-1]
        try:
            with closing(SqliteJournal.open(scratch, holder="torn", notice=lambda text: None)) as journal:
                found = list(journal.frames())
        except JournalError as error:
            faults.append(f"cut at byte {cut} of {log.end}: {error}")
        else:
            if found != expected:
                faults.append(f"cut at byte {cut} of {log.end}: {len(found)} frames instead of {len(expected)}")
        tried += 1
        shutil.rmtree(scratch)
    return tried, faults
