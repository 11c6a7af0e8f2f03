"""What a run of faults came to: the histories of its clients against the journal, and the tables of the campaign."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from cluster.history import Ending, check, journal_blocks
from cluster.journal import ReadableJournal
from cluster.replica import Replica
from tests.faults.live_load import Load


@dataclass(frozen=True)
class Verdict:
    """A history held against its journal. `faults` is empty where nothing was lost, doubled or out of order."""

    blocks: int
    attempts: int
    acknowledged: int
    refused: int
    unknown: int
    faults: list[str]


@dataclass(frozen=True)
class Amount:
    """How much of a part is wanted: a few faults of each kind, or a share of the whole."""

    whole: bool
    share: float = 1.0

    def of(self, few: int, many: int) -> int:
        """How many faults of one kind."""
        return max(1, round(many * self.share)) if self.whole else few


SHORT = Amount(False)


@dataclass
class Report:
    """A part of the campaign: a table a person reads, and every violation in a sentence."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[object]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def row(self, *cells: object) -> None:
        """A line of the table, a cell a column."""
        assert len(cells) == len(self.columns), f"{len(cells)} cells for {len(self.columns)} columns"
        self.rows.append(cells)

    def blame(self, where: str, faults: Iterable[str]) -> None:
        """Violations, with the run they were found in."""
        self.violations += [f"{where}: {fault}" for fault in faults]

    def lines(self) -> list[str]:
        """The table, the notes below it, then the violations."""
        cells = [[*self.columns], *([_shown(cell) for cell in row] for row in self.rows)]
        widths = [max(len(line[place]) for line in cells) for place in range(len(self.columns))]
        table = ["  ".join(map(str.ljust, line, widths)).rstrip() for line in cells]
        broken = [f"VIOLATION {violation}" for violation in self.violations]
        return [self.title, *(f"  {line}" for line in [*table, *self.notes, *broken])]


def judge(load: Load, journal: ReadableJournal) -> Verdict:
    """Executes the journal again, in one process and on one shard, and holds the load's history against it.

    Closes the journal. Raises ReplayMismatch, JournalCorrupted, BlockFailed.
    """
    attempts = load.recorder.attempts()
    with closing(journal):
        replica = Replica()
        blocks = list(journal_blocks(journal, replica))
    faults = check(attempts, blocks)
    endings = [attempt.ending for attempt in attempts]
    return Verdict(
        blocks=len(blocks),
        attempts=len(attempts),
        acknowledged=endings.count(Ending.OK),
        refused=endings.count(Ending.FAIL),
        unknown=endings.count(Ending.UNKNOWN),
        faults=faults,
    )


def median_and_worst(seconds: Sequence[float]) -> str:
    """`0.41 / 1.20 s`, or a dash where nothing was measured."""
    return f"{statistics.median(seconds):.2f} / {max(seconds):.2f} s" if seconds else "-"


def _shown(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}"
    return f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)
