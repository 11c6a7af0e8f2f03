"""The Merkle root of a block's events, hashed side by side; the tree is that of `merkle`."""

from typing import Final

import numpy as np

from actors.chain import merkle
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
from actors.chain.blake3_many import hash_many
from actors.chain.merkle import LEAF, NODE
from actors.chain.numbered_events import NumberedEvents
from actors.compiling import inlined, kernel

_NODE_PREFIX: Final = NODE[0]
_NODE_BYTES: Final = 1 + BLOCK_BYTES
# So many leaves are hashed one by one as fast as the kernels are called.
_FEW: Final = 8


def events_root(events: NumberedEvents) -> bytes:
    """Merkle root of the serialised events, 32 bytes."""
    if len(events) <= _FEW:
        return merkle.root(list(events))
    return root_of_hashes(leaf_hashes(events))


def leaf_hashes(events: NumberedEvents) -> np.ndarray:
    """uint8[n, 32]: the leaves of the tree. Those of the first events are known before the last are."""
    return hash_many(np.frombuffer(events.data, dtype=np.uint8), events.bounds, LEAF[0])


def root_of_hashes(leaves: np.ndarray) -> bytes:
    """The root over the hashes of at least one leaf, uint8[n, 32]."""
    level = leaves.copy()
    _climb(level.view(np.uint32).reshape(-1), len(level), working_array())
    return level[0].tobytes()


@kernel
def _climb(level: np.ndarray, count: np.int64, work: np.ndarray) -> None:
    """Writes every level over the one below, whose hashes are read before; the root ends up first."""
    while count > 1:
        pairs = count >> 1
        for first in range(0, pairs, LANES):
            _hash_pairs(level, first, min(np.int64(LANES), pairs - first), work)
        if count & 1:
            # The last of an odd number is promoted.
            for word in range(HASH_WORDS):
                level[pairs * HASH_WORDS + word] = level[(count - 1) * HASH_WORDS + word]
        count = pairs + (count & 1)


@inlined
def _hash_pairs(level: np.ndarray, first: np.int64, pairs: np.int64, work: np.ndarray) -> None:
    """NODE and two hashes are one byte more than a block: all words are shifted by it, the last byte comes alone."""
    start(work)
    for pair in range(pairs):
        place = (first + pair) * BLOCK_WORDS
        take_turn(work, pair, np.int64(0), np.int64(_NODE_BYTES))
        carried = np.uint32(_NODE_PREFIX)
        for word in range(BLOCK_WORDS):
            value = level[place + word]
            work[word * LANES + pair] = np.uint32(value << np.uint32(8)) | carried
            carried = value >> np.uint32(24)
    compress(work)
    for pair in range(pairs):
        take_turn(work, pair, np.int64(1), np.int64(_NODE_BYTES - BLOCK_BYTES))
        work[pair] = level[(first + pair) * BLOCK_WORDS + BLOCK_WORDS - 1] >> np.uint32(24)
    for row in range(LANES, BLOCK_WORDS * LANES):
        work[row] = 0
    compress(work)
    for pair in range(pairs):
        for word in range(HASH_WORDS):
            level[(first + pair) * HASH_WORDS + word] = hash_word(work, pair, word)
