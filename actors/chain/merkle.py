"""BLAKE3 Merkle trees in the shape of RFC 6962: leaves and nodes hash apart, an odd leaf is promoted, never doubled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from blake3 import blake3
from numba import njit

from actors.chain.blake3_many import HASH_BYTES, hash_into, hash_many
from actors.chain.numbered_events import NumberedEvents

_LEAF = b"\x00"
_NODE = b"\x01"
_NODE_PREFIX = _NODE[0]
_PAIR_BYTES = 2 * HASH_BYTES
EMPTY_ROOT: bytes = blake3(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return the 32-byte hash of a leaf's content."""
    return blake3(_LEAF + leaf).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root over the leaves in their order; EMPTY_ROOT when there are none."""
    if not leaves:
        return EMPTY_ROOT
    level = _leaf_hashes(leaves)
    while len(level) > 1:
        level = _level_above(level)
    return level.tobytes()


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index` to the root, nearest first. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    level = _leaf_hashes(leaves)
    steps = []
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            steps.append(level[neighbour].tobytes())
        level = _level_above(level)
        index >>= 1
    return steps


def verify(root_hash: bytes, leaf: bytes, index: int, count: int, steps: Sequence[bytes]) -> bool:
    """Say whether `leaf` is number `index` of the `count` leaves under `root_hash`. Never raises for wrong input.

    `count` decides the tree's shape, so it has to come from something signed, as the root does.
    """
    if not 0 <= index < count or any(len(step) != HASH_BYTES for step in steps):
        return False
    node, last, remaining = leaf_hash(leaf), count - 1, iter(steps)
    while last:
        if index & 1 or index < last:
            step = next(remaining, None)
            if step is None:
                return False
            node = _node_hash(step, node) if index & 1 else _node_hash(node, step)
        index >>= 1
        last >>= 1
    return next(remaining, None) is None and node == root_hash


def _leaf_hashes(leaves: Sequence[bytes]) -> np.ndarray:
    """uint8[n, 32]. Events are hashed side by side; other leaves are few, or long."""
    if isinstance(leaves, NumberedEvents):
        return hash_many(np.frombuffer(leaves.data, dtype=np.uint8), leaves.bounds, _LEAF[0])
    return np.frombuffer(bytearray().join(map(leaf_hash, leaves)), dtype=np.uint8).reshape(-1, HASH_BYTES)


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


def _node_hash(left: bytes, right: bytes) -> bytes:
    return blake3(_NODE + left + right).digest()
