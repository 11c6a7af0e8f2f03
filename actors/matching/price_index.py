"""The levels of a side in order of price, however far apart: a tree of 64-bit words over the price's key.

Seven words lead from a root to a level, six bits of the key each; nodes exist only where there are orders, so memory
follows the levels and not the range of prices. Levels of a side are also chained from the best to the worst: the tree
is asked only where a level is looked up or a new one takes its place.
"""

import numpy as np
from numba.cpython.unsafe.numbers import leading_zeros

from actors.compiling import kernel
from actors.matching.layout import (
    BEST,
    BETTER,
    CHILDREN,
    COUNT,
    FIRST,
    KEY,
    KEY_TOP,
    LAST,
    LEAF,
    LOTS,
    NEAR_KEY,
    NEAR_NODE,
    NEAR_SHIFT,
    NODE_FREE,
    NODE_WORDS,
    PARENT,
    ROOT,
    RUN_FREE,
    RUN_WORDS,
    TREE_DEPTH,
    WORD,
    WORD_BITS,
    WORD_MASK,
    WORDS_USED,
    WORSE,
)


@kernel
def key_of(bid: np.int64, price_ticks: np.int64) -> np.int64:
    """The key of a price on the asks (0) or bids (1). The map is its own inverse: it gives the price of a key, too."""
    return price_ticks if bid == 0 else KEY_TOP - price_ticks


@kernel
def new_run(memory: np.ndarray) -> np.int64:
    """A free run of words for an order, a level or an account, with whatever was in it."""
    run = memory[RUN_FREE]
    if run != 0:
        memory[RUN_FREE] = memory[run]
    else:
        run = memory[WORDS_USED]
        memory[WORDS_USED] = run + RUN_WORDS
    return run


@kernel
def free_run(memory: np.ndarray, run: np.int64) -> None:
    """Gives a run back."""
    memory[run] = memory[RUN_FREE]
    memory[RUN_FREE] = run


@kernel
def level_at(memory: np.ndarray, bid: np.int64, key: np.int64) -> np.int64:
    """The level with this key, made where there is none."""
    node = memory[NEAR_NODE + bid]
    shift = np.int64(NEAR_SHIFT - WORD_BITS)
    if node == 0 or memory[NEAR_KEY + bid] != key >> NEAR_SHIFT:
        node = memory[ROOT + bid]
        shift = np.int64(WORD_BITS * (TREE_DEPTH - 1))
    while shift > 0:
        bit = (key >> shift) & WORD_MASK
        if (memory[node + WORD] >> bit) & 1 == 0:
            _add_node(memory, node, bit)
        node = memory[node + CHILDREN + bit]
        if shift == NEAR_SHIFT:
            memory[NEAR_NODE + bid] = node
            memory[NEAR_KEY + bid] = key >> NEAR_SHIFT
        shift -= WORD_BITS
    bit = key & WORD_MASK
    if (memory[node + WORD] >> bit) & 1 == 0:
        return _add_level(memory, bid, key, node, bit)
    return memory[node + CHILDREN + bit]


@kernel
def _add_node(memory: np.ndarray, parent: np.int64, bit: np.int64) -> None:
    node = memory[NODE_FREE]
    if node != 0:
        memory[NODE_FREE] = memory[node + PARENT]
    else:
        node = memory[WORDS_USED]
        memory[WORDS_USED] = node + NODE_WORDS
    memory[node + WORD] = 0
    memory[node + PARENT] = (parent << WORD_BITS) | bit
    memory[parent + CHILDREN + bit] = node
    memory[parent + WORD] |= np.int64(1) << bit


@kernel
def _add_level(memory: np.ndarray, bid: np.int64, key: np.int64, leaf: np.int64, bit: np.int64) -> np.int64:
    level = new_run(memory)
    better = _next_better(memory, leaf, bit)
    memory[leaf + CHILDREN + bit] = level
    memory[leaf + WORD] |= np.int64(1) << bit
    before = better + WORSE if better != 0 else BEST + bid
    worse = memory[before]
    memory[before] = level
    if worse != 0:
        memory[worse + BETTER] = level
    memory[level + FIRST] = 0
    memory[level + LAST] = 0
    memory[level + LOTS] = 0
    memory[level + COUNT] = 0
    memory[level + KEY] = key
    memory[level + BETTER] = better
    memory[level + WORSE] = worse
    memory[level + LEAF] = (leaf << WORD_BITS) | bit
    return level


@kernel
def _next_better(memory: np.ndarray, node: np.int64, bit: np.int64) -> np.int64:
    """The level with the greatest key below this place in a leaf, or 0. Nodes without a level are on its own path."""
    depth = TREE_DEPTH - 1
    below = memory[node + WORD] & ((np.int64(1) << bit) - 1)
    while below == 0:
        if depth == 0:
            return np.int64(0)
        place = memory[node + PARENT]
        node = place >> WORD_BITS
        below = memory[node + WORD] & ((np.int64(1) << (place & WORD_MASK)) - 1)
        depth -= 1
    while depth < TREE_DEPTH - 1:
        node = memory[node + CHILDREN + WORD_MASK - leading_zeros(below)]
        below = memory[node + WORD]
        depth += 1
    return memory[node + CHILDREN + WORD_MASK - leading_zeros(below)]


@kernel
def drop_level(memory: np.ndarray, bid: np.int64, level: np.int64) -> None:
    """Takes an empty level out, and the nodes that led to nothing else."""
    better = memory[level + BETTER]
    worse = memory[level + WORSE]
    memory[better + WORSE if better != 0 else BEST + bid] = worse
    if worse != 0:
        memory[worse + BETTER] = better
    node = memory[level + LEAF] >> WORD_BITS
    root = memory[ROOT + bid]
    memory[node + WORD] ^= np.int64(1) << (memory[level + LEAF] & WORD_MASK)
    while memory[node + WORD] == 0 and node != root:
        place = memory[node + PARENT]
        memory[node + PARENT] = memory[NODE_FREE]
        memory[NODE_FREE] = node
        if node == memory[NEAR_NODE + bid]:
            memory[NEAR_NODE + bid] = 0
        node = place >> WORD_BITS
        memory[node + WORD] ^= np.int64(1) << (place & WORD_MASK)
    free_run(memory, level)
