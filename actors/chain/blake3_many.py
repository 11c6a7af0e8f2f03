"""BLAKE3 of many short messages at once: side by side in lanes, so that one vector instruction works on all of them.

The library hashes one message a call, which costs more than the hashing where a message is an event of 70 bytes.
Written after the BLAKE3 paper and held against the library by tests. A message is one chunk; longer ones go to the
library.
"""

from typing import Final

import numpy as np
from blake3 import blake3
from numba import njit

from actors.chain.blake3_lanes import (
    BLOCK_BYTES,
    BLOCK_WORDS,
    HASH_WORDS,
    LANES,
    compress,
    load_blocks,
    start,
    take_turn,
    words,
)

HASH_BYTES: Final = 32
NO_PREFIX: Final = -1
# The longest message, its prefix included.
CHUNK_BYTES: Final = 1024

_MAX_BLOCKS: Final = CHUNK_BYTES // BLOCK_BYTES


def hash_many(data: np.ndarray, bounds: np.ndarray, prefix: int = NO_PREFIX) -> np.ndarray:
    """uint8[n, 32]: the hash of every message; `bounds` is int64[n, 2], its begin and end in `data` (uint8).

    `prefix` is one byte that stands in front of every message, NO_PREFIX for none.
    """
    if not data.flags.writeable:
        # A kernel is compiled anew for arrays that cannot be written; copying costs less than any of it.
        data = data.copy()
    hashes = np.empty((len(bounds), HASH_BYTES), dtype=np.uint8)
    if hash_into(data, bounds, prefix, hashes):
        front = b"" if prefix == NO_PREFIX else bytes([prefix])
        for message in np.flatnonzero(bounds[:, 1] - bounds[:, 0] + len(front) > CHUNK_BYTES).tolist():
            begin, end = bounds[message].tolist()
            hashes[message] = np.frombuffer(blake3(front + data[begin:end].tobytes()).digest(), dtype=np.uint8)
    return hashes


@njit(cache=True)
def hash_into(data: np.ndarray, bounds: np.ndarray, prefix: np.int64, hashes: np.ndarray) -> np.int64:
    """Writes the hashes of the messages that are one chunk; returns how many are longer, whose rows it leaves alone.

    `hashes` must be contiguous.
    """
    order, longer = _by_blocks(bounds, prefix)
    front = np.int64(0 if prefix == NO_PREFIX else 1)
    padded = np.zeros((LANES, CHUNK_BYTES), dtype=np.uint8)
    padded_words = padded.view(np.uint32)
    hash_words = hashes.view(np.uint32)
    work = words()
    for first in range(0, len(order), LANES):
        lanes = min(LANES, len(order) - first)
        longest = np.int64(0)
        for lane in range(lanes):
            begin, end = bounds[order[first + lane], 0], bounds[order[first + lane], 1]
            longest = max(longest, front + end - begin)
            if front:
                padded[lane, 0] = np.uint8(prefix)
            _copy(data, begin, end, padded[lane], front)
        start(work)
        for block in range(_blocks(longest)):
            for lane in range(lanes):
                size = front + bounds[order[first + lane], 1] - bounds[order[first + lane], 0]
                take_turn(work, lane, block, size)
            load_blocks(work, padded_words, block)
            compress(work)
        for lane in range(lanes):
            _write(work, lane, hash_words[order[first + lane]])
    return longer


@njit(cache=True)
def _blocks(size: np.int64) -> np.int64:
    """Blocks of a message of so many bytes; an empty one has one."""
    return max(np.int64(1), (size + BLOCK_BYTES - 1) // BLOCK_BYTES)


@njit(cache=True)
def _by_blocks(bounds: np.ndarray, prefix: np.int64) -> tuple[np.ndarray, np.int64]:
    """The messages of one chunk, those of equal length in blocks together; and how many there are besides."""
    front = np.int64(0 if prefix == NO_PREFIX else 1)
    places = np.zeros(_MAX_BLOCKS + 2, dtype=np.int64)
    longer = np.int64(0)
    for message in range(len(bounds)):
        blocks = _blocks(front + bounds[message, 1] - bounds[message, 0])
        if blocks > _MAX_BLOCKS:
            longer += 1
        else:
            places[blocks + 1] += 1
    for blocks in range(1, _MAX_BLOCKS + 2):
        places[blocks] += places[blocks - 1]
    order = np.empty(len(bounds) - longer, dtype=np.int64)
    for message in range(len(bounds)):
        blocks = _blocks(front + bounds[message, 1] - bounds[message, 0])
        if blocks <= _MAX_BLOCKS:
            order[places[blocks]] = message
            places[blocks] += 1
    return order, longer


@njit(cache=True)
def _copy(data: np.ndarray, begin: np.int64, end: np.int64, padded: np.ndarray, place: np.int64) -> None:
    """The message behind its prefix, and zeros up to the end of its last block."""
    size = end - begin
    padded[place : place + size] = data[begin:end]
    padded[place + size : BLOCK_BYTES * _blocks(place + size)] = 0


@njit(cache=True)
def _write(work: np.ndarray, lane: np.int64, row: np.ndarray) -> None:
    for word in range(HASH_WORDS):
        row[word] = work[(BLOCK_WORDS + word) * LANES + lane]
