"""Open addressing from keys to slots: words of one array, linear probing, no tombstones. An empty word is 0.

A word holds the hash of its key in the upper half and one more than the slot in the lower: keys are read where the rows
are, so a map never holds them. It is a power of two long, at most half of it in use.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined
from actors.fetching import fetch

# The odd number nearest to 2**64 / golden ratio, as a signed word: consecutive keys spread evenly.
_SPREAD: Final = -7046029254386353131
_HALF: Final = 32
_UPPER: Final = -(1 << _HALF)
LOWER: Final = (1 << _HALF) - 1
_WORD_BYTES: Final = 8
# A search over many keys asks for the word of a key so many keys ahead, and for its row when half of them are done.
WORDS_AHEAD: Final = 16
ROWS_AHEAD: Final = 8
# Where work on a key is long, and its row leads to another.
NEAR_AHEAD: Final = 4


@inlined
def tag_of(key: np.int64) -> np.int64:
    """The hash of a key in the upper half of a word, the lower half 0."""
    spread = np.int64(key) * np.int64(_SPREAD)
    return (spread ^ (spread << 21)) & _UPPER


@inlined
def tag_of_two(key: np.int64, other: np.int64) -> np.int64:
    """The same of a key of two numbers."""
    return tag_of((np.int64(key) * np.int64(_SPREAD)) ^ np.int64(other))


@inlined
def home(words: np.ndarray, tag: np.int64) -> np.int64:
    """Where the search for a hash begins."""
    return (tag >> _HALF) & (words.shape[0] - 1)


@inlined
def is_tagged(word: np.int64, tag: np.int64) -> np.bool_:
    """The word, which is not empty, may be that of a key with this hash."""
    return (word ^ tag) & _UPPER == 0


@inlined
def fetch_home(words: np.ndarray, tag: np.int64) -> None:
    """Asks for the memory where the search for a hash begins."""
    fetch(words, home(words, tag) * _WORD_BYTES)


@inlined
def first_tagged(words: np.ndarray, tag: np.int64) -> np.int64:
    """The slot of the first key with this hash, most often the one looked for, or -1: what to fetch."""
    place = home(words, tag)
    while words[place] != 0:
        if is_tagged(words[place], tag):
            return (words[place] & LOWER) - 1
        place = (place + 1) & (words.shape[0] - 1)
    return np.int64(-1)


@inlined
def put(words: np.ndarray, tag: np.int64, slot: np.int64) -> None:
    """Adds a key that is not there; there must be an empty word left."""
    place = home(words, tag)
    while words[place] != 0:
        place = (place + 1) & (words.shape[0] - 1)
    words[place] = tag | (slot + 1)


@inlined
def take_out(words: np.ndarray, tag: np.int64, slot: np.int64) -> None:
    """Takes a key out that is there. Words behind it move up, so that no search ends too early."""
    mask = words.shape[0] - 1
    word = tag | (slot + 1)
    hole = home(words, tag)
    while words[hole] != word:
        assert words[hole] != 0
        hole = (hole + 1) & mask
    place = hole
    while True:
        place = (place + 1) & mask
        moving = words[place]
        if moving == 0:
            break
        # A word may move into the hole unless its home lies behind the hole.
        if ((place - (moving >> _HALF)) & mask) >= ((place - hole) & mask):
            words[hole] = moving
            hole = place
    words[hole] = 0
