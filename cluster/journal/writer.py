"""Appends beside the execution of the block: a thread of its own, one future a frame."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from threading import BoundedSemaphore

from cluster.crash_points import reached
from cluster.journal.frame import Frame
from cluster.journal.journal import Journal, StoreFailed
from cluster.lanes import Lane, ThreadLane

_log = logging.getLogger(__name__)

DEFAULT_CHECKPOINT_BYTES = 8 << 20
# What a frame costs a store beside its payload: two pages of SQLite's log, however small the frame is.
FRAME_OVERHEAD_BYTES = 32 << 10


class JournalWriter:
    """Feeds one journal from one thread, in the order of submit.

    After a failure every later frame fails with the same error, for nothing may be appended past a gap, until `resume`.
    """

    def __init__(
        self,
        journal: Journal,
        lane: Lane | None = None,
        *,
        checkpoint_bytes: int = DEFAULT_CHECKPOINT_BYTES,
        most_pending: int = 8,
    ) -> None:
        """Checkpoint after every `checkpoint_bytes` handed over; with `most_pending` frames waiting, submit waits."""
        self._journal = journal
        self._checkpoint_bytes = checkpoint_bytes
        self._bytes_since_checkpoint = 0
        self._room = BoundedSemaphore(most_pending)
        self._failure: BaseException | None = None
        self._lane = lane or ThreadLane("journal")

    def submit(self, frame: Frame) -> Future[None]:
        """Hand a frame over. The future is done when the frame is durable, or holds the journal's error."""
        self._room.acquire()
        try:
            future = self._lane.submit(lambda: self._append(frame))
        except BaseException:
            self._room.release()
            raise
        self._bytes_since_checkpoint += len(frame.payload) + FRAME_OVERHEAD_BYTES
        if self._bytes_since_checkpoint >= self._checkpoint_bytes:
            self._bytes_since_checkpoint = 0
            # Queued behind the append, so the acknowledgement is out before the disk is kept busy.
            self._lane.submit(self._checkpoint)
        return future

    @property
    def failure(self) -> BaseException | None:
        """The error that stopped the writer, or None while it works."""
        return self._failure

    def resume(self) -> None:
        """Takes frames again: whoever looked into the failure knows where the chain ends."""
        self._failure = None

    def close(self) -> None:
        """Wait for what was submitted and end the lane. The journal itself stays open."""
        self._lane.close()

    def _append(self, frame: Frame) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            self._journal.append(frame)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._room.release()

    def _checkpoint(self) -> None:
        if self._failure is not None:
            return
        try:
            self._journal.checkpoint()
        except StoreFailed as error:  # no room, say: every frame is durable where it is, and the next one tells
            _log.warning("journal: no checkpoint, tried again later (%s)", error)
        except Exception as error:
            self._failure = error
        else:
            reached("node:checkpointed")
