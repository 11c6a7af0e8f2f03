"""The embedded journal: SQLite with a write-ahead log, synced at every append, one process at a time."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Frame, Tip
from cluster.journal.journal import (
    Fenced,
    FrameNotAppended,
    HeightOutOfOrder,
    JournalCorrupted,
    LeaseHeld,
    NoticeSink,
    OutcomeUnknown,
    chain_error,
    content_error,
)
from cluster.journal.lock import DirectoryLock
from cluster.journal.sqlite_reader import JOURNAL_NAME, PAGE_BYTES, SqliteReader, log_path, scan_log

_log = logging.getLogger(__name__)
Connect = Callable[[Path], sqlite3.Connection]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS journal (stream TEXT NOT NULL, height INTEGER NOT NULL, epoch INTEGER NOT NULL,
  prev_hash BLOB NOT NULL, hash BLOB NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (stream, height));
CREATE TABLE IF NOT EXISTS journal_cut (stream TEXT NOT NULL, height INTEGER NOT NULL, epoch INTEGER NOT NULL,
  prev_hash BLOB NOT NULL, hash BLOB NOT NULL, payload BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lease (stream TEXT PRIMARY KEY, epoch INTEGER NOT NULL, holder TEXT NOT NULL,
  anchor_height INTEGER NOT NULL, anchor_hash BLOB NOT NULL);
"""
_NEW_LEASE = "INSERT INTO lease VALUES (:stream, 0, '', :height, :hash) ON CONFLICT DO NOTHING"
_APPEND = """
INSERT INTO journal (stream, height, epoch, prev_hash, hash, payload)
SELECT :stream, :height, :epoch, :prev_hash, :hash, :payload FROM lease WHERE stream = :stream AND epoch = :epoch
"""
_TAKE = """
UPDATE lease SET epoch = MAX(epoch, :tip_epoch) + 1, holder = :holder, anchor_height = :height, anchor_hash = :hash
WHERE stream = :stream RETURNING epoch
"""
_RETAKE = "UPDATE lease SET epoch = epoch + 1 WHERE stream = :stream AND epoch = :epoch RETURNING epoch"
_ANCHOR = "UPDATE lease SET anchor_height = :height, anchor_hash = :hash WHERE stream = :stream AND epoch = :epoch"
_KEEP_CUT = "INSERT INTO journal_cut SELECT * FROM journal WHERE stream = :stream AND height >= :height"
_CUT = "DELETE FROM journal WHERE stream = :stream AND height >= :height"


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


class SqliteJournal(SqliteReader):
    """The writer. One thread appends; other threads may read frames meanwhile."""

    def __init__(self, directory: Path, lock: DirectoryLock, holder: str, stream: str, connect: Connect) -> None:
        self._path = directory / JOURNAL_NAME
        self._connect = connect
        self._holder = holder
        self._epoch = 0
        super().__init__(connect(self._path), lock, stream)

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
        Raises LeaseHeld at once when another process has the directory, JournalCorrupted when it must not start.
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
            tip = journal._settle_tail(verify_after, notice)
            if report.torn:
                notice(f"journal: an unfinished write after height {tip.height} was cut; it was never acknowledged")
            return journal
        except BaseException:
            SqliteReader.close(journal)
            raise

    @property
    def epoch(self) -> int:
        """The lease epoch this writer holds, 0 before take_lease. It rises when a failed append was looked into."""
        return self._epoch

    def take_lease(self) -> int:
        """Raise the epoch above every earlier one, which shuts earlier holders out, and return it."""
        with self._guard:
            tip = self.tip()
            values = {"tip_epoch": tip.epoch, "holder": self._holder, "height": tip.height, "hash": tip.hash}
            self._epoch = int(self.query(_TAKE, tip.height + 1, **values)[0][0])
            self._tip = tip
            return self._epoch

    def append(self, frame: Frame) -> None:
        """Make the frame durable before returning. The epoch is tested by the statement that inserts.

        Raises HeightOutOfOrder (not the tip's successor), Fenced (the frame's epoch is not the lease's),
        FrameNotAppended or OutcomeUnknown (the store failed).
        """
        with self._guard:
            self._require_lease()
            if frame.epoch < self._tip.epoch:
                raise Fenced(frame.epoch)
            error = chain_error(frame, self._tip)
            if error is not None:
                raise HeightOutOfOrder(self._tip.height + 1, frame.height, error)
            values = {name: getattr(frame, name) for name in Frame.__slots__} | {"stream": self._stream}
            try:
                inserted = self._connection.execute(_APPEND, values).rowcount
            except sqlite3.Error as failure:
                inserted = self._look_into(frame, str(failure))
            if inserted != 1:
                raise Fenced(frame.epoch)
            self._tip = Tip(frame.height, frame.hash, frame.epoch)

    def checkpoint(self) -> None:
        """Move the log into the file. First the tip is noted in the lease row: whatever leaves the log's checksums
        for the file is then known to have been durable, and can never be taken for a torn tail."""
        with self._guard:
            self._require_lease()
            values = {"stream": self._stream, "epoch": self._epoch, "height": self._tip.height, "hash": self._tip.hash}
            if self._connection.execute(_ANCHOR, values).rowcount != 1:
                raise Fenced(self._epoch)
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def wal_bytes(self) -> int:
        """Return the size of the log file: what a checkpoint would have to move, at most."""
        log = log_path(self._path.parent)
        return log.stat().st_size if log.exists() else 0

    def close(self) -> None:
        """Note the tip, close the store and let the directory go; harmless when repeated."""
        with self._guard:
            try:
                if self._epoch:
                    self.checkpoint()
            except (sqlite3.Error, Fenced) as error:  # everything acknowledged is in the log: nothing is lost
                _log.warning("journal: no checkpoint at closing (%s)", error)
            finally:
                self._epoch = 0
                super().close()

    def _require_lease(self) -> None:
        if self._epoch == 0:
            raise Fenced(0)

    def _look_into(self, frame: Frame, reason: str) -> int:
        """After a commit of unknown outcome: a fresh connection, the lease again, and the tip's hash decides.

        Returns 1 when the frame is in the store after all.
        """
        try:
            self._connection.close()
            self._connection = self._connect(self._path)
            taken = self._connection.execute(_RETAKE, {"stream": self._stream, "epoch": self._epoch}).fetchall()
            tip = self.tip()
        except (sqlite3.Error, JournalCorrupted) as error:
            self._epoch = 0
            raise OutcomeUnknown(frame.height, f"{reason}; then {error}") from error
        if not taken:
            raise Fenced(self._epoch)
        self._epoch = int(taken[0][0])
        if tip.hash == frame.hash:
            return 1
        if tip.hash == frame.prev_hash:
            raise FrameNotAppended(frame.height, reason)
        raise Fenced(frame.epoch)

    def _settle_tail(self, verify_after: Tip, notice: NoticeSink) -> Tip:
        """Verify from a known place on; cut an invalid end that was never known to be durable."""
        before = self.place_before(verify_after.height + 1)
        if before.hash != verify_after.hash:
            raise JournalCorrupted(before.height, "it is not the frame the snapshot was taken at")
        rows = self.rows_from(before.height + 1)
        for frame in rows:
            error = chain_error(frame, before)
            if error is not None:
                return self._cut_after(before, error, [frame, *rows], notice)
            before = Tip(frame.height, frame.hash, frame.epoch)
        self.check_anchor(before)
        return before

    def _cut_after(self, tip: Tip, error: str, rest: list[Frame], notice: NoticeSink) -> Tip:
        height = tip.height + 1
        if any(content_error(frame) is None for frame in rest):
            raise JournalCorrupted(height, f"{error}, and valid frames follow")
        self.check_anchor(tip)
        with self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            for statement in (_KEEP_CUT, _CUT):
                self._connection.execute(statement, {"stream": self._stream, "height": height})
        notice(f"journal: torn tail cut at height {height} ({error}); its rows are kept in journal_cut")
        return tip


def _open_store(
    cls: type[SqliteJournal], directory: Path, lock: DirectoryLock, holder: str, stream: str, connect: Connect
) -> SqliteJournal:
    """Connect and make sure the tables and the lease row are there."""
    try:
        journal = cls(directory, lock, holder, stream, connect)
    except sqlite3.DatabaseError as error:
        raise _refusal(directory, error) from error
    try:
        journal._connection.executescript(_SCHEMA)
        values = {"stream": stream, "height": GENESIS_TIP.height, "hash": GENESIS_TIP.hash}
        journal._connection.execute(_NEW_LEASE, values)
    except sqlite3.DatabaseError as error:
        journal._connection.close()
        raise _refusal(directory, error) from error
    return journal


def _refusal(directory: Path, error: sqlite3.DatabaseError) -> Exception:
    """Name what an error of the store means at opening; a full disk or a missing right stays what it is."""
    if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
        return LeaseHeld(str(directory), "another process")
    if error.sqlite_errorcode & 0xFF in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return JournalCorrupted(FIRST_HEIGHT, f"the store cannot be opened ({error})")
    return error
