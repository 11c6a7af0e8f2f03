"""Where work is done in order beside the pipeline: a thread of its own, or whatever a simulator puts in its place."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol, TypeVar

T = TypeVar("T")


class Lane(Protocol):
    """Does one piece of work after the other, in the order of `submit`."""

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """Queues the work; the future holds what it returned or raised."""

    def flush(self) -> None:
        """Waits until everything submitted so far is done."""

    def close(self) -> None:
        """Does what is left and takes nothing more."""


class ThreadLane:
    """A lane of one thread."""

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """See `Lane`."""
        return self._thread.submit(work)

    def flush(self) -> None:
        """See `Lane`."""
        self._thread.submit(lambda: None).result()

    def close(self) -> None:
        """See `Lane`."""
        self._thread.shutdown(wait=True)


class Lanes(NamedTuple):
    """The lanes of an engine: appends and checkpoints; archive and listeners."""

    journal: Lane
    archive: Lane

    @classmethod
    def threads(cls) -> "Lanes":
        """A thread each."""
        return cls(ThreadLane("journal"), ThreadLane("archiver"))
