"""A lane without a thread: its work is done when it is submitted, a little later, or when somebody waits for it."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")


class _Work(Future[T]):
    """Whoever waits for it does what is in front of it, and it."""

    def __init__(self, lane: "SimLane", work: Callable[[], T]) -> None:
        super().__init__()
        self._lane = lane
        self.work = work

    def result(self, timeout: float | None = None) -> T:
        """See `Future`."""
        self._lane.do_up_to(self)
        return super().result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """See `Future`."""
        self._lane.do_up_to(self)
        return super().exception(0)


class SimLane:
    """See `cluster.lanes.Lane`. `later` does something in so many milliseconds, in the node's own time."""

    def __init__(
        self, rng: Random, later: Callable[[int, Callable[[], None]], None], lag_ms: Callable[[], int]
    ) -> None:
        self._rng = rng
        self._later = later
        self._lag_ms = lag_ms
        self._queue: deque[_Work[Any]] = deque()

    def submit(self, work: Callable[[], T]) -> "Future[T]":
        """See `Lane`."""
        queued = _Work(self, work)
        self._queue.append(queued)
        lag_ms = self._lag_ms()
        if not lag_ms and self._rng.random() < 0.5:
            self.flush()
        else:
            self._later(max(1, lag_ms), lambda: self.do_up_to(queued))
        return queued

    def do_up_to(self, queued: "Future[Any]") -> None:
        """Everything in front of a piece of work, and it, where it is not done yet."""
        while self._queue and not queued.done():
            self._do_one()

    def flush(self) -> None:
        """See `Lane`."""
        while self._queue:
            self._do_one()

    def close(self) -> None:
        """See `Lane`."""
        self.flush()

    @property
    def waiting(self) -> int:
        """Pieces of work not done yet."""
        return len(self._queue)

    def _do_one(self) -> None:
        queued = self._queue.popleft()
        try:
            done = queued.work()
        except BaseException as error:  # a crash as well: whoever waits meets it, the others at their next step
            queued.set_exception(error)
        else:
            queued.set_result(done)
