"""Open addressing for int64 keys: rows (key, slot) with linear probing, no tombstones. Key 0 marks an empty row."""

from typing import Final

import numpy as np
from numba import njit

# The odd number nearest to 2**64 / golden ratio, as a signed word: consecutive keys spread evenly.
_SPREAD: Final = -7046029254386353131


@njit(cache=True)
def home(key: np.int64, mask: np.int64) -> np.int64:
    """The row where a key would like to be; the mask is the number of rows, a power of two, less one."""
    spread = np.int64(key) * np.int64(_SPREAD)
    return (spread ^ (spread >> 32)) & mask


@njit(cache=True)
def find(table: np.ndarray, key: np.int64) -> np.int64:
    """The slot under a key, or -1."""
    mask = table.shape[0] - 1
    place = home(key, mask)
    while table[place, 0] != 0:
        if table[place, 0] == key:
            return table[place, 1]
        place = (place + 1) & mask
    return np.int64(-1)


@njit(cache=True)
def put(table: np.ndarray, key: np.int64, slot: np.int64) -> None:
    """Adds a key that is not there; there must be an empty row left."""
    mask = table.shape[0] - 1
    place = home(key, mask)
    while table[place, 0] != 0:
        place = (place + 1) & mask
    table[place, 0] = key
    table[place, 1] = slot


@njit(cache=True)
def remove(table: np.ndarray, key: np.int64) -> None:
    """Takes a key out that is there. Keys behind it move up, so that no search ends too early."""
    mask = table.shape[0] - 1
    hole = home(key, mask)
    while table[hole, 0] != key:
        hole = (hole + 1) & mask
    place = hole
    while True:
        place = (place + 1) & mask
        if table[place, 0] == 0:
            break
        # A key may move into the hole unless it is between its home and where it is now, the hole not in between.
        if ((place - home(table[place, 0], mask)) & mask) >= ((place - hole) & mask):
            table[hole, 0] = table[place, 0]
            table[hole, 1] = table[place, 1]
            hole = place
    table[hole, 0] = 0


@njit(cache=True)
def _copy(table: np.ndarray, larger: np.ndarray) -> None:
    for place in range(table.shape[0]):
        if table[place, 0] != 0:
            put(larger, table[place, 0], table[place, 1])


def with_room(table: np.ndarray, keys: int) -> np.ndarray:
    """The table, or a larger copy where it could not hold so many keys half full."""
    rows = len(table)
    if rows >= 2 * keys:
        return table
    while rows < 2 * keys:
        rows *= 2
    larger = np.zeros((rows, 2), dtype=np.int64)
    _copy(table, larger)
    return larger
