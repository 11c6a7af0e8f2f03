"""BLAKE3 of many short messages at once: side by side in lanes, so that one vector instruction works on all of them.

The library hashes one message a call, which costs more than the hashing where a message is an event of 70 bytes.
Written after the BLAKE3 paper and held against the library by tests. A message is one chunk; longer ones go to the
library.
"""

from typing import Final

import numpy as np
from blake3 import blake3

from actors.byte_words import load_u32
from actors.chain.blake3_lanes import (
    BLOCK_BYTES,
    BLOCK_WORDS,
    HASH_WORDS,
    LANES,
    compress,
    hash_word,
    start,
    take_turn,
    working_array,
)
from actors.compiling import inlined, kernel

HASH_BYTES: Final = 32
NO_PREFIX: Final = -1
# The longest message, its prefix included.
CHUNK_BYTES: Final = 1024

_WORD_BYTES: Final = 4
_WORD_BITS: Final = 2
_BLOCK_BITS: Final = 6
_MAX_BLOCKS: Final = CHUNK_BYTES // BLOCK_BYTES


def hash_many(data: np.ndarray, bounds: np.ndarray, prefix: int = NO_PREFIX) -> np.ndarray:
    """uint8[n, 32]: the hash of every message; `bounds` is int64[n, 2], its begin and end in `data` (uint8).

    `prefix` is one byte that stands in front of every message, NO_PREFIX for none.
    """
    if not data.flags.writeable:
        # A kernel is compiled anew for arrays that cannot be written; copying costs less than any of it.
        data = data.copy()
    order = np.empty(len(bounds), dtype=np.int64)
    hashed = _by_blocks(bounds, prefix, np.zeros(_MAX_BLOCKS + 3, dtype=np.int64), order)
    hashes = np.empty((len(bounds), HASH_BYTES), dtype=np.uint8)
    _hash(data, bounds, order[:hashed], prefix, working_array(), hashes.view(np.uint32))
    front = b"" if prefix == NO_PREFIX else bytes([prefix])
    for message in order[hashed:].tolist():
        begin, end = bounds[message].tolist()
        hashes[message] = np.frombuffer(blake3(front + data[begin:end].tobytes()).digest(), dtype=np.uint8)
    return hashes


@kernel
def _by_blocks(bounds: np.ndarray, prefix: np.int64, places: np.ndarray, order: np.ndarray) -> np.int64:
    """Orders the messages by their length in blocks; returns how many are one chunk, the longer ones stand behind."""
    for message in range(len(bounds)):
        places[_blocks(bounds, message, prefix) + 1] += 1
    for blocks in range(1, len(places)):
        places[blocks] += places[blocks - 1]
    hashed = places[_MAX_BLOCKS + 1]
    for message in range(len(bounds)):
        blocks = _blocks(bounds, message, prefix)
        order[places[blocks]] = message
        places[blocks] += 1
    return hashed


@inlined
def _size(bounds: np.ndarray, message: np.int64, prefix: np.int64) -> np.int64:
    return bounds[message, 1] - bounds[message, 0] + (1 if prefix != NO_PREFIX else 0)


@inlined
def _blocks(bounds: np.ndarray, message: np.int64, prefix: np.int64) -> np.int64:
    """Blocks of a message; an empty one has one, and longer ones than a chunk are all alike."""
    blocks = (_size(bounds, message, prefix) + BLOCK_BYTES - 1) >> _BLOCK_BITS
    return min(max(np.int64(1), blocks), np.int64(_MAX_BLOCKS + 1))


@kernel
def _hash(
    data: np.ndarray, bounds: np.ndarray, order: np.ndarray, prefix: np.int64, work: np.ndarray, hashes: np.ndarray
) -> None:
    """The messages of `order`, 16 at a time, into `hashes` (uint32[n, 8])."""
    for first in range(0, len(order), LANES):
        lanes = LANES if len(order) - first > LANES else len(order) - first
        start(work)
        # The last of them has most blocks.
        for block in range(_blocks(bounds, order[first + lanes - 1], prefix)):
            for lane in range(lanes):
                message = order[first + lane]
                left = _size(bounds, message, prefix) - block * BLOCK_BYTES
                take_turn(work, lane, block, left)
                _load(work, lane, data, bounds[message, 0] + block * BLOCK_BYTES, left, prefix, block == 0)
            compress(work)
        for lane in range(lanes):
            for word in range(HASH_WORDS):
                hashes[order[first + lane], word] = hash_word(work, lane, word)


@inlined
def _load(
    work: np.ndarray, lane: np.int64, data: np.ndarray, at: np.int64, left: np.int64, prefix: np.int64, is_first: bool
) -> None:
    """The words of a block whose message, without its prefix, goes on at `at`; zeros behind its end."""
    place = at if prefix == NO_PREFIX else at - 1
    whole = min(np.int64(BLOCK_WORDS), max(np.int64(0), left) >> _WORD_BITS)
    first = np.int64(1 if is_first and prefix != NO_PREFIX else 0)
    for word in range(first, whole):
        work[word * LANES + lane] = load_u32(data, place + word * _WORD_BYTES)
    for word in range(max(whole, first), BLOCK_WORDS):
        work[word * LANES + lane] = _last_word(data, place + word * _WORD_BYTES, left - word * _WORD_BYTES)
    if first:
        # The prefix stands before the three bytes that the first word has room for.
        rest = _last_word(data, at, min(left - 1, np.int64(_WORD_BYTES - 1)))
        work[lane] = np.uint32(prefix) | np.uint32(rest << np.uint32(8))


@inlined
def _last_word(data: np.ndarray, place: np.int64, left: np.int64) -> np.uint32:
    """The word of the 0 to 3 bytes that are left; nothing is read behind them."""
    value = np.uint32(0)
    for byte in range(min(left, np.int64(_WORD_BYTES - 1))):
        value |= np.uint32(np.uint32(data[place + byte]) << np.uint32(8 * byte))
    return value
