"""The embedded journal: SQLite with a write-ahead log, synced at every append, one process at a time."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Frame, Tip
from cluster.journal.journal import (
    FrameNotAppended,
    JournalCorrupted,
    JournalError,
    LeaseHeld,
    NoticeSink,
    OutcomeUnknown,
    StoreFailed,
)
from cluster.journal.lock import DirectoryLock
from cluster.journal.sql_journal import SqlJournal
from cluster.journal.sqlite_reader import (
    JOURNAL_NAME,
    PAGE_BYTES,
    SqliteStore,
    log_path,
    primary_code,
    scan_log,
)

_log = logging.getLogger(__name__)
Connect = Callable[[Path], sqlite3.Connection]

# SQLite takes these back by itself: a commit record that does not fit on the disk is not there.
_REFUSED: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY})


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open or create the store; its own exclusive lock is the second fence, behind the lock file."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    settings = (
        f"page_size={PAGE_BYTES}",
        "locking_mode=EXCLUSIVE",
        "journal_mode=WAL",
        "synchronous=FULL",
        "wal_autocheckpoint=0",  # a checkpoint inside an append would be a 25 ms stall before an acknowledgement
    )
    try:
        for setting in settings:
            connection.execute(f"PRAGMA {setting}")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


class SqliteJournal(SqliteStore, SqlJournal):
    """The writer. One thread appends; other threads may read frames meanwhile."""

    _kind = "sqlite"

    def __init__(self, directory: Path, lock: DirectoryLock, holder: str, stream: str, connect: Connect) -> None:
        super().__init__(stream, holder, str(directory))
        self._path = directory / JOURNAL_NAME
        self._lock = lock
        self._connect = connect
        self._connection = connect(self._path)

    @classmethod
    def open(
        cls,
        directory: Path,
        *,
        holder: str,
        verify_after: Tip = GENESIS_TIP,
        stream: str = "main",
        notice: NoticeSink = _log.warning,
        connect: Connect = connect_writer,
    ) -> SqliteJournal:
        """Open or create the journal in `directory`, alone, and check the frames after `verify_after`.

        `verify_after` is the place of a verified snapshot: older frames are left to `verify`. A torn tail is cut
        (its rows are kept aside in `journal_cut`) and reported to `notice`.
        Raises LeaseHeld at once when another process has the directory, JournalCorrupted when it must not start,
        FramesPruned when it begins above `verify_after`, StoreFailed.
        """
        directory.mkdir(parents=True, exist_ok=True)
        lock = DirectoryLock(directory, holder)
        try:
            report = scan_log(directory, stream)
            journal = _open_store(cls, directory, lock, holder, stream, connect)
        except BaseException:
            lock.release()
            raise
        try:
            tip = journal._settle(verify_after, notice)
            if report.torn:
                notice(f"journal: an unfinished write after height {tip.height} was cut; it was never acknowledged")
            return journal
        except BaseException:
            journal._disconnect()
            raise

    def checkpoint(self) -> None:
        """Note the tip in the lease row, then move the log into the file: whatever leaves the log's checksums for the
        file is known to have been durable."""
        with self._guard:
            super().checkpoint()
            self.query("PRAGMA wal_checkpoint(PASSIVE)", self._tip.height + 1)

    def wal_bytes(self) -> int:
        """Return the size of the log file: what a checkpoint would have to move, at most."""
        log = log_path(self._path.parent)
        return log.stat().st_size if log.exists() else 0

    def _insert(self, frame: Frame) -> int:
        values = {name: getattr(frame, name) for name in Frame.__slots__} | {"stream": self._stream}
        try:
            return self._connection.execute(self._sql.append, values).rowcount
        except sqlite3.Error as failure:
            if primary_code(failure) in _REFUSED or self._is_overwritten(failure):
                raise FrameNotAppended(frame.height, str(failure)) from failure
            raise OutcomeUnknown(frame.height, str(failure)) from failure

    def _is_overwritten(self, failure: sqlite3.Error) -> bool:
        """After a write that failed: the next commit goes to the same place in the log, so what was half written is
        gone for certain once there is one. A sync that failed says nothing of earlier bytes: there only a new
        connection and a whole checkpoint help, and that is `resume`."""
        if primary_code(failure) != sqlite3.SQLITE_IOERR or failure.sqlite_errorcode != sqlite3.SQLITE_IOERR_WRITE:
            return False
        try:
            self.renew()
        except JournalError:
            return False
        return True

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.query("BEGIN IMMEDIATE", self._tip.height + 1)
        try:
            yield
            self.query("COMMIT", self._tip.height + 1)
        except BaseException:
            if self._connection.in_transaction:
                self._connection.rollback()
            raise

    def _reconnect(self) -> None:
        """Drop the connection and open the file anew. A whole checkpoint then writes every page again and syncs it: a
        sync that failed may have left pages in memory that the kernel takes for written."""
        self._connection.close()
        try:
            self._connection = self._connect(self._path)
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error as error:
            raise StoreFailed(f"the journal's store {self._path} does not answer: {error}") from error
        if busy:
            raise StoreFailed(f"the journal's store {self._path} is in use: its log cannot be moved into the file")

    def _disconnect(self) -> None:
        self._connection.close()
        self._lock.release()

    def _lease_terms(self) -> dict[str, int]:
        return {"ttl_ms": 0, "force": 1}  # who has the directory's lock is alone: the kernel knows who is alive


def _open_store(
    cls: type[SqliteJournal], directory: Path, lock: DirectoryLock, holder: str, stream: str, connect: Connect
) -> SqliteJournal:
    """Connect and make sure the tables and the lease row are there."""
    try:
        journal = cls(directory, lock, holder, stream, connect)
    except sqlite3.DatabaseError as error:
        raise _refusal(directory, error) from error
    try:
        journal._make_tables()
        columns = [row[1] for row in journal.query("PRAGMA table_info(lease)", FIRST_HEIGHT)]
        if "seen_ms" not in columns:  # a file of before leases were renewed
            journal.query("ALTER TABLE lease ADD COLUMN seen_ms INTEGER NOT NULL DEFAULT 0", FIRST_HEIGHT)
    except JournalError:
        journal._connection.close()
        raise
    return journal


def _refusal(directory: Path, error: sqlite3.DatabaseError) -> JournalError:
    """Name what an error of the store means at opening."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_BUSY:
        return LeaseHeld(str(directory), "another process")
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return JournalCorrupted(FIRST_HEIGHT, f"the store cannot be opened ({error})")
    return StoreFailed(f"the journal in {directory} cannot be opened: {error}")
