"""The levels of a side in order of price, however far apart: a tree of 64-bit words over the price's key.

Seven words lead from a root to a level, six bits of the key each; nodes exist only where there are orders, so memory
follows the levels and not the range of prices. Levels of a side are also chained from the best to the worst: the tree
is asked only where a level is looked up or a new one takes its place.
"""

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import leading_zeros

from actors.matching.layout import (
    BEST,
    BETTER,
    COUNT,
    FIRST,
    KEY,
    KEY_TOP,
    LAST,
    LEAF,
    LEVEL_FREE,
    LEVELS_USED,
    LOTS,
    NODE_FREE,
    NODES_USED,
    NONE,
    TREE_DEPTH,
    WORD_BITS,
    WORD_MASK,
    WORSE,
    Store,
)


@njit(cache=True)
def key_of(book_side: np.int64, price_ticks: np.int64) -> np.int64:
    """The key of a price on the asks (0) or bids (1). The map is its own inverse: it gives the price of a key, too."""
    return price_ticks if book_side == 0 else KEY_TOP - price_ticks


@njit(cache=True)
def level_at(store: Store, book_side: np.int64, key: np.int64) -> np.int64:
    """The level with this key, made where there is none."""
    node = book_side
    shift = WORD_BITS * (TREE_DEPTH - 1)
    while shift > 0:
        bit = (key >> shift) & WORD_MASK
        if (store.words[node] >> bit) & 1 == 0:
            _add_node(store, node, bit)
        node = np.int64(store.children[node, bit])
        shift -= WORD_BITS
    bit = key & WORD_MASK
    if (store.words[node] >> bit) & 1 == 0:
        return _add_level(store, book_side, key, node, bit)
    return np.int64(store.children[node, bit])


@njit(cache=True)
def _add_node(store: Store, parent: np.int64, bit: np.int64) -> None:
    heads = store.heads
    node = heads[NODE_FREE]
    if node != NONE:
        heads[NODE_FREE] = store.parents[node]
    else:
        node = heads[NODES_USED]
        heads[NODES_USED] = node + 1
    store.words[node] = 0
    store.parents[node] = (parent << WORD_BITS) | bit
    store.children[parent, bit] = node
    store.words[parent] |= np.int64(1) << bit


@njit(cache=True)
def _add_level(store: Store, book_side: np.int64, key: np.int64, leaf: np.int64, bit: np.int64) -> np.int64:
    heads = store.heads
    levels = store.levels
    level = heads[LEVEL_FREE]
    if level != NONE:
        heads[LEVEL_FREE] = levels[level, WORSE]
    else:
        level = heads[LEVELS_USED]
        heads[LEVELS_USED] = level + 1
    better = _next_better(store, leaf, bit)
    store.children[leaf, bit] = level
    store.words[leaf] |= np.int64(1) << bit
    if better == NONE:
        worse = heads[BEST + book_side]
        heads[BEST + book_side] = level
    else:
        worse = levels[better, WORSE]
        levels[better, WORSE] = level
    if worse != NONE:
        levels[worse, BETTER] = level
    levels[level, FIRST] = NONE
    levels[level, LAST] = NONE
    levels[level, LOTS] = 0
    levels[level, COUNT] = 0
    levels[level, KEY] = key
    levels[level, BETTER] = better
    levels[level, WORSE] = worse
    levels[level, LEAF] = (leaf << WORD_BITS) | bit
    return level


@njit(cache=True)
def _next_better(store: Store, node: np.int64, bit: np.int64) -> np.int64:
    """The level with the greatest key below this place in a leaf, or -1. Nodes just made are still empty: skipped."""
    depth = TREE_DEPTH - 1
    below = store.words[node] & ((np.int64(1) << bit) - 1)
    while below == 0:
        if depth == 0:
            return np.int64(NONE)
        bit = store.parents[node] & WORD_MASK
        node = store.parents[node] >> WORD_BITS
        below = store.words[node] & ((np.int64(1) << bit) - 1)
        depth -= 1
    while depth < TREE_DEPTH - 1:
        node = np.int64(store.children[node, WORD_MASK - leading_zeros(below)])
        below = store.words[node]
        depth += 1
    return np.int64(store.children[node, WORD_MASK - leading_zeros(below)])


@njit(cache=True)
def drop_level(store: Store, book_side: np.int64, level: np.int64) -> None:
    """Takes an empty level out, and the nodes that led to nothing else."""
    heads = store.heads
    levels = store.levels
    better = levels[level, BETTER]
    worse = levels[level, WORSE]
    if better == NONE:
        heads[BEST + book_side] = worse
    else:
        levels[better, WORSE] = worse
    if worse != NONE:
        levels[worse, BETTER] = better
    node = levels[level, LEAF] >> WORD_BITS
    bit = levels[level, LEAF] & WORD_MASK
    store.words[node] ^= np.int64(1) << bit
    while store.words[node] == 0 and node > 1:
        place = store.parents[node]
        store.parents[node] = heads[NODE_FREE]
        heads[NODE_FREE] = node
        node = place >> WORD_BITS
        store.words[node] ^= np.int64(1) << (place & WORD_MASK)
    levels[level, WORSE] = heads[LEVEL_FREE]
    heads[LEVEL_FREE] = level
