"""How long to wait before something that keeps failing is tried again; time comes from a clock that is handed in."""

import time
from typing import Protocol

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
QUIET_S = 60.0


class Clock(Protocol):
    """Time that passes; a simulator brings its own."""

    def now_s(self) -> float:
        """Seconds since some moment; never goes back."""

    def sleep(self, seconds: float) -> None:
        """Lets time pass."""


class SystemClock:
    """The machine's."""

    def now_s(self) -> float:
        """Seconds since the machine started."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


class Backoff:
    """Failures in a row, by name. The first is followed at once; a quiet minute forgets them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[str, tuple[int, float]] = {}

    def failed(self, name: str) -> float:
        """Notes a failure; the seconds to wait before the next attempt."""
        times, now = self.times(name) + 1, self._clock.now_s()
        self._failed[name] = (times, now)
        return 0.0 if times == 1 else min(FIRST_PAUSE_S * 2.0 ** (times - 2), LONGEST_PAUSE_S)

    def times(self, name: str) -> int:
        """Failures in a row that are not forgotten."""
        times, last_s = self._failed.get(name, (0, 0.0))
        return times if self._clock.now_s() - last_s < QUIET_S else 0
