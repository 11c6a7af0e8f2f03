"""BLAKE3 Merkle trees in the shape of RFC 6962: leaves and nodes hash apart, an odd leaf is promoted, never doubled."""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

HASH_BYTES = 32
# What stands in front of the content of a leaf, and of the hashes of two neighbours.
LEAF = b"\x00"
NODE = b"\x01"
EMPTY_ROOT: bytes = blake3(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """Return the 32-byte hash of a leaf's content."""
    return blake3(LEAF + leaf).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Return the 32-byte root over the leaves in their order; EMPTY_ROOT when there are none."""
    if not leaves:
        return EMPTY_ROOT
    # `leaf_hash`, written out: a block has thousands.
    level = [blake3(LEAF + leaf).digest() for leaf in leaves]
    while len(level) > 1:
        level = _level_above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the hashes that lead from leaf `index` to the root, nearest first. Raises IndexError."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} of {len(leaves)}")
    level = [leaf_hash(leaf) for leaf in leaves]
    steps = []
    while len(level) > 1:
        neighbour = index ^ 1
        if neighbour < len(level):
            steps.append(level[neighbour])
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


def _level_above(level: list[bytes]) -> list[bytes]:
    pairs = zip(level[::2], level[1::2], strict=False)
    above = [blake3(NODE + left + right).digest() for left, right in pairs]
    if len(level) & 1:
        above.append(level[-1])
    return above


def _node_hash(left: bytes, right: bytes) -> bytes:
    return blake3(NODE + left + right).digest()
