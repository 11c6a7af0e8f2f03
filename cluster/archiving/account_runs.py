"""A run: the numbers of the events of accounts between two events, sorted by (venue, account). A file, read mapped.

int64[4]             format, first event, entries, keys
uint32[entries]      event numbers above the first one, those of a key together and ascending; padded to 8 bytes
int64[keys, 3]       venue, account, where its entries end; sorted
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

_FORMAT: Final = 0x6272_6163_6374_0001
_HEAD: Final = np.dtype("<i8")
_ENTRY: Final = np.dtype("<u4")
_KEY_COLUMNS: Final = 3
_HEAD_BYTES: Final = 4 * _HEAD.itemsize
# So many entries are merged at a time, of so many keys of every run at most.
STEP_ENTRIES: Final = 1 << 18
_STEP_KEYS: Final = 1 << 14
_DIGIT_BITS: Final = 16


class Sorted(NamedTuple):
    """A part of a run: its keys with where the entries of each end, and the entries as numbers of events."""

    keys: np.ndarray
    entries: np.ndarray


class Run:
    """A run file that is whole."""

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError, ValueError where it is no run."""
        words = np.memmap(path, dtype=_HEAD, mode="r")
        kind, self.first_event, entries, keys = words[:4].tolist()
        begin = 4 + _padded(entries) // _HEAD.itemsize
        if kind != _FORMAT or len(words) != begin + keys * _KEY_COLUMNS:
            raise ValueError(f"{path} is no run of accounts")
        self.entries = words[4:begin].view(_ENTRY)[:entries]
        self.keys = words[begin:].reshape(keys, _KEY_COLUMNS)

    def numbers(self, venue: int, account: int) -> np.ndarray:
        """The numbers of an account's events, ascending."""
        return entries_of(Sorted(self.keys, self.entries), venue, account).astype(np.int64) + self.first_event


def entries_of(part: Sorted, venue: int, account: int) -> np.ndarray:
    """The entries of one key, none where there is no such key."""
    keys, wanted = part.keys, (venue, account)
    at = bisect_left(range(len(keys)), wanted, key=lambda row: tuple(keys[row, :2].tolist()))
    if at == len(keys) or tuple(keys[at, :2].tolist()) != wanted:
        return part.entries[:0]
    begin = int(keys[at - 1, 2]) if at else 0
    return part.entries[begin : int(keys[at, 2])]


def sort_events(venue: np.ndarray, account: np.ndarray) -> Sorted:
    """The events of accounts by their places; those of account 0 belong to none."""
    places = np.flatnonzero(account)
    venue, account = venue[places].astype(np.int64), account[places].astype(np.int64)
    order = _order(venue, account)
    keys, ends = _grouped(venue[order], account[order])
    return Sorted(np.column_stack((keys, ends)), places[order])


def write_run(
    path: Path, first_event: int, parts: Iterator[Sorted], entries: int, is_durable: bool = True
) -> Iterator[int]:
    """Writes so many entries of parts whose keys ascend; the file is there when it is exhausted.

    The last key of a part may go on in the next. A part a step; yields how many entries it had. Raises OSError.
    """
    temporary = path.with_name(f"{path.name}.writing")
    keys, done = 0, 0
    last: list[list[int]] = []
    with temporary.open("wb", buffering=0) as file:
        descriptor, begin = file.fileno(), _HEAD_BYTES + _padded(entries)
        for part in parts:
            placed = part.keys.astype(_HEAD)
            placed[:, 2] += done
            if last and placed[:1, :2].tolist() == last:
                keys -= 1
            _write_at(descriptor, (part.entries - first_event).astype(_ENTRY), _HEAD_BYTES + done * _ENTRY.itemsize)
            _write_at(descriptor, placed, begin + keys * _KEY_COLUMNS * _HEAD.itemsize)
            keys, done, last = keys + len(placed), done + len(part.entries), placed[-1:, :2].tolist()
            yield len(part.entries)
        assert done == entries, f"a run of {entries} entries got {done}"
        _write_at(descriptor, np.array((_FORMAT, first_event, entries, keys), dtype=_HEAD), 0)
        file.truncate(begin + keys * _KEY_COLUMNS * _HEAD.itemsize)
        if is_durable:
            os.fsync(descriptor)
    temporary.rename(path)


def merge(runs: Sequence[Run]) -> Iterator[Sorted]:
    """Runs that follow one another as one, a range of keys after the other; about STEP_ENTRIES entries at a time."""
    at = [0] * len(runs)
    while any(place < len(run.keys) for run, place in zip(runs, at, strict=True)):
        tops = [_top(run, place, STEP_ENTRIES // len(runs)) for run, place in zip(runs, at, strict=True)]
        bounds = [_key(run, top) for run, top in zip(runs, tops, strict=True) if top < len(run.keys)]
        bound = min(bounds, default=None)
        ends = [_end(run, place, top, bound) for run, place, top in zip(runs, at, tops, strict=True)]
        if ends != at:
            yield _merged(runs, at, ends)
        else:  # the lowest key has more than its share
            assert bound is not None, "what has no bound ends"
            for number, run in enumerate(runs):
                if at[number] < len(run.keys) and _key(run, at[number]) == bound:
                    yield from _pieces(run, at[number])
                    ends[number] += 1
        at = ends


def _top(run: Run, place: int, share: int) -> int:
    """The first key from a place on with which a step would be too large."""
    window = run.keys[place : place + _STEP_KEYS, 2]
    begin = int(run.keys[place - 1, 2]) if place else 0
    return place + int(np.searchsorted(window, begin + share, side="right"))


def _key(run: Run, place: int) -> tuple[int, int]:
    venue, account = run.keys[place, :2].tolist()
    return venue, account


def _end(run: Run, place: int, top: int, bound: tuple[int, int] | None) -> int:
    """Where the keys below a bound end; without one all that is left fits into the step."""
    if bound is None:
        return top
    window = run.keys[place:top]
    is_below = (window[:, 0] < bound[0]) | ((window[:, 0] == bound[0]) & (window[:, 1] < bound[1]))
    return place + int(np.count_nonzero(is_below))


def _pieces(run: Run, place: int) -> Iterator[Sorted]:
    """The entries of one key, some at a time."""
    begin, end = int(run.keys[place - 1, 2]) if place else 0, int(run.keys[place, 2])
    for first in range(begin, end, STEP_ENTRIES):
        entries = run.entries[first : min(first + STEP_ENTRIES, end)].astype(np.int64) + run.first_event
        yield Sorted(np.array([(*_key(run, place), len(entries))]), entries)


def _merged(runs: Sequence[Run], begins: Sequence[int], ends: Sequence[int]) -> Sorted:
    """The keys of every run between two places, sorted, each with its entries in the order of the runs."""
    keys, entries, sizes = [], [], []
    for run, begin, end in zip(runs, begins, ends, strict=True):
        bounds = np.concatenate(([run.keys[begin - 1, 2] if begin else 0], run.keys[begin:end, 2]))
        keys.append(run.keys[begin:end, :2])
        entries.append(run.entries[bounds[0] : bounds[-1]].astype(np.int64) + run.first_event)
        sizes.append(np.diff(bounds))
    key, size = np.concatenate(keys), np.concatenate(sizes)
    order = _order(key[:, 0], key[:, 1])
    starts, ordered = (np.cumsum(size) - size)[order], size[order]
    filled = np.cumsum(ordered)
    moved = np.repeat(starts - filled + ordered, ordered) + np.arange(filled[-1])
    grouped, lasts = _grouped(key[order, 0], key[order, 1])
    return Sorted(np.column_stack((grouped, filled[lasts - 1])), np.concatenate(entries)[moved])


def _order(venue: np.ndarray, account: np.ndarray) -> np.ndarray:
    """Places by (venue, account), equal ones in their order. Sixteen bits at a time: those NumPy sorts by counting."""
    order = np.arange(len(venue))
    for column in (account, venue):
        for shift in range(0, int(column.max(initial=0)).bit_length(), _DIGIT_BITS):
            digits = (column >> shift).astype(np.uint16)
            order = order[digits[order].argsort(kind="stable")]
    return order


def _grouped(venue: np.ndarray, account: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different keys of sorted rows, and where the rows of each end."""
    changes = (venue[1:] != venue[:-1]) | (account[1:] != account[:-1])
    ends = np.append(np.flatnonzero(changes) + 1, len(venue)) if len(venue) else np.zeros(0, dtype=np.int64)
    return np.column_stack((venue[ends - 1], account[ends - 1])), ends


def _write_at(descriptor: int, values: np.ndarray, place: int) -> None:
    rest = memoryview(values.tobytes())
    while rest:
        done = os.pwrite(descriptor, rest, place)
        rest, place = rest[done:], place + done


def _padded(entries: int) -> int:
    """Bytes of so many entries up to a whole word."""
    return -(-entries * _ENTRY.itemsize // _HEAD.itemsize) * _HEAD.itemsize
