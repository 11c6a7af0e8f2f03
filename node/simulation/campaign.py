"""Many seeds: what they came to together, and a folder for those that a person should look at."""

import time
from collections import Counter
from pathlib import Path
from typing import Any

from cluster.simulator.faults import Fault
from cluster.simulator.folder import MS_AN_HOUR, fault_table, reproducing_line, requests_line, write_folder
from cluster.simulator.world import Outcome
from node.simulation.run import simulate


class Campaign:
    """Runs seeds and adds up. `hours`: simulated ones with faults a seed; `out`: where folders go, None for nowhere."""

    def __init__(self, hours: float | None, out: Path | None) -> None:
        self._hours = hours
        self._out = out
        self._begun_s = time.monotonic()
        self.failed: list[str] = []
        self.seeds = 0
        self.blocks = 0
        self.starts = 0
        self.simulated_ms = 0
        self.endings: Counter[str] = Counter()
        self.without_a_node = 0
        self.faults: Counter[Fault] = Counter()

    def run(self, seed: int, always_written: bool = False) -> str:
        """One seed; the line that reproduces it where it failed, else empty."""
        outcome = simulate(seed, None if self._hours is None else int(self._hours * MS_AN_HOUR))
        self._add(outcome)
        if self._out is not None and (outcome.violations or always_written):
            write_folder(self._out / f"seed-{seed}", outcome, self._hours)
        if not outcome.violations:
            return ""
        self.failed.append(reproducing_line(outcome, self._hours))
        return self.failed[-1]

    def _add(self, outcome: Outcome) -> None:
        self.seeds += 1
        self.blocks += outcome.blocks
        self.starts += outcome.starts
        self.simulated_ms += outcome.simulated_ms
        self.endings.update(outcome.endings)
        self.without_a_node += outcome.without_a_node
        self.faults.update(outcome.faults)

    @property
    def wall_s(self) -> float:
        """Seconds since the first seed began."""
        return time.monotonic() - self._begun_s

    def so_far(self) -> str:
        """A line while it runs."""
        return f"{self.seeds:,} seeds in {self.wall_s:,.0f} s, {len(self.failed)} failed"

    def summary(self) -> list[str]:
        """The page at the end."""
        return [
            f"{self.seeds:,} seeds in {self.wall_s:,.1f} s ({self.wall_s / max(1, self.seeds):.2f} s a seed), "
            f"{self.simulated_ms / MS_AN_HOUR:,.2f} simulated hours",
            f"{self.blocks:,} blocks, {self.starts:,} starts of a node",
            f"requests: {requests_line(self.endings, self.without_a_node)}",
            "faults injected:",
            *fault_table(self.faults),
            f"{len(self.failed)} seeds failed" if self.failed else "no violation",
            *self.failed,
        ]

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "seeds": self.seeds,
            "wall_s": round(self.wall_s, 2),
            "simulated_hours": round(self.simulated_ms / MS_AN_HOUR, 4),
            "blocks": self.blocks,
            "starts": self.starts,
            "requests": {ending: self.endings[ending] for ending in ("ok", "fail", "unknown")},
            "faults": {fault.value: self.faults[fault] for fault in Fault},
            "failed": self.failed,
        }
