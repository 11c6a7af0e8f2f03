"""Events by account: runs over all but the newest events, merged as they grow in number; the newest are looked through.

A run of level 0 covers some 100,000 events; sixteen runs of a level become one of the next. So an event is written into
a run a few times in its life, and a question is put to a few dozen runs at most for every billion events.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from cluster.archiving.account_runs import Run, merge, sort_events, write_run
from cluster.archiving.catalogue import BlockPlace, Catalogue
from cluster.archiving.segments import Segments

FANOUT: Final = 16
# A run of level 0 is made of so many events, or of so many blocks that have any.
RUN_EVENTS: Final = 1 << 17
RUN_BLOCKS: Final = 512
_PREFIX: Final = "accounts-"
# For every new event so many entries are merged a level, so that merges end before the next are due.
_PACE: Final = 2
# The numbers of a run are 32 bits above its first.
_MOST_EVENTS: Final = 1 << 31
_RUNS: Final = "SELECT first_event, end_event, level FROM runs"


class RunPlace(NamedTuple):
    """Which events a run covers, and how often it was merged."""

    first_event: int
    end_event: int
    level: int


class AccountIndex:
    """The runs of an archive. One thread tends them, any thread asks."""

    def __init__(self, folder: Path, catalogue: Catalogue, segments: Segments) -> None:
        """Nothing is opened yet."""
        self._folder = folder
        self._catalogue = catalogue
        self._segments = segments
        self._guard = threading.Lock()
        self._opened: dict[RunPlace, Run] = {}
        self._merging: dict[int, Iterator[int]] = {}
        self._unsynced: list[Path] = []
        self._waiting: tuple[int, int] | None = None  # events and blocks no run covers

    def numbers(self, venue: int, account: int, from_event: int) -> Iterator[np.ndarray]:
        """The numbers of an account's events from one on, ascending, a part at a time."""
        indexed = 0
        for run, place in self._runs(from_event):
            indexed = place.end_event
            found = run.numbers(venue, account)
            yield found[np.searchsorted(found, from_event) :]
        for block in self._behind(max(from_event, indexed)):
            facts = self._segments.facts(block)
            found = np.flatnonzero((facts["account"] == account) & (facts["venue"] == venue)) + block.first_event
            yield found[np.searchsorted(found, from_event) :]

    def tend(self, events: int, synced_event: int) -> None:
        """A block of so many events is new: covers by a run what waits for one, and goes on with merging.

        Runs are merged once their events survive a loss of power. Raises OSError, sqlite3.Error.
        """
        if self._waiting is None:
            self._waiting = self._uncovered()
        elif events:
            self._waiting = self._waiting[0] + events, self._waiting[1] + 1
        while self._waiting[0] >= RUN_EVENTS or self._waiting[1] >= RUN_BLOCKS:
            self._cover_next()
            self._waiting = self._uncovered()
        self._merge(_PACE * events, synced_event)

    def take_unsynced(self) -> list[Path]:
        """Files made since this was asked last: they are not known to survive a loss of power."""
        made, self._unsynced = self._unsynced, []
        return [path for path in made if path.exists()]

    def cut(self, end_event: int) -> None:
        """Forgets the runs that cover an event from this one on, or have no file; removes files that belong to none."""
        places = self._places("WHERE end_event <= ? ORDER BY first_event", end_event)
        kept = list(takewhile(lambda place: self._path(place).exists(), places))
        reached = kept[-1].end_event if kept else 0
        self._catalogue.writer.execute("DELETE FROM runs WHERE end_event > ?", (reached,))
        self._waiting = None
        known = {self._path(place) for place in kept}
        for path in self._folder.glob(f"{_PREFIX}*"):
            if path not in known:
                path.unlink()

    def files(self) -> list[Path]:
        """The files of the runs there are."""
        return [self._path(place) for place in self._places("ORDER BY first_event")]

    def _runs(self, from_event: int) -> Iterator[tuple[Run, RunPlace]]:
        """The runs that reach above an event, in their order. A merge may take files away meanwhile: then anew."""
        before: list[RunPlace] | None = None
        while True:
            places = self._places("WHERE end_event > ? ORDER BY first_event", from_event)
            try:
                runs = [(self._open(place), place) for place in places]
            except FileNotFoundError:
                if places == before:
                    raise
                before = places
            else:
                return iter(runs)

    def _behind(self, event: int) -> list[BlockPlace]:
        """Blocks with events from one on that no run covers."""
        where = "WHERE first_event + events > ? AND first_event >= ? AND events > 0 ORDER BY height"
        first = self._catalogue.value("SELECT MAX(first_event) FROM blocks WHERE first_event <= ?", event)
        return self._catalogue.blocks(where, event, first or 0)

    def _uncovered(self) -> tuple[int, int]:
        """Events and blocks with any that no run covers."""
        (row,) = self._catalogue.rows(
            "SELECT COALESCE(SUM(events), 0), COUNT(*) FROM blocks WHERE first_event >= ? AND events > 0",
            self._reached(),
        )
        return row[0], row[1]

    def _reached(self) -> int:
        """The first event no run covers."""
        reached: int = self._catalogue.value("SELECT MAX(end_event) FROM runs") or 0
        return reached

    def _cover_next(self) -> None:
        """Makes a run of level 0 of the oldest blocks that have none."""
        where = "WHERE first_event >= ? AND events > 0 ORDER BY first_event LIMIT ?"
        blocks, events = [], 0
        for block in self._catalogue.blocks(where, self._reached(), RUN_BLOCKS):
            blocks.append(block)
            events += block.events
            if events >= RUN_EVENTS:
                break
        facts = np.concatenate([self._segments.facts(block) for block in blocks])
        part = sort_events(facts["venue"], facts["account"])
        made = RunPlace(blocks[0].first_event, blocks[-1].end_event, 0)
        numbered = part._replace(entries=part.entries + made.first_event)
        for _ in write_run(self._path(made), made.first_event, iter([numbered]), len(part.entries), is_durable=False):
            pass
        self._unsynced.append(self._path(made))
        self._catalogue.writer.execute("INSERT INTO runs VALUES (?, ?, ?)", made)

    def _merge(self, entries: int, synced_event: int) -> None:
        """Goes on with every merge under way for at least so many entries; begins those that are due."""
        levels = self._catalogue.rows(
            "SELECT level FROM runs WHERE end_event <= ? GROUP BY level HAVING COUNT(*) >= ?", synced_event, FANOUT
        )
        for (level,) in levels:
            merging = self._merging.get(level)
            if merging is None:
                merging = self._merging[level] = self._merge_level(level)
            rest = entries
            while rest >= 0:
                done = next(merging, None)
                if done is None:
                    del self._merging[level]
                    break
                rest -= max(done, 1)

    def _merge_level(self, level: int) -> Iterator[int]:
        """The oldest runs of a level become one of the next."""
        places = self._places("WHERE level = ? ORDER BY first_event LIMIT ?", level, FANOUT)
        made = RunPlace(places[0].first_event, places[-1].end_event, level + 1)
        if made.end_event - made.first_event > _MOST_EVENTS:
            return
        runs = [self._open(place) for place in places]
        yield from write_run(self._path(made), made.first_event, merge(runs), sum(len(run.entries) for run in runs))
        writer = self._catalogue.writer
        with writer:
            writer.execute("BEGIN IMMEDIATE")
            writer.execute("DELETE FROM runs WHERE first_event >= ? AND end_event <= ?", made[:2])
            writer.execute("INSERT INTO runs VALUES (?, ?, ?)", made)
        for place in places:
            with self._guard:
                self._opened.pop(place, None)
            self._path(place).unlink(missing_ok=True)

    def _places(self, where: str, *values: object) -> list[RunPlace]:
        return [RunPlace(*row) for row in self._catalogue.rows(f"{_RUNS} {where}", *values)]

    def _open(self, place: RunPlace) -> Run:
        with self._guard:
            run = self._opened.get(place)
            if run is None:
                run = self._opened[place] = Run(self._path(place))
            return run

    def _path(self, place: RunPlace) -> Path:
        return self._folder / f"{_PREFIX}{place.first_event:020d}-{place.end_event:020d}"
