"""The journal: one ordered, hash-chained, fenced stream of frames. Everything else is rebuilt from it."""

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_HASH, GENESIS_TIP, Frame, Tip, frame_hash
from cluster.journal.journal import (
    Fenced,
    FrameNotAppended,
    FramesPruned,
    HeightOutOfOrder,
    Holder,
    Journal,
    JournalCorrupted,
    JournalError,
    LeaseHeld,
    NoticeSink,
    OutcomeUnknown,
    ReadableJournal,
    StoreFailed,
)
from cluster.journal.sqlite import SqliteJournal
from cluster.journal.sqlite_reader import SqliteReader, open_read_only
from cluster.journal.tail import SettledTail, settle_tail
from cluster.journal.writer import JournalWriter

__all__ = [
    "FIRST_HEIGHT",
    "GENESIS_HASH",
    "GENESIS_TIP",
    "Fenced",
    "Frame",
    "FrameNotAppended",
    "FramesPruned",
    "HeightOutOfOrder",
    "Holder",
    "Journal",
    "JournalCorrupted",
    "JournalError",
    "JournalWriter",
    "LeaseHeld",
    "NoticeSink",
    "OutcomeUnknown",
    "ReadableJournal",
    "SettledTail",
    "SqliteJournal",
    "SqliteReader",
    "StoreFailed",
    "Tip",
    "frame_hash",
    "open_read_only",
    "settle_tail",
]
