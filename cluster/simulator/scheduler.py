"""The time of a simulated world: a heap of what happens when. Nothing else moves its clock.

`run_until` may be called from inside an action: a node that is paused in the middle of a block lets the world go on
until it is woken. So whatever happens meanwhile happens on top of it, and whoever pauses last wakes first.
"""

import heapq
from collections.abc import Callable

MAX_DEPTH = 4


class Scheduler:
    """Actions by (time, order of arrival). `wall_ms` is what clocks on walls show, `now_ms` what has passed.

    They part where the whole world is asleep for a while: nothing is late afterwards, but the date is another.
    """

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self._asleep_ms = 0
        self.depth = 0
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._arrived = 0

    def after(self, delay_ms: int, action: Callable[[], None]) -> None:
        """Does something in so many milliseconds."""
        self._arrived += 1
        heapq.heappush(self._heap, (self.now_ms + max(0, delay_ms), self._arrived, action))

    def run_until(self, when_ms: int) -> None:
        """Everything up to a time; the clock stands there afterwards, or later where an action took longer."""
        self.depth += 1
        try:
            while self._heap and self._heap[0][0] <= when_ms:
                when, _, action = heapq.heappop(self._heap)
                self.now_ms = max(self.now_ms, when)
                action()
            self.now_ms = max(self.now_ms, when_ms)
        finally:
            self.depth -= 1

    @property
    def wall_ms(self) -> int:
        """The date."""
        return self.now_ms + self._asleep_ms

    def sleep(self, for_ms: int) -> None:
        """Everybody and everything stands still, as machines that are suspended do."""
        self._asleep_ms += for_ms

    @property
    def is_deep(self) -> bool:
        """So many pauses lie on top of each other that nobody else is to pause."""
        return self.depth >= MAX_DEPTH
