"""The merge sort of `row_order`, for rows that are many."""

import numpy as np
from numba import njit


@njit(cache=True)
def _precedes(keys: np.ndarray, one: np.int64, other: np.int64) -> bool:
    for key in range(keys.shape[0]):
        if keys[key, one] != keys[key, other]:
            return bool(keys[key, one] < keys[key, other])
    return False


@njit(cache=True)
def runs_of(keys: np.ndarray) -> np.ndarray:
    """Where runs in order begin, and where the last ends."""
    count = keys.shape[1]
    starts = np.empty(count + 1, dtype=np.int64)
    starts[0] = 0
    found = 1
    for row in range(1, count):
        if _precedes(keys, row, row - 1):
            starts[found] = row
            found += 1
    starts[found] = count
    return starts[: found + 1].copy()


@njit(cache=True)
def merged(keys: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """The rows in their order: neighbouring runs are merged until one is left."""
    count = keys.shape[1]
    rows, other = np.arange(count), np.empty(count, dtype=np.int64)
    runs = len(starts) - 1
    while runs > 1:
        for pair in range(0, runs, 2):
            middle = starts[pair + 1]
            end = starts[min(pair + 2, runs)]
            _merge(keys, rows, other, starts[pair], middle, end)
            starts[pair // 2] = starts[pair]
        runs = (runs + 1) // 2
        starts[runs] = count
        rows, other = other, rows
    return rows


@njit(cache=True)
def _merge(
    keys: np.ndarray, rows: np.ndarray, merged: np.ndarray, begin: np.int64, middle: np.int64, end: np.int64
) -> None:
    left, right = begin, middle
    for place in range(begin, end):
        if right >= end or (left < middle and not _precedes(keys, rows[right], rows[left])):
            merged[place] = rows[left]
            left += 1
        else:
            merged[place] = rows[right]
            right += 1
