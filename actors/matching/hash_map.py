"""Open addressing for positive int64 keys: rows (key, place) with linear probing, no tombstones. Key 0 is empty.

A map is named by the head that says where it begins; the next head is its number of rows, a power of two, less one.
"""

from typing import Final

import numpy as np
from numba import njit

# The odd number nearest to 2**64 / golden ratio, as a signed word: consecutive keys spread evenly.
_SPREAD: Final = -7046029254386353131


@njit(cache=True)
def _home(key: np.int64, mask: np.int64) -> np.int64:
    """The row where a key would like to be."""
    spread = np.int64(key) * np.int64(_SPREAD)
    return (spread ^ (spread >> 32)) & mask


@njit(cache=True)
def find(memory: np.ndarray, head: np.int64, key: np.int64) -> np.int64:
    """The place under a key, or 0."""
    begin = memory[head]
    mask = memory[head + 1]
    row = _home(key, mask)
    while memory[begin + 2 * row] != 0:
        if memory[begin + 2 * row] == key:
            return memory[begin + 2 * row + 1]
        row = (row + 1) & mask
    return np.int64(0)


@njit(cache=True)
def put(memory: np.ndarray, head: np.int64, key: np.int64, place: np.int64) -> None:
    """Adds a key that is not there; there must be an empty row left."""
    begin = memory[head]
    mask = memory[head + 1]
    row = _home(key, mask)
    while memory[begin + 2 * row] != 0:
        row = (row + 1) & mask
    memory[begin + 2 * row] = key
    memory[begin + 2 * row + 1] = place


@njit(cache=True)
def remove(memory: np.ndarray, head: np.int64, key: np.int64) -> None:
    """Takes a key out that is there. Keys behind it move up, so that no search ends too early."""
    begin = memory[head]
    mask = memory[head + 1]
    hole = _home(key, mask)
    while memory[begin + 2 * hole] != key:
        hole = (hole + 1) & mask
    row = hole
    while True:
        row = (row + 1) & mask
        moving = memory[begin + 2 * row]
        if moving == 0:
            break
        # A key may move into the hole unless its home lies behind the hole.
        if ((row - _home(moving, mask)) & mask) >= ((row - hole) & mask):
            memory[begin + 2 * hole] = moving
            memory[begin + 2 * hole + 1] = memory[begin + 2 * row + 1]
            hole = row
    memory[begin + 2 * hole] = 0


@njit(cache=True)
def copy_map(source: np.ndarray, target: np.ndarray, head: np.int64) -> None:
    """Fills an empty map from the one under the same head elsewhere."""
    begin = source[head]
    for row in range(source[head + 1] + 1):
        if source[begin + 2 * row] != 0:
            put(target, head, source[begin + 2 * row], source[begin + 2 * row + 1])
