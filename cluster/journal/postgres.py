"""The journal on a PostgreSQL server that several hosts can reach: the lease row is the fence.

Every append is one statement: it notes the new tip in the lease row where the epoch is still the writer's, and inserts
the frame where it did. A takeover needs the same row, so it comes before or after, never in between.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg.types.numeric import Int8

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Frame, Tip
from cluster.journal.journal import Fenced, FrameNotAppended, JournalCorrupted, NoticeSink, OutcomeUnknown, StoreFailed
from cluster.journal.lock import DirectoryLock
from cluster.journal.postgres_connection import Address, Connection, connect, explained, failed, is_damage, is_refusal
from cluster.journal.sql_journal import SqlJournal
from cluster.journal.sql_reader import SqlReader
from cluster.journal.statements import POSTGRESQL, statements

_log = logging.getLogger(__name__)

_APPEND: Final = (
    "WITH fence AS (UPDATE lease SET anchor_height = :height, anchor_hash = :hash, "
    f"seen_ms = {POSTGRESQL.now_ms} WHERE stream = :stream AND epoch = :epoch RETURNING stream) "
    "INSERT INTO journal (stream, height, epoch, prev_hash, hash, payload) "
    "SELECT stream, :height, :epoch, :prev_hash, :hash, :payload FROM fence"
)
_SQL: Final = replace(statements(POSTGRESQL), append=_APPEND).spelled(r"%(\1)s")
_TABLES: Final = ("journal", "journal_cut", "journal_start", "lease")
_MISSING: Final = "SELECT name FROM unnest(%(names)s::text[]) AS name WHERE to_regclass(name) IS NULL"
_ALONE: Final = "SELECT pg_advisory_xact_lock(hashtext('breakwater journal tables'))"
# Blocks are packed columns already: compressing them again would only make the append wait.
_NOT_COMPRESSED: Final = "ALTER TABLE journal ALTER COLUMN payload SET STORAGE EXTERNAL"
_UNIQUE_VIOLATION: Final = "23505"
_PRUNE_PATIENCE_S: Final = 600.0


class PostgresStore(SqlReader):
    """The part of a reader and of a writer that speaks to the server."""

    _sql = _SQL
    _writes = False

    def _dial(self, address: Address, holder: str, notice: NoticeSink | None) -> None:
        """Connect; raises StoreFailed."""
        self._address = address
        self._name = holder
        self._is_closed = False
        self._connection = connect(address, holder, write=self._writes, notice=notice)

    def query(self, sql: str, at_height: int, **values: object) -> list[tuple]:
        """Run one statement, on a new connection where the last was lost; damage is corruption at `at_height`."""
        with self._guard:
            try:
                self._revive()
                cursor = self._connection.execute(sql, {"stream": self._stream, **values}, binary=True)
                return cursor.fetchall() if cursor.description else []
            except psycopg.Error as error:
                if is_damage(error):
                    raise JournalCorrupted(at_height, f"the store cannot be read: {explained(error)}") from error
                raise failed(self._address, explained(error)) from error

    def _revive(self) -> None:
        """Connect anew where the last connection was lost; raises StoreFailed."""
        if self._is_closed:
            raise failed(self._address, "this journal was closed")
        if self._connection.closed:
            self._connection = connect(self._address, self._name, write=self._writes)

    def check_store(self, next_height: int) -> None:
        """Every frame was read through the server: there is no more to ask of it."""

    def missing_tables(self) -> list[str]:
        """Tables of a journal that the database lacks."""
        return [name for (name,) in self.query(_MISSING, FIRST_HEIGHT, names=list(_TABLES))]


class PostgresReader(PostgresStore):
    """A view of a journal beside its writer, if there is one: nothing is changed, nobody waits for it."""

    def __init__(self, address: Address) -> None:
        super().__init__(address.stream)
        self._dial(address, "reader", None)

    def close(self) -> None:
        """Let the connection go; harmless when repeated."""
        with self._guard:
            self._is_closed = True
            self._connection.close()


class PostgresJournal(PostgresStore, SqlJournal):
    """The writer. One thread appends; other threads may read frames meanwhile."""

    _kind = "postgresql"
    _may_be_torn = False
    _writes = True

    def __init__(self, address: Address, holder: str, lock: DirectoryLock | None, notice: NoticeSink | None) -> None:
        super().__init__(address.stream, holder, address.shown)
        self._lock = lock
        self._dial(address, holder, notice)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        holder: str,
        directory: Path | None = None,
        verify_after: Tip = GENESIS_TIP,
        notice: NoticeSink = _log.warning,
    ) -> PostgresJournal:
        """Open the journal at `url`, made where it is not there, and check the frames after `verify_after`.

        The lease is not taken: another process may be writing. `directory` is locked for this process, where given: it
        holds what belongs to this journal. Raises BadJournalUrl, LeaseHeld (the directory), StoreFailed,
        JournalCorrupted, FramesPruned.
        """
        address = Address.of(url)
        lock = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            lock = DirectoryLock(directory, holder)
        try:
            journal = cls(address, holder, lock, notice)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        try:
            journal._make_tables()
            journal._settle(verify_after, notice)
            return journal
        except BaseException:
            journal._disconnect()
            raise

    def cut_before(self, height: int) -> int:
        """See `SqlJournal.cut_before`; a server may be busy with it for a while."""
        with self._guard:
            self._connection.patience_s = _PRUNE_PATIENCE_S
            try:
                return super().cut_before(height)
            finally:
                self._connection.patience_s = Connection.patience_s

    def _insert(self, frame: Frame) -> int:
        try:
            self._revive()
        except StoreFailed as error:  # the connection was lost before: nothing of this frame was ever sent
            raise FrameNotAppended(frame.height, str(error)) from error
        values: dict[str, Any] = {
            "stream": self._stream,
            "height": Int8(frame.height),
            "epoch": Int8(frame.epoch),
            "prev_hash": frame.prev_hash,
            "hash": frame.hash,
            "payload": frame.payload,
        }
        try:
            return self._connection.execute(self._sql.append, values, prepare=True, binary=True).rowcount
        except psycopg.Error as error:
            if not is_refusal(error, self._connection):
                self._connection.close()
                raise OutcomeUnknown(frame.height, explained(error)) from error
            if error.sqlstate == _UNIQUE_VIOLATION:
                raise Fenced(frame.epoch) from error
            raise FrameNotAppended(frame.height, explained(error)) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._revive()
        try:
            with self._connection.transaction():
                yield
        except psycopg.Error as error:
            raise failed(self._address, explained(error)) from error

    def _reconnect(self) -> None:
        self._connection.close()
        self._revive()

    def _disconnect(self) -> None:
        self._is_closed = True
        self._connection.close()
        if self._lock is not None:
            self._lock.release()

    def _lease_terms(self) -> dict[str, int]:
        return {"ttl_ms": self._address.ttl_ms, "force": 0}

    def _make_tables(self) -> None:
        """A role that may not make tables can use those that are there."""
        if missing := self.missing_tables():
            try:
                with self._transaction():
                    self.query(_ALONE, FIRST_HEIGHT)
                    for table in self._sql.tables:
                        self.query(table, FIRST_HEIGHT)
                    self.query(_NOT_COMPRESSED, FIRST_HEIGHT)
            except StoreFailed as error:
                raise StoreFailed(
                    f"{error}; the tables {', '.join(missing)} are missing and could not be made"
                ) from error
        self._make_lease()


def open_postgres_reader(url: str) -> PostgresReader:
    """Look at the journal at `url`, beside its writer. Raises BadJournalUrl, StoreFailed, FileNotFoundError."""
    address = Address.of(url)
    reader = PostgresReader(address)
    if reader.missing_tables():
        reader.close()
        raise FileNotFoundError(f"no journal at {address.shown}: its tables are not there")
    return reader
