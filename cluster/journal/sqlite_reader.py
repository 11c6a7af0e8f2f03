"""Reading a SQLite journal: frames in order, each verified. What an audit opens, and half of what the node does."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Frame, Tip
from cluster.journal.journal import JournalCorrupted, checked, content_error
from cluster.journal.lock import DirectoryLock
from cluster.journal.wal_scan import WalReport, scan_wal

JOURNAL_NAME = "journal.sqlite"
PAGE_BYTES = 16384

_READ_CHUNK_FRAMES = 16
_COLUMN_TYPES = (int, int, bytes, bytes, bytes)
_COLUMNS = "height, epoch, prev_hash, hash, payload"
_READ = f"SELECT {_COLUMNS} FROM journal WHERE stream = :stream AND height >= :height ORDER BY height LIMIT :limit"
_READ_TIP = "SELECT height, hash, epoch FROM journal WHERE stream = :stream ORDER BY height DESC LIMIT 1"
_READ_ANCHOR = "SELECT anchor_height, anchor_hash FROM lease WHERE stream = :stream"


def connect_reader(path: Path) -> sqlite3.Connection:
    """Open an existing store without any right to change it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0, isolation_level=None)


class SqliteReader:
    """What a writer and an audit have in common: reading frames in order, verified. Safe from several threads."""

    def __init__(self, connection: sqlite3.Connection, lock: DirectoryLock, stream: str) -> None:
        self._connection = connection
        self._lock = lock
        self._stream = stream
        self._guard = threading.RLock()

    def tip(self) -> Tip:
        """Return the last stored frame's place, or GENESIS_TIP when there is none."""
        row = self.query(_READ_TIP, FIRST_HEIGHT)
        return Tip(*row[0]) if row else GENESIS_TIP

    def frames(self, from_height: int = FIRST_HEIGHT) -> Iterator[Frame]:
        """Yield the frames from a height on, verified; the first is held against the frame before it.

        Reads in small chunks and holds no transaction in between, so a writer goes on meanwhile.
        Raises JournalCorrupted naming the first height that is wrong.
        """
        return checked(self.rows_from(from_height), self.place_before(from_height))

    def verify(self) -> Tip:
        """Check the file's structure and every frame since the first, for an audit; raises JournalCorrupted."""
        last = GENESIS_TIP
        for frame in self.frames():
            last = Tip(frame.height, frame.hash, frame.epoch)
        self.check_anchor(last)
        complaint = self.query("PRAGMA quick_check(1)", last.height + 1)[0][0]
        if complaint != "ok":
            raise JournalCorrupted(last.height + 1, f"all frames up to it are whole, but the store says: {complaint}")
        return last

    def close(self) -> None:
        """Close the store, then let the directory go; harmless when repeated."""
        with self._guard:
            self._connection.close()
            self._lock.release()

    def place_before(self, height: int) -> Tip:
        """Return the place of the frame below `height`, verified by itself; raises JournalCorrupted."""
        if height <= FIRST_HEIGHT:
            return GENESIS_TIP
        before = next(self.rows_from(height - 1), None)
        if before is None:
            tip = self.tip()
            raise JournalCorrupted(
                tip.height + 1, f"the journal ends at {tip.height}, height {height - 1} was asked for"
            )
        error = "it is missing" if before.height != height - 1 else content_error(before)
        if error is not None:
            raise JournalCorrupted(height - 1, error)
        return Tip(before.height, before.hash, before.epoch)

    def rows_from(self, height: int) -> Iterator[Frame]:
        """Yield the stored frames from a height on as they are, neither chain nor content verified."""
        while True:
            rows = self.query(_READ, height, height=height, limit=_READ_CHUNK_FRAMES)
            for row in rows:
                if tuple(map(type, row)) != _COLUMN_TYPES:
                    raise JournalCorrupted(height, "its columns are not of the types that were written")
                frame = Frame(*row)
                height = max(height, frame.height) + 1
                yield frame
            if len(rows) < _READ_CHUNK_FRAMES:
                return

    def check_anchor(self, tip: Tip) -> None:
        """What was durable at the last checkpoint must still be there, hash for hash."""
        rows = self.query(_READ_ANCHOR, tip.height + 1)
        height, digest = rows[0] if rows else (GENESIS_TIP.height, GENESIS_TIP.hash)
        if height > tip.height:
            raise JournalCorrupted(tip.height + 1, f"frames up to {height} were durable, the last is {tip.height}")
        found = self.query(_READ, height, height=height, limit=1) if height >= FIRST_HEIGHT else []
        if found and (found[0][0] != height or found[0][3] != digest):
            raise JournalCorrupted(height, "it is not the frame that was durable at the last checkpoint")

    def query(self, sql: str, at_height: int, **values: object) -> list[tuple]:
        """Run a read; a store that cannot be read is corrupted at the height that was wanted."""
        with self._guard:
            try:
                return self._connection.execute(sql, {"stream": self._stream, **values}).fetchall()
            except sqlite3.ProgrammingError:
                raise  # the connection is closed: a mistake of the caller, no word about the store
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                raise JournalCorrupted(at_height, f"the store cannot be read ({error})") from error


def open_read_only(directory: Path, *, stream: str = "main") -> SqliteReader:
    """Open a journal that no node holds, for an audit: nothing is repaired or changed.

    Raises FileNotFoundError when there is none, LeaseHeld when a node holds it, JournalCorrupted.
    """
    if not (directory / JOURNAL_NAME).exists():
        raise FileNotFoundError(f"no journal in {directory}")
    lock = DirectoryLock(directory, "audit", shared=True)
    try:
        scan_log(directory, stream)
        return SqliteReader(connect_reader(directory / JOURNAL_NAME), lock, stream)
    except BaseException:
        lock.release()
        raise


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
            rows = connection.execute(_READ_TIP, {"stream": stream}).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        rows = []
    raise JournalCorrupted(rows[0][0] + 1 if rows else FIRST_HEIGHT, report.damage)
