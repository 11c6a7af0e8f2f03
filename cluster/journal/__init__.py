"""The journal: one ordered, hash-chained, fenced stream of frames. Everything else is rebuilt from it."""

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_HASH, GENESIS_TIP, Frame, Tip, frame_hash
from cluster.journal.journal import (
    Fenced,
    FrameNotAppended,
    HeightOutOfOrder,
    Journal,
    JournalCorrupted,
    JournalError,
    LeaseHeld,
    NoticeSink,
    OutcomeUnknown,
    ReadableJournal,
)
from cluster.journal.sqlite import SqliteJournal
from cluster.journal.sqlite_reader import SqliteReader, open_read_only
from cluster.journal.writer import JournalWriter

__all__ = [
    "FIRST_HEIGHT",
    "GENESIS_HASH",
    "GENESIS_TIP",
    "Fenced",
    "Frame",
    "FrameNotAppended",
    "HeightOutOfOrder",
    "Journal",
    "JournalCorrupted",
    "JournalError",
    "JournalWriter",
    "LeaseHeld",
    "NoticeSink",
    "OutcomeUnknown",
    "ReadableJournal",
    "SqliteJournal",
    "SqliteReader",
    "Tip",
    "frame_hash",
    "open_read_only",
]
