"""Appends beside the execution of the block: a thread of its own, one future a frame."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from threading import BoundedSemaphore

from cluster.journal.frame import Frame
from cluster.journal.journal import Journal

DEFAULT_CHECKPOINT_BYTES = 8 << 20


class JournalWriter:
    """Feeds one journal from one thread, in the order of submit.

    After the first failure every later frame fails with the same error: nothing may be appended past a gap.
    """

    def __init__(
        self, journal: Journal, *, checkpoint_bytes: int = DEFAULT_CHECKPOINT_BYTES, most_pending: int = 8
    ) -> None:
        """Checkpoint after every `checkpoint_bytes` of payload; with `most_pending` frames waiting, submit waits."""
        self._journal = journal
        self._checkpoint_bytes = checkpoint_bytes
        self._bytes_since_checkpoint = 0
        self._room = BoundedSemaphore(most_pending)
        self._failure: BaseException | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")

    def submit(self, frame: Frame) -> Future[None]:
        """Hand a frame over. The future is done when the frame is durable, or holds the journal's error."""
        self._room.acquire()
        try:
            future = self._thread.submit(self._append, frame)
        except BaseException:
            self._room.release()
            raise
        # Queued behind the append, so the acknowledgement is out before the disk is kept busy.
        self._thread.submit(self._checkpoint_when_due)
        return future

    @property
    def failure(self) -> BaseException | None:
        """The error that stopped the writer, or None while it works."""
        return self._failure

    def close(self) -> None:
        """Wait for what was submitted and end the thread. The journal itself stays open."""
        self._thread.shutdown(wait=True)

    def _append(self, frame: Frame) -> None:
        try:
            if self._failure is not None:
                raise self._failure
            self._journal.append(frame)
            self._bytes_since_checkpoint += len(frame.payload)
        except BaseException as error:
            self._failure = error
            raise
        finally:
            self._room.release()

    def _checkpoint_when_due(self) -> None:
        if self._failure is not None or self._bytes_since_checkpoint < self._checkpoint_bytes:
            return
        try:
            self._journal.checkpoint()
        except Exception as error:
            self._failure = error
            return
        self._bytes_since_checkpoint = 0
