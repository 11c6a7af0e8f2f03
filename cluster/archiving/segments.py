"""Files of bytes a block behind the other: events, their facts as columns, answers. Only ever appended to.

What is written here counts once the catalogue names it. Bytes behind that are of a write that did not come to its end,
and the next one goes over them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from blake3 import blake3

from actors.chain.numbered_events import EventFacts, NumberedEvents
from cluster.archiving.catalogue import BlockPlace

SEGMENT_BYTES: Final = 1 << 30
_PREFIX: Final = "bytes-"
# What is known of an event without reading it: where it ends among its block's, what it is asked for by.
FACT: Final = np.dtype([("end", "<u4"), ("venue", "<u4"), ("account", "<u8"), ("kind", "<u2")])
_PARTS: Final = 512  # one write takes


class Written(NamedTuple):
    """Where a block's bytes went, and each of its answers among them."""

    segment: int
    place: int
    size: int
    digest: bytes
    event_bytes: int
    outcomes: list[int]


class Segments:
    """The byte files of an archive. One thread appends, any thread reads."""

    def __init__(self, folder: Path) -> None:
        """Nothing is opened yet."""
        self._folder = folder
        self._guard = threading.Lock()
        self._opened: dict[int, int] = {}
        self._number, self._end = 1, 0
        self._writing: int | None = None

    def go_on_at(self, number: int, end: int) -> None:
        """The next block goes behind this place."""
        self._number, self._end = number, end

    def append(self, events: NumberedEvents, facts: EventFacts, outcomes: Sequence[bytes]) -> Written:
        """Writes a block's bytes. Raises OSError."""
        data, told = _packed(events), np.empty(len(events), dtype=FACT)
        told["end"] = np.cumsum(events.bounds[:, 1] - events.bounds[:, 0])
        told["venue"], told["account"], told["kind"] = facts.venue, facts.account, facts.kind
        parts = [data, told.tobytes(), *outcomes]
        hasher = blake3()
        for part in parts:
            hasher.update(part)
        if self._end >= SEGMENT_BYTES:
            self._close_written()
            self._number, self._end = self._number + 1, 0
        size = sum(map(len, parts))
        starts = list(accumulate(map(len, parts), initial=self._end))
        _write(self._file(), parts, self._end)
        written = Written(self._number, self._end, size, hasher.digest(), len(data), starts[2:-1])
        self._end += size
        return written

    def sync(self, since: int) -> None:
        """Everything written from this segment on survives a loss of power."""
        for number in range(since, self._number + 1):
            if self._path(number).exists():
                os.fdatasync(self._reader(number))

    def is_whole(self, block: BlockPlace) -> bool:
        """Whether a block's bytes are what was written."""
        try:
            content = os.pread(self._reader(block.segment), block.size, block.place)
        except FileNotFoundError:
            return False
        return blake3(content).digest() == block.digest

    def reaches(self, number: int, size: int) -> bool:
        """Whether a segment is there up to a place."""
        path = self._path(number)
        return path.exists() and path.stat().st_size >= size

    def events(self, block: BlockPlace) -> NumberedEvents:
        """All events of a block."""
        ends = self.facts(block)["end"].astype(np.int64)
        return NumberedEvents(
            self.read(block.segment, block.place, block.event_bytes),
            np.column_stack((np.concatenate((np.zeros(1, dtype=np.int64), ends))[:-1], ends)),
        )

    def facts(self, block: BlockPlace) -> np.ndarray:
        """A FACT of every event of a block."""
        place = block.place + block.event_bytes
        return np.frombuffer(self.read(block.segment, place, block.events * FACT.itemsize), FACT)

    def event(self, block: BlockPlace, index: int) -> tuple[int, int, int, bytes]:
        """Venue, account, kind and bytes of one event of a block."""
        first = max(index - 1, 0)
        place = block.place + block.event_bytes + first * FACT.itemsize
        told = np.frombuffer(self.read(block.segment, place, (index + 1 - first) * FACT.itemsize), FACT)
        begin = int(told[0]["end"]) if index else 0
        end, venue, account, kind = told[-1].item()
        return venue, account, kind, self.read(block.segment, block.place + begin, end - begin)

    def read(self, number: int, place: int, size: int) -> bytes:
        """Bytes of a segment."""
        return os.pread(self._reader(number), size, place)

    def drop_above(self, number: int) -> None:
        """Removes the files behind a segment: nothing names a byte of them."""
        for path in self._folder.glob(f"{_PREFIX}*"):
            if int(path.name.removeprefix(_PREFIX)) > number:
                path.unlink()

    def close(self) -> None:
        """Close every file."""
        with self._guard:
            self._close_written()
            for descriptor in self._opened.values():
                os.close(descriptor)
            self._opened.clear()

    def _path(self, number: int) -> Path:
        return self._folder / f"{_PREFIX}{number:010d}"

    def _file(self) -> int:
        if self._writing is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writing = os.open(self._path(self._number), os.O_RDWR | os.O_CREAT, 0o644)
        return self._writing

    def _close_written(self) -> None:
        if self._writing is not None:
            os.close(self._writing)
            self._writing = None

    def _reader(self, number: int) -> int:
        descriptor = self._opened.get(number)
        if descriptor is None:
            with self._guard:
                descriptor = self._opened.get(number)
                if descriptor is None:
                    descriptor = self._opened[number] = os.open(self._path(number), os.O_RDONLY)
        return descriptor


def _packed(events: NumberedEvents) -> bytes:
    """The events one behind the other."""
    bounds, data = events.bounds, events.data
    follow = len(bounds) and bounds[0, 0] == 0 and np.array_equal(bounds[1:, 0], bounds[:-1, 1])
    return data if follow and bounds[-1, 1] == len(data) else b"".join(events)


def _write(file: int, parts: Sequence[bytes], place: int) -> None:
    """All of it, or OSError; a few parts at a time, as many as the system takes."""
    for at in range(0, len(parts), _PARTS):
        some = parts[at : at + _PARTS]
        written = os.pwritev(file, some, place)
        size = sum(map(len, some))
        if written < size:
            rest = memoryview(b"".join(some))[written:]
            while rest:
                done = os.pwrite(file, rest, place + size - len(rest))
                rest = rest[done:]
        place += size
