"""Open addressing from numbers to places: rows of one word, linear probing, no tombstones. An empty row is 0.

A row holds the hash of its number in the upper half and, in the lower, the place where the number is the first word:
a map is half as large as with its keys, and growing or moving rows never asks for them. A map is named by the head
that says where it begins; the next head is its number of rows, a power of two up to 2**32, less one.
"""

from typing import Final

import numpy as np

from actors.compiling import kernel

# The odd number nearest to 2**64 / golden ratio, as a signed word: consecutive numbers spread evenly.
_SPREAD: Final = -7046029254386353131
_HALF: Final = 32
_UPPER: Final = -(1 << _HALF)


@kernel
def _tag(number: np.int64) -> np.int64:
    """The hash in the upper half of a word, the lower half 0."""
    spread = np.int64(number) * np.int64(_SPREAD)
    return (spread ^ (spread << 21)) & _UPPER


@kernel
def find(memory: np.ndarray, head: np.int64, number: np.int64) -> np.int64:
    """The place of a number, or 0."""
    begin = memory[head]
    mask = memory[head + 1]
    tag = _tag(number)
    row = (tag >> _HALF) & mask
    while memory[begin + row] != 0:
        # Equal hashes leave the place alone.
        place = memory[begin + row] ^ tag
        if place & _UPPER == 0 and memory[place] == number:
            return place
        row = (row + 1) & mask
    return np.int64(0)


@kernel
def home(memory: np.ndarray, head: np.int64, number: np.int64) -> np.int64:
    """Where the search for a number begins."""
    return memory[head] + ((_tag(number) >> _HALF) & memory[head + 1])


@kernel
def first_place(memory: np.ndarray, head: np.int64, number: np.int64) -> np.int64:
    """The place the search for a number looks at first: mostly its own, 0 where there is none."""
    return memory[home(memory, head, number)] & ~np.int64(_UPPER)


@kernel
def put(memory: np.ndarray, head: np.int64, number: np.int64, place: np.int64) -> None:
    """Adds a number that is not there; there must be an empty row left."""
    _put_row(memory, head, _tag(number) | place)


@kernel
def _put_row(memory: np.ndarray, head: np.int64, word: np.int64) -> None:
    begin = memory[head]
    mask = memory[head + 1]
    row = (word >> _HALF) & mask
    while memory[begin + row] != 0:
        row = (row + 1) & mask
    memory[begin + row] = word


@kernel
def remove(memory: np.ndarray, head: np.int64, number: np.int64, place: np.int64) -> None:
    """Takes a number out that is there. Rows behind it move up, so that no search ends too early."""
    begin = memory[head]
    mask = memory[head + 1]
    word = _tag(number) | place
    hole = (word >> _HALF) & mask
    while memory[begin + hole] != word:
        hole = (hole + 1) & mask
    row = hole
    while True:
        row = (row + 1) & mask
        moving = memory[begin + row]
        if moving == 0:
            break
        # A row may move into the hole unless its home lies behind the hole.
        if ((row - (moving >> _HALF)) & mask) >= ((row - hole) & mask):
            memory[begin + hole] = moving
            hole = row
    memory[begin + hole] = 0


@kernel
def copy_map(source: np.ndarray, target: np.ndarray, head: np.int64) -> None:
    """Fills an empty map from the one under the same head elsewhere, row by row as they stand if it is as large."""
    begin = source[head]
    if source[head + 1] == target[head + 1]:
        for row in range(source[head + 1] + 1):
            target[target[head] + row] = source[begin + row]
        return
    for row in range(source[head + 1] + 1):
        if source[begin + row] != 0:
            _put_row(target, head, source[begin + row])
