"""What all processes of a load said so far, put together: totals, times, and how it went second by second."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from node.flow.kernels.rows import NAMES
from node.flow.tally import new_histogram

BUCKET_S: Final = 1.0


@dataclass
class Bucket:
    """One second: what was counted in it, rows by archetype, latencies."""

    counts: Counter[str] = field(default_factory=Counter)
    made: list[int] = field(default_factory=lambda: [0] * len(NAMES))
    latency: Any = field(default_factory=new_histogram)


class Sheet:
    """Taken from several threads. Every line of a process holds its counts from the start, and the newest times."""

    def __init__(self, start_s: float) -> None:
        """`start_s` by the monotonic clock, when the load begins."""
        self.start_s = start_s
        self.latency, self.service = new_histogram(), new_histogram()
        self.buckets: dict[int, Bucket] = {}
        self.failures: list[str] = []
        self.done: set[int] = set()
        self.scenery: dict[str, Any] = {}
        self._last: dict[int, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def take(self, worker: int, facts: dict[str, Any]) -> None:
        """A line of a worker."""
        if "counts" not in facts:
            return
        with self._lock:
            bucket = self.buckets.setdefault(max(0, int((facts["at_s"] - self.start_s) / BUCKET_S)), Bucket())
            before = self._last.get(worker, {"counts": {}, "made": [0] * len(NAMES)})
            for name, count in facts["counts"].items():
                bucket.counts[name] += count - before["counts"].get(name, 0)
            bucket.made = [
                sum_ + now - then for sum_, now, then in zip(bucket.made, facts["made"], before["made"], strict=True)
            ]
            bucket.latency.decode_and_add(facts["latency"])
            self.latency.decode_and_add(facts["latency"])
            self.service.decode_and_add(facts["service"])
            self._last[worker] = facts
            if facts.get("done"):
                self.done.add(worker)
                if facts["failure"]:
                    self.failures.append(f"process {worker}: {facts['failure']}")

    def gone(self, worker: int) -> None:
        """A worker's output ended."""
        with self._lock:
            if worker not in self.done:
                self.done.add(worker)
                self.failures.append(f"process {worker}: ended without its last figures")

    def counts(self) -> Counter[str]:
        """Totals of all processes."""
        return self._sum("counts")

    def refusals(self) -> Counter[str]:
        """Rows refused, by reason."""
        return self._sum("refusals")

    def statuses(self) -> Counter[str]:
        """Rows answered, by status."""
        return self._sum("statuses")

    def numbers(self) -> dict[str, tuple[int, int]]:
        """Required and actual of the last refusal of each reason."""
        with self._lock:
            return {name: tuple(pair) for facts in self._last.values() for name, pair in facts["numbers"].items()}

    def made(self) -> dict[str, int]:
        """Rows made, by archetype."""
        with self._lock:
            columns = zip(*(facts["made"] for facts in self._last.values()), strict=True)
            return dict(zip(NAMES, (sum(column) for column in columns), strict=False))

    def processor_s(self) -> float:
        """Processor time of all processes since they began to send."""
        with self._lock:
            return float(sum(facts["cpu_s"] for facts in self._last.values()))

    def quantiles(self) -> tuple[float, float, float]:
        """p50, p99 and p99.9 of the latency so far, ms."""
        with self._lock:
            p50, p99, p999 = (self.latency.get_value_at_percentile(part) / 1_000 for part in (50, 99, 99.9))
            return p50, p99, p999

    def rates(self, over: int = 2) -> tuple[float, float]:
        """Rows sent and answered a second in the last whole seconds."""
        with self._lock:
            last = sorted(self.buckets)[-1 - over : -1]
            found = [self.buckets[number].counts for number in last]
        seconds = max(1, len(found)) * BUCKET_S
        return sum(one["sent"] for one in found) / seconds, sum(one["answered"] for one in found) / seconds

    def _sum(self, name: str) -> Counter[str]:
        with self._lock:
            total: Counter[str] = Counter()
            for facts in self._last.values():
                total.update(facts[name])
            return total
