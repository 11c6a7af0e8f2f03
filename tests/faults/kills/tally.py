"""What became of the kills: a table by actor and phase."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.faults.kills.victims import Blow
from tests.faults.verdict import Report, median_and_worst

COLUMNS = ("actor", "phase", "kills", "replaced", "serving after, median / worst")


@dataclass
class Cell:
    """Kills of one kind at one phase."""

    kills: int = 0
    serving_s: list[float] = field(default_factory=list)


class Tally:
    """Counts by (kind, phase)."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], Cell] = {}

    def killed(self, blow: Blow) -> None:
        """A process died."""
        self._cells.setdefault((blow.kind, blow.phase), Cell()).kills += 1

    def serving(self, blow: Blow, seconds: float) -> None:
        """Somebody took its place, and so long after the death a block was answered (or validated) again.

        A death that nobody was waiting for counts from the beginning of the block that met it.
        """
        self._cells[blow.kind, blow.phase].serving_s.append(seconds)

    @property
    def kills(self) -> int:
        """All of them."""
        return sum(cell.kills for cell in self._cells.values())

    def report(self, title: str) -> Report:
        """A row for each phase, one for each kind, and one for all."""
        report = Report(title, COLUMNS)
        kinds = list(dict.fromkeys(kind for kind, _ in self._cells))
        for kind in kinds:
            phases = sorted(phase for one, phase in self._cells if one == kind)
            for phase in phases:
                _row(report, kind, phase, [self._cells[kind, phase]])
            if len(phases) > 1:
                _row(report, kind, "all", [self._cells[kind, phase] for phase in phases])
        _row(report, "all", "", list(self._cells.values()))
        return report


def _row(report: Report, kind: str, phase: str, cells: Sequence[Cell]) -> None:
    times = [seconds for cell in cells for seconds in cell.serving_s]
    report.row(kind, phase, sum(cell.kills for cell in cells), len(times), median_and_worst(times))
