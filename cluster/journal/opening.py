"""Which journal a node has: the file in its data directory, or a stream on a PostgreSQL server named by a URL."""

from __future__ import annotations

import logging
from pathlib import Path

from cluster.journal.frame import GENESIS_TIP, Tip
from cluster.journal.journal import Journal, NoticeSink, ReadableJournal
from cluster.journal.sqlite import SqliteJournal
from cluster.journal.sqlite_reader import open_read_only

_log = logging.getLogger(__name__)


def open_journal(
    url: str | None,
    data_dir: Path,
    *,
    holder: str,
    verify_after: Tip = GENESIS_TIP,
    notice: NoticeSink = _log.warning,
) -> Journal:
    """Open or make a journal for writing, its tail settled, no lease taken; the data directory is locked in any case.

    Raises BadJournalUrl, LeaseHeld, StoreFailed, JournalCorrupted, FramesPruned.
    """
    if url is None:
        return SqliteJournal.open(data_dir, holder=holder, verify_after=verify_after, notice=notice)
    # Imported here: a node on SQLite needs no driver of a server.
    from cluster.journal.postgres import PostgresJournal

    return PostgresJournal.open(url, holder=holder, directory=data_dir, verify_after=verify_after, notice=notice)


def open_reader(url: str | None, data_dir: Path) -> ReadableJournal:
    """Open a journal to read: a file that no node holds, or a stream beside its writer.

    Raises FileNotFoundError where there is none, LeaseHeld, BadJournalUrl, StoreFailed, JournalCorrupted.
    """
    if url is None:
        return open_read_only(data_dir)
    from cluster.journal.postgres import open_postgres_reader

    return open_postgres_reader(url)
