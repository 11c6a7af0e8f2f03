"""Where everything of a book lies: one array of int64, so that the kernels are handed one thing.

Orders, levels, accounts and the nodes of the price index are runs of words, and a link to one is the place of its
first word; `memory[order + REMAINING]` reads as it is said. Place 0 belongs to the heads, so 0 links to nothing.
Behind them lie the two hash maps, which move when the array grows. What is free is chained and reused, the last freed
first. None of it shows outside: `dump` lists orders by priority.
"""

from typing import Final

import numpy as np

# Heads: the single numbers. Those with a side have the one of the asks first, the one of the bids next.
WORDS_USED: Final = 0
WORDS_END: Final = 1
RUN_FREE: Final = 2
NODE_FREE: Final = 3
# A map is two heads: where it begins, and its number of rows less one.
ORDER_MAP: Final = 4
ACCOUNT_MAP: Final = 6
ORDERS_LIVE: Final = 8
ACCOUNTS_KNOWN: Final = 9
LAST_TRADE: Final = 10
ROOM_LOTS: Final = 11
ROWS: Final = 12
BEST: Final = 14
SIDE_LOTS: Final = 16
ROOT: Final = 18
# Where the walk to a level begins as long as the key's upper bits are the same: a node deep in the tree, or 0.
NEAR_NODE: Final = 20
NEAR_KEY: Final = 22
HEADS: Final = 24

# Orders, levels and accounts take 64 bytes each, a cache line. The first word of a free run links to the next.
RUN_WORDS: Final = 8

# An order. ELDER and YOUNGER are the account's orders that came to rest before and after it.
ORDER_ID: Final = 0
REMAINING: Final = 1
OWNER: Final = 2
LEVEL_AND_MARKS: Final = 3
NEXT: Final = 4
PREVIOUS: Final = 5
ELDER: Final = 6
YOUNGER: Final = 7
# The level takes the low half of its word. The marks above: flags, self-trade mode, time in force, 1 for a bid.
LEVEL_MASK: Final = (1 << 32) - 1
MARKS_SHIFT: Final = 32
FLAG_MASK: Final = 255
SELF_TRADE_SHIFT: Final = 8
TIME_IN_FORCE_SHIFT: Final = 12
NIBBLE: Final = 15
BID_SHIFT: Final = 16

# A level: all orders of one side at one price. BETTER and WORSE are its neighbours, LEAF its place in the index.
FIRST: Final = 0
LAST: Final = 1
LOTS: Final = 2
COUNT: Final = 3
KEY: Final = 4
BETTER: Final = 5
WORSE: Final = 6
LEAF: Final = 7

# An account that came here. CAPPED, POSITION and TRIAL (a change of the position that is only tried) are those of the
# running batch.
ACCOUNT_ID: Final = 0
NEWEST: Final = 1
ORDERS: Final = 2
CAPPED: Final = 3
POSITION: Final = 4
TRIAL: Final = 5
# What CAPPED says: fills are unbounded but move the position, or only reduce it.
POSITION_KEPT: Final = 1
FAILS_MARGIN: Final = 2

# A node of the price index: which children it has, its own place in its parent, the children.
WORD: Final = 0
PARENT: Final = 1
CHILDREN: Final = 2
WORD_BITS: Final = 6
WORD_MASK: Final = 63
# Rounded up to whole cache lines.
NODE_WORDS: Final = CHILDREN + (1 << WORD_BITS) + 6
# Seven words of six bits reach beyond the key of the highest price.
TREE_DEPTH: Final = 7
# A near node has two words below it: 4,096 prices around the last one asked for.
NEAR_SHIFT: Final = 2 * WORD_BITS
# A bid's key counts down from here, so that on both sides the smaller key is the better price.
KEY_TOP: Final = 1 << 41

# The most one operation may add: an order, its account, its level, and the nodes that lead to it.
WORDS_AN_OPERATION: Final = 3 * RUN_WORDS + TREE_DEPTH * NODE_WORDS

_FIRST_WORDS: Final = 1 << 14
_FIRST_MAP_ROWS: Final = 1 << 11


def empty_memory() -> np.ndarray:
    """A book without orders."""
    memory = zeroed(_FIRST_WORDS + 2 * _FIRST_MAP_ROWS)
    memory[ROOT] = HEADS
    memory[ROOT + 1] = HEADS + NODE_WORDS
    memory[WORDS_USED] = HEADS + 2 * NODE_WORDS
    memory[WORDS_END] = _FIRST_WORDS
    memory[[ORDER_MAP, ACCOUNT_MAP]] = _FIRST_WORDS, _FIRST_WORDS + _FIRST_MAP_ROWS
    memory[[ORDER_MAP + 1, ACCOUNT_MAP + 1]] = _FIRST_MAP_ROWS - 1
    return memory


def zeroed(words: int) -> np.ndarray:
    """Words that begin with a cache line, so that an order is in one line and not in two."""
    spare = np.zeros(words + RUN_WORDS, dtype=np.int64)
    begin = -(spare.ctypes.data // spare.itemsize) % RUN_WORDS
    return spare[begin : begin + words]
