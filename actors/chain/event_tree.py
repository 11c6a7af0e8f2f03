"""The Merkle root of a block's events, hashed side by side; the tree is that of `merkle`."""

import numpy as np
from numba import njit

from actors.chain.blake3_many import HASH_BYTES, hash_into, hash_many
from actors.chain.merkle import EMPTY_ROOT, LEAF, NODE
from actors.chain.numbered_events import NumberedEvents

_NODE_PREFIX = NODE[0]
_PAIR_BYTES = 2 * HASH_BYTES


def events_root(events: NumberedEvents) -> bytes:
    """Merkle root of the serialised events, 32 bytes."""
    if not len(events):
        return EMPTY_ROOT
    return root_of_hashes(leaf_hashes(events))


def leaf_hashes(events: NumberedEvents) -> np.ndarray:
    """uint8[n, 32]: the leaves of the tree. Those of the first events are known before the last are."""
    return hash_many(np.frombuffer(events.data, dtype=np.uint8), events.bounds, LEAF[0])


def root_of_hashes(level: np.ndarray) -> bytes:
    """The root over the hashes of at least one leaf, uint8[n, 32]."""
    while len(level) > 1:
        level = _level_above(level)
    return level.tobytes()


@njit(cache=True)
def _level_above(level: np.ndarray) -> np.ndarray:
    """The nodes over neighbours; the last of an odd number is promoted."""
    pairs, left_over = len(level) // 2, len(level) % 2
    bounds = np.empty((pairs, 2), dtype=np.int64)
    for pair in range(pairs):
        bounds[pair, 0] = pair * _PAIR_BYTES
        bounds[pair, 1] = (pair + 1) * _PAIR_BYTES
    above = np.empty((pairs + left_over, HASH_BYTES), dtype=np.uint8)
    hash_into(level.reshape(-1), bounds, np.int64(_NODE_PREFIX), above[:pairs])
    if left_over:
        above[pairs] = level[-1]
    return above
