"""Taking times: a callable repeated, and where its times lie."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence


def times_ms(work: Callable[[], object], repeats: int, warm: int = 1) -> list[float]:
    """Milliseconds of each of `repeats` calls, after `warm` calls that do not count."""
    for _ in range(warm):
        work()
    taken = []
    for _ in range(repeats):
        begun_s = time.perf_counter()
        work()
        taken.append((time.perf_counter() - begun_s) * 1_000)
    return taken


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of the values do not exceed."""
    ordered = sorted(values)
    place = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(place) - 1)]
