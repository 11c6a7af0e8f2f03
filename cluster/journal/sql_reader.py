"""Reading a journal kept in an SQL store: frames in order, each verified. An audit needs no more."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

from cluster.journal.frame import FIRST_HEIGHT, GENESIS_TIP, Frame, Tip
from cluster.journal.journal import FramesPruned, JournalCorrupted
from cluster.journal.statements import Statements
from cluster.journal.tail import checked, content_error, settle_tail

_READ_CHUNK_FRAMES = 16
_COLUMN_TYPES = (int, int, bytes, bytes, bytes)


class SqlReader(ABC):
    """What a writer and an audit have in common, whatever the dialect. Safe from several threads."""

    _sql: Statements

    def __init__(self, stream: str) -> None:
        self._stream = stream
        self._guard = threading.RLock()

    @abstractmethod
    def query(self, sql: str, at_height: int, **values: object) -> list[tuple]:
        """Run one statement and return its rows, in no transaction or in the one that is open.

        `stream` is filled in. Damage is raised as JournalCorrupted at `at_height`, anything else as StoreFailed.
        """

    @abstractmethod
    def check_store(self, next_height: int) -> None:
        """Let the store check itself; raises JournalCorrupted at `next_height`, the first after all whole frames."""

    @abstractmethod
    def close(self) -> None:
        """Let the store and its lock go; harmless when repeated."""

    def start(self) -> Tip:
        """Return the place the first stored frame follows: GENESIS_TIP, or what was pruned up to."""
        rows = self.query(self._sql.read_start, FIRST_HEIGHT)
        return Tip(*rows[0]) if rows else GENESIS_TIP

    def tip(self) -> Tip:
        """Return the last stored frame's place, or `start` where there is none."""
        rows = self.query(self._sql.read_tip, FIRST_HEIGHT)
        return Tip(*rows[0]) if rows else self.start()

    def frames(self, from_height: int | None = None) -> Iterator[Frame]:
        """Yield the frames from a height on (the first stored), verified; the first is held against the one before it.

        Reads in small chunks and holds no transaction in between, so a writer goes on meanwhile; ends where the journal
        does. Raises JournalCorrupted naming the first height that is wrong, FramesPruned.
        """
        if from_height is None:
            from_height = self.start().height + 1
        before = self.place_before(from_height)
        try:
            yield from checked(self.rows_from(from_height), before)
        except JournalCorrupted as error:
            start = self.start()
            if start.height >= error.height:  # somebody pruned while this was reading
                raise FramesPruned(error.height, start.height + 1) from error
            raise

    def verify(self) -> Tip:
        """Check the store's structure and every frame since the first, for an audit; raises JournalCorrupted."""
        anchor, start = self.anchor(), self.start()
        tip, wrong_height, reason = settle_tail(self.rows_from(start.height + 1), start, anchor)
        if wrong_height is not None:
            raise JournalCorrupted(wrong_height, reason)
        self.check_store(tip.height + 1)
        return tip

    def place_before(self, height: int) -> Tip:
        """Return the place of the frame below `height`, verified by itself; raises JournalCorrupted, FramesPruned."""
        start = self.start()
        if height - 1 == start.height:
            return start
        if height <= start.height:
            raise FramesPruned(height, start.height + 1)
        before = next(self.rows_from(height - 1), None)
        if before is None:
            tip = self.tip()
            raise JournalCorrupted(
                tip.height + 1, f"the journal ends at {tip.height}, height {height - 1} was asked for"
            )
        error = "it is missing" if before.height != height - 1 else content_error(before)
        if error is not None:
            raise JournalCorrupted(height - 1, error)
        return before.tip

    def rows_from(self, height: int) -> Iterator[Frame]:
        """Yield the stored frames from a height on as they are, neither chain nor content verified."""
        while True:
            rows = self.query(self._sql.read, height, height=height, limit=_READ_CHUNK_FRAMES)
            for row in rows:
                if tuple(map(type, row)) != _COLUMN_TYPES:
                    raise JournalCorrupted(height, "its columns are not of the types that were written")
                frame = Frame(*row)
                height = max(height, frame.height) + 1
                yield frame
            if len(rows) < _READ_CHUNK_FRAMES:
                return

    def anchor(self) -> Tip:
        """Return the last place the store noted as durable; its epoch is not kept.

        Read it before the frames it is held against: a writer beside may add both meanwhile.
        """
        rows = self.query(self._sql.read_anchor, FIRST_HEIGHT)
        return Tip(*rows[0]) if rows else GENESIS_TIP
