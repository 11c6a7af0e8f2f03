"""The two stores a journal can be kept in, side by side for tests: opened, asked and damaged in the same words."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import psycopg

from cluster.journal import GENESIS_TIP, Frame, ReadableJournal, SqliteJournal, Tip, open_journal, open_reader
from cluster.journal.postgres import PostgresJournal
from tests.cluster.journal_cases import extend
from tests.postgresql_server import KillableServer

AnyJournal = SqliteJournal | PostgresJournal
Notice = Callable[[str], None]


class JournalPlace(Protocol):
    """One empty journal's place."""

    def open(
        self, holder: str = "test", verify_after: Tip = GENESIS_TIP, notice: Notice = print, lonely: bool = True
    ) -> AnyJournal:
        """Open it to write. Without `lonely` a second opener is possible in this store, too."""

    def read(self) -> ReadableJournal:
        """Open it to read."""

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the store behind the journal's back; `?` stands for a value."""

    def alter(self, sql: str, *values: Any) -> None:
        """Change exactly one row behind the journal's back."""

    def fail_appends(self, journal: AnyJournal, after: bool) -> None:
        """Let the next append lose its connection, before or after it took effect."""


class SqliteFile:
    """A file in a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def open(
        self, holder: str = "test", verify_after: Tip = GENESIS_TIP, notice: Notice = print, lonely: bool = True
    ) -> AnyJournal:
        options: dict[str, Any] = {} if lonely else {"connect": shared}
        return SqliteJournal.open(self._directory, holder=holder, verify_after=verify_after, notice=notice, **options)

    def read(self) -> ReadableJournal:
        return open_reader(None, self._directory)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(shared(self._directory / "journal.sqlite")) as connection:
            return connection.execute(sql, values).fetchall()

    def alter(self, sql: str, *values: Any) -> None:
        with closing(shared(self._directory / "journal.sqlite")) as connection:
            assert connection.execute(sql, values).rowcount == 1

    def fail_appends(self, journal: AnyJournal, after: bool) -> None:
        journal._connection = _Failing(journal._connection, after, sqlite3.OperationalError("disk I/O error"))  # type: ignore[assignment]


class ServerStream:
    """A stream in a database of a server."""

    def __init__(self, server: KillableServer, directory: Path) -> None:
        self.url = server.new_database()
        self._directory = directory

    def open(
        self, holder: str = "test", verify_after: Tip = GENESIS_TIP, notice: Notice = print, lonely: bool = True
    ) -> AnyJournal:
        journal = open_journal(self.url, self._directory, holder=holder, verify_after=verify_after, notice=notice)
        assert isinstance(journal, PostgresJournal)
        return journal

    def read(self) -> ReadableJournal:
        return open_reader(self.url, self._directory)

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(sql.replace("?", "%s"), values)
            return cursor.fetchall() if cursor.description else []

    def alter(self, sql: str, *values: Any) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            assert connection.execute(sql.replace("?", "%s"), values).rowcount == 1

    def fail_appends(self, journal: AnyJournal, after: bool) -> None:
        lost = psycopg.OperationalError("server closed the connection unexpectedly")
        journal._connection = _Failing(journal._connection, after, lost)  # type: ignore[assignment]


class _Failing:
    """A connection that fails one append, then works as before."""

    def __init__(self, inner: Any, after: bool, error: Exception) -> None:
        self._inner = inner
        self._after = after
        self._error: Exception | None = error

    def execute(self, sql: str, *values: Any, **options: Any) -> Any:
        error = self._error if "INSERT INTO journal (" in sql else None
        if error is None:
            return self._inner.execute(sql, *values, **options)
        self._error = None
        if self._after:
            self._inner.execute(sql, *values, **options)
        raise error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


def shared(path: Path) -> sqlite3.Connection:
    """A file opened as a store that several hosts can reach."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def filled(store: JournalPlace, count: int) -> list[Frame]:
    """Append frames and close."""
    with closing(store.open()) as made:
        made.take_lease()
        return extend(made, count)


def read_all(store: JournalPlace) -> list[Frame]:
    """All frames, verified."""
    with closing(store.read()) as reader:
        return list(reader.frames())


def flip(store: JournalPlace, height: int, column: str) -> None:
    """Turn one bit of a frame's column."""
    value = store.rows(f"SELECT {column} FROM journal WHERE height = ?", height)[0][0]
    if isinstance(value, bytes):
        changed = bytearray(value)
        changed[len(changed) // 2] ^= 0x04
        value = bytes(changed)
    else:
        value ^= 1 << 20
    store.alter(f"UPDATE journal SET {column} = ? WHERE height = ?", value, height)
