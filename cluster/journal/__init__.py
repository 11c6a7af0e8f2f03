"""The journal: one ordered, hash-chained, fenced stream of frames. Everything else is rebuilt from it."""

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_HASH, GENESIS_TIP, Frame, Tip, frame_hash
from cluster.journal.journal import (
    BadJournalUrl,
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
from cluster.journal.opening import open_journal, open_reader
from cluster.journal.sqlite import SqliteJournal
from cluster.journal.sqlite_reader import SqliteReader, open_read_only
from cluster.journal.tail import SettledTail, settle_tail
from cluster.journal.writer import JournalWriter

__all__ = [
    "FIRST_HEIGHT",
    "GENESIS_HASH",
    "GENESIS_TIP",
    "BadJournalUrl",
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
    "open_journal",
    "open_read_only",
    "open_reader",
    "settle_tail",
]
