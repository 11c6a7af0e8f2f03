"""Reading a journal kept in an SQLite file, by one process or by many that only read."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Tip
from cluster.journal.journal import JournalCorrupted, StoreFailed
from cluster.journal.lock import DirectoryLock
from cluster.journal.sql_reader import SqlReader
from cluster.journal.statements import SQLITE, statements
from cluster.journal.wal_scan import WalReport, scan_wal

JOURNAL_NAME = "journal.sqlite"
PAGE_BYTES = 16384

_SQL = statements(SQLITE)
_HAS_TABLE = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name"
# Every other error of a statement is taken for damage, and of those of the disk the unreadable ones.
_NO_ANSWER = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
    }
)
_UNREADABLE = frozenset({sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS})


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing store without any right to change it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None)


class SqliteStore(SqlReader):
    """The part of a reader and of a writer that speaks to SQLite; `_connection` is whoever's connection it is."""

    _sql = _SQL
    _connection: sqlite3.Connection
    _path: Path

    def query(self, sql: str, at_height: int, **values: object) -> list[tuple]:
        """Run one statement; a store that cannot be read is corrupted at the height that was wanted."""
        with self._guard:
            try:
                return self._connection.execute(sql, {"stream": self._stream, **values}).fetchall()
            except sqlite3.ProgrammingError:
                raise  # the connection is closed: a mistake of the caller, no word about the store
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if _is_silence(error):
                    raise StoreFailed(f"the journal's store {self._path} does not answer: {error}") from error
                raise JournalCorrupted(at_height, f"the store cannot be read ({error})") from error

    def check_store(self, next_height: int) -> None:
        """Let SQLite walk the structure of its file."""
        complaint = self.query("PRAGMA quick_check(1)", next_height)[0][0]
        if complaint != "ok":
            raise JournalCorrupted(next_height, f"all frames up to it are whole, but the store says: {complaint}")


class SqliteReader(SqliteStore):
    """An audit's view of a journal that no node holds: nothing is repaired or changed."""

    def __init__(self, directory: Path, lock: DirectoryLock, stream: str) -> None:
        super().__init__(stream)
        self._path = directory / JOURNAL_NAME
        self._lock = lock
        self._connection = connect_reader(self._path)
        # Files of before there was any pruning lack the table, and a reader may not make it.
        self._may_be_pruned = bool(self.query(_HAS_TABLE, FIRST_HEIGHT, name="journal_start"))

    def start(self) -> Tip:
        """See `SqlReader.start`."""
        return super().start() if self._may_be_pruned else GENESIS_TIP

    def close(self) -> None:
        """Close the store, then let the directory go; harmless when repeated."""
        with self._guard:
            self._connection.close()
            self._lock.release()


def open_read_only(directory: Path, *, stream: str = "main") -> SqliteReader:
    """Open a journal that no node holds, for an audit.

    Raises FileNotFoundError when there is none, LeaseHeld when a node holds it, JournalCorrupted.
    """
    if not (directory / JOURNAL_NAME).exists():
        raise FileNotFoundError(f"no journal in {directory}")
    lock = DirectoryLock(directory, "audit", shared=True)
    try:
        scan_log(directory, stream)
        return SqliteReader(directory, lock, stream)
    except BaseException:
        lock.release()
        raise


def _is_silence(error: Exception) -> bool:
    """Whether an error says nothing of the stored bytes: the store could not be asked, or did not take a change."""
    code = getattr(error, "sqlite_errorcode", 0)
    return primary_code(error) in _NO_ANSWER or (
        primary_code(error) == sqlite3.SQLITE_IOERR and code not in _UNREADABLE
    )


def primary_code(error: Exception) -> int:
    """SQLite's own name for an error, without its details; 0 where it has none."""
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF


def log_path(directory: Path) -> Path:
    """Return where SQLite keeps the write-ahead log of the journal in `directory`."""
    return directory / f"{JOURNAL_NAME}-wal"


def scan_log(directory: Path, stream: str) -> WalReport:
    """Refuse a log damaged in its middle before SQLite drops its second half; the file is opened read-only for it."""
    report = scan_wal(log_path(directory), PAGE_BYTES)
    if report.damage is None:
        return report
    try:
        connection = connect_reader(directory / JOURNAL_NAME)
        try:
            rows = connection.execute(_SQL.read_tip, {"stream": stream}).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        rows = []
    raise JournalCorrupted(rows[0][0] + 1 if rows else FIRST_HEIGHT, report.damage)
