"""The archive: headers, events and outcomes laid out for questions. Derived data, rebuilt from the journal when lost.

One thread writes; any thread reads, each through its own connection on the same write-ahead log.
"""

from __future__ import annotations

import heapq
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

ARCHIVE_NAME = "archive.sqlite"
NO_ACCOUNT = -1  # the account of an event that belongs to none

_PAGE_ROWS = 1000
_MOST = (1 << 63) - 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS headers (height INTEGER PRIMARY KEY, block_time_ms INTEGER NOT NULL, header BLOB NOT NULL,
  signature BLOB);
CREATE TABLE IF NOT EXISTS events (height INTEGER NOT NULL, idx INTEGER NOT NULL, venue INTEGER NOT NULL,
  kind INTEGER NOT NULL, account INTEGER NOT NULL, bytes BLOB NOT NULL, PRIMARY KEY (height, idx)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_of_kind ON events (kind, height);
CREATE INDEX IF NOT EXISTS events_of_account ON events (account, height) WHERE account >= 0;
CREATE TABLE IF NOT EXISTS outcomes (request_key BLOB PRIMARY KEY, height INTEGER NOT NULL, body_hash BLOB NOT NULL,
  outcome BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outcomes_of_height ON outcomes (height);
"""
_EVENT = "SELECT height, idx, venue, kind, account, bytes FROM events"
_HEADER = "SELECT height, block_time_ms, header, signature FROM headers"


class Header(NamedTuple):
    """A block's header as bytes; `signature` is None until the validator has signed it."""

    height: int
    block_time_ms: int
    header: bytes
    signature: bytes | None


class Event(NamedTuple):
    """One output fact as bytes, numbered (height, idx)."""

    height: int
    idx: int
    venue: int
    kind: int
    account: int
    bytes: bytes


class Outcome(NamedTuple):
    """What a client's batch came to: the encoded answer for all its rows, under its request key."""

    request_key: bytes
    height: int
    body_hash: bytes
    outcome: bytes


class Cursor(NamedTuple):
    """The last event a reader has seen."""

    height: int
    idx: int


class ArchiveMismatch(Exception):
    """A block that does not follow the tip, or differs from the one archived at its height: rebuild the archive."""


class Archive:
    """The archive of one data directory."""

    def __init__(self, directory: Path) -> None:
        """Open or create it."""
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / ARCHIVE_NAME
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._closed = False
        self._writer = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        self._writer.execute("PRAGMA journal_mode=WAL")
        self._writer.execute("PRAGMA synchronous=NORMAL")
        self._writer.executescript(_SCHEMA)

    def append_block(
        self,
        height: int,
        block_time_ms: int,
        header: bytes,
        events: Sequence[tuple[int, int, int, int, bytes]],
        outcomes: Sequence[tuple[bytes, bytes, bytes]],
    ) -> bool:
        """Add one block whole. Events are (idx, venue, kind, account, bytes), outcomes (request key, body hash, bytes).

        Returns False when the very same header is archived at this height already, as a replay finds it.
        The first outcome of a request key stays. Raises ArchiveMismatch.
        """
        tip = self.tip()
        if tip is not None and height <= tip:
            self._require_same(height, header)
            return False
        if tip is not None and height != tip + 1:
            raise ArchiveMismatch(f"block {height} does not follow block {tip}")
        with self._writer:
            self._writer.execute("BEGIN IMMEDIATE")
            self._writer.execute("INSERT INTO headers VALUES (?, ?, ?, NULL)", (height, block_time_ms, header))
            self._writer.executemany(f"INSERT INTO events VALUES ({height}, ?, ?, ?, ?, ?)", events)
            self._writer.executemany(
                f"INSERT INTO outcomes VALUES (?, {height}, ?, ?) ON CONFLICT DO NOTHING", outcomes
            )
        return True

    def sync(self) -> None:
        """Make what was added so far survive a loss of power; a block by itself may be lost with its last ones."""
        self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def sign(self, height: int, signature: bytes) -> None:
        """Put the validator's signature beside a header; raises KeyError when the height is not archived."""
        changed = self._writer.execute(
            "UPDATE headers SET signature = ? WHERE height = ?", (signature, height)
        ).rowcount
        if changed != 1:
            raise KeyError(height)

    def tip(self) -> int | None:
        """Return the last archived height, None when empty."""
        height: int | None = self._rows("SELECT MAX(height) FROM headers")[0][0]
        return height

    def first_height(self) -> int | None:
        """Return the first archived height, None when empty. Above 1 where an archive was begun anew."""
        height: int | None = self._rows("SELECT MIN(height) FROM headers")[0][0]
        return height

    def header(self, height: int) -> Header | None:
        """Return one header, None when the height is not archived."""
        return next(iter(self.headers(height, height)), None)

    def headers(self, from_height: int, to_height: int) -> list[Header]:
        """Return the headers of both heights and all between, ascending."""
        return [Header(*row) for row in self._rows(f"{_HEADER} WHERE height BETWEEN ? AND ?", from_height, to_height)]

    def events(self, height: int) -> list[Event]:
        """Return all events of a block in their order: the leaves of its events root."""
        return [Event(*row) for row in self._rows(f"{_EVENT} WHERE height = ? ORDER BY idx", height)]

    def event(self, height: int, idx: int) -> Event | None:
        """Return one event, None when there is no such one."""
        rows = self._rows(f"{_EVENT} WHERE height = ? AND idx = ?", height, idx)
        return Event(*rows[0]) if rows else None

    def events_by_kind(
        self, kinds: Sequence[int], from_height: int, limit: int, after: Cursor | None = None
    ) -> list[Event]:
        """Return up to `limit` events of the kinds in order of (height, idx), from a height on and past a cursor."""
        start = _start(from_height, after)
        sql = f"{_EVENT} WHERE kind = ? AND (height, idx) > (?, ?) ORDER BY height, idx LIMIT ?"
        streams = [[Event(*row) for row in self._rows(sql, kind, *start, limit)] for kind in sorted(set(kinds))]
        return list(islice(heapq.merge(*streams), limit))

    def events_by_account(
        self, account: int, venue: int, from_height: int, limit: int, after: Cursor | None = None
    ) -> list[Event]:
        """Return up to `limit` events of one account in one venue, in order of (height, idx), past a cursor."""
        sql = (
            f"{_EVENT} WHERE account = ? AND account >= 0 AND venue = ? AND (height, idx) > (?, ?) "
            "ORDER BY height, idx LIMIT ?"
        )
        return [Event(*row) for row in self._rows(sql, account, venue, *_start(from_height, after), limit)]

    def iter_events(self, from_height: int = 0, to_height: int = _MOST) -> Iterator[Event]:
        """Yield every event of the heights in order, page by page: a long read holds no transaction open."""
        cursor = _start(from_height, None)
        sql = f"{_EVENT} WHERE (height, idx) > (?, ?) AND height <= ? ORDER BY height, idx LIMIT ?"
        while page := [Event(*row) for row in self._rows(sql, *cursor, to_height, _PAGE_ROWS)]:
            yield from page
            cursor = Cursor(page[-1].height, page[-1].idx)

    def iter_outcomes(self, from_height: int, to_height: int) -> Iterator[Outcome]:
        """Yield the outcomes of both heights and all between, by height and request key, page by page."""
        sql = (
            "SELECT request_key, height, body_hash, outcome FROM outcomes "
            "WHERE (height, request_key) > (?, ?) AND height <= ? ORDER BY height, request_key LIMIT ?"
        )
        height, key = from_height, b""
        while page := [Outcome(*row) for row in self._rows(sql, height, key, to_height, _PAGE_ROWS)]:
            yield from page
            height, key = page[-1].height, page[-1].request_key

    def request_keys(self) -> Iterator[bytes]:
        """Every request key that has an outcome."""
        for (key,) in self._reader().execute("SELECT request_key FROM outcomes"):
            yield key

    def outcome(self, request_key: bytes) -> Outcome | None:
        """Return what a request key came to, None when it was never executed."""
        rows = self._rows(
            "SELECT request_key, height, body_hash, outcome FROM outcomes WHERE request_key = ?", request_key
        )
        return Outcome(*rows[0]) if rows else None

    def close(self) -> None:
        """Close every connection; reads after it raise sqlite3.ProgrammingError."""
        with self._guard:
            self._closed = True
            for connection in [*self._readers, self._writer]:
                connection.close()
            self._readers.clear()

    def _require_same(self, height: int, header: bytes) -> None:
        found = self.header(height)
        if found is not None and found.header != header:
            raise ArchiveMismatch(f"block {height} is archived with another header")

    def _rows(self, sql: str, *values: object) -> list[tuple]:
        return self._reader().execute(sql, values).fetchall()

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


def _start(from_height: int, after: Cursor | None) -> Cursor:
    """The cursor just before the first event wanted."""
    first = Cursor(from_height, -1)
    return first if after is None else max(first, after)
