"""The archive's tables, and connections to them: one that writes, one a thread that reads."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import Any, Final, NamedTuple

ARCHIVE_NAME: Final = "archive.sqlite"
FOLDER_NAME: Final = "archive"
# An archive of another layout is made again from the journal.
_LAYOUT: Final = 2
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS blocks (height INTEGER PRIMARY KEY, block_time_ms INTEGER NOT NULL, header BLOB NOT NULL,
  signature BLOB, segment INTEGER NOT NULL, place INTEGER NOT NULL, bytes INTEGER NOT NULL, digest BLOB NOT NULL,
  first_event INTEGER NOT NULL, events INTEGER NOT NULL, event_bytes INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS blocks_by_event ON blocks (first_event, height);
CREATE TABLE IF NOT EXISTS kinds (kind INTEGER NOT NULL, height INTEGER NOT NULL, PRIMARY KEY (kind, height))
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kinds_of_height ON kinds (height);
CREATE TABLE IF NOT EXISTS outcomes (request_key BLOB PRIMARY KEY, height INTEGER NOT NULL, body_hash BLOB NOT NULL,
  place INTEGER NOT NULL, bytes INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outcomes_of_height ON outcomes (height);
CREATE TABLE IF NOT EXISTS runs (first_event INTEGER PRIMARY KEY, end_event INTEGER NOT NULL, level INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS synced (height INTEGER NOT NULL);
"""
_BLOCK: Final = "SELECT height, segment, place, bytes, digest, first_event, events, event_bytes FROM blocks"


class BlockPlace(NamedTuple):
    """Where a block's bytes are: in which segment, from where, how many; its events are numbered from `first_event`."""

    height: int
    segment: int
    place: int
    size: int
    digest: bytes
    first_event: int
    events: int
    event_bytes: int

    @property
    def end_event(self) -> int:
        """The number of the first event behind it."""
        return self.first_event + self.events


class OldLayout(Exception):
    """The archive was written by an earlier version: a start makes it again from the journal."""


class Catalogue:
    """The tables of one data directory. The writer's connection is there for whoever owns the archive only."""

    def __init__(self, directory: Path, is_owner: bool) -> None:
        """Raises OldLayout, sqlite3.Error."""
        self._path = directory / ARCHIVE_NAME
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._closed = False
        writer = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            _settle(writer)
        except BaseException:
            writer.close()
            raise
        if not is_owner:
            writer.close()
        self.writer: Final = writer

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a question comes to, by the calling thread's own connection."""
        return self._reader().execute(sql, values).fetchall()

    def value(self, sql: str, *values: object) -> Any:
        """The only cell of the only row; None where there is none."""
        rows = self.rows(sql, *values)
        return rows[0][0] if rows else None

    def blocks(self, where: str, *values: object) -> list[BlockPlace]:
        """Places of blocks; `where` is what follows the table's name."""
        return [BlockPlace(*row) for row in self.rows(f"{_BLOCK} {where}", *values)]

    def stream(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Rows as they are read."""
        return self._reader().execute(sql, values)

    def close(self) -> None:
        """Close every connection; reads after it raise sqlite3.ProgrammingError."""
        with self._guard:
            self._closed = True
            for connection in [*self._readers, self.writer]:
                connection.close()
            self._readers.clear()

    def _reader(self) -> sqlite3.Connection:
        """The calling thread's own connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            return connection
        with self._guard:
            if self._closed:
                raise sqlite3.ProgrammingError("the archive is closed")
            uri = f"{self._path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            self._readers.append(connection)
        self._local.connection = connection
        return connection


def _settle(writer: sqlite3.Connection) -> None:
    """Makes the tables of a new archive; raises OldLayout for one of an earlier version."""
    has_tables = writer.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
    if has_tables and writer.execute("PRAGMA user_version").fetchone()[0] != _LAYOUT:
        raise OldLayout
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("PRAGMA synchronous=NORMAL")
    if not has_tables:
        writer.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_LAYOUT}; COMMIT;")


def set_aside(directory: Path) -> None:
    """Renames the tables of an earlier version, `archive.sqlite.old`: what a pruned journal lacks is in them only."""
    for end in ("", "-wal", "-shm"):
        path = directory / f"{ARCHIVE_NAME}{end}"
        if path.exists():
            path.rename(directory / f"{ARCHIVE_NAME}.old{end}")
