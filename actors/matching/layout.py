"""Where everything of a book lies in memory: int64 matrices, their columns, and how they grow.

Free slots are chained and reused, the last freed first. None of it shows outside: `dump` lists orders by priority.
"""

from typing import Final, NamedTuple

import numpy as np

NONE: Final = -1

# orders: one row of 64 bytes, a cache line. NEXT chains the free ones, too.
ORDER_ID: Final = 0
REMAINING: Final = 1
ACCOUNT_SLOT: Final = 2
LEVEL: Final = 3
MARKS: Final = 4
NEXT: Final = 5
PREVIOUS: Final = 6
ORDER_COLUMNS: Final = 8
# siblings: the other orders of the same account.
YOUNGER: Final = 0
ELDER: Final = 1
# MARKS packs what is asked together: flags (8 bits), self-trade mode and time in force (4 each), book side (1).
FLAG_MASK: Final = 255
SELF_TRADE_SHIFT: Final = 8
TIME_IN_FORCE_SHIFT: Final = 12
SIDE_SHIFT: Final = 16
NIBBLE: Final = 15

# levels: all orders of one side at one price; BETTER and WORSE are the neighbours on the side.
FIRST: Final = 0
LAST: Final = 1
LOTS: Final = 2
COUNT: Final = 3
KEY: Final = 4
BETTER: Final = 5
WORSE: Final = 6
LEAF: Final = 7
LEVEL_COLUMNS: Final = 8

# accounts: everybody who rested an order or was capped here; CAP is the row in the caps of the running batch.
ACCOUNT_ID: Final = 0
NEWEST: Final = 1
ORDERS: Final = 2
CAP: Final = 3
ACCOUNT_COLUMNS: Final = 4

# heads: the single numbers. Those with a side have the one of the asks first, the one of the bids next.
ORDERS_LIVE: Final = 0
ORDERS_USED: Final = 1
ORDER_FREE: Final = 2
LEVELS_USED: Final = 3
LEVEL_FREE: Final = 4
NODES_USED: Final = 5
NODE_FREE: Final = 6
ACCOUNTS_USED: Final = 7
LAST_TRADE: Final = 8
BEST: Final = 9
SIDE_LOTS: Final = 11
SIDE_ORDERS: Final = 13
ROWS: Final = 15
ROOM_LOTS: Final = 16
HEADS: Final = 17

# The price index is a tree of words of 64 bits; seven of them reach beyond PRICE_TICKS_MAX.
WORD_BITS: Final = 6
WORD_MASK: Final = 63
TREE_DEPTH: Final = 7
# A bid's key counts down from here, so that on both sides the smaller key is the better price.
KEY_TOP: Final = 1 << 41

_FIRST_ROWS: Final = 1024


class Store(NamedTuple):
    """The state of one book."""

    heads: np.ndarray
    orders: np.ndarray
    siblings: np.ndarray
    levels: np.ndarray
    words: np.ndarray
    parents: np.ndarray
    children: np.ndarray
    accounts: np.ndarray
    order_map: np.ndarray
    account_map: np.ndarray


def empty_store() -> Store:
    """A book without orders."""
    heads = np.zeros(HEADS, dtype=np.int64)
    heads[[ORDER_FREE, LEVEL_FREE, NODE_FREE, BEST, BEST + 1]] = NONE
    # Node 0 is the root of the asks, node 1 that of the bids.
    heads[NODES_USED] = 2
    return Store(
        heads,
        np.zeros((_FIRST_ROWS, ORDER_COLUMNS), dtype=np.int64),
        np.zeros((_FIRST_ROWS, 2), dtype=np.int64),
        np.zeros((_FIRST_ROWS, LEVEL_COLUMNS), dtype=np.int64),
        np.zeros(_FIRST_ROWS, dtype=np.int64),
        np.zeros(_FIRST_ROWS, dtype=np.int64),
        np.zeros((_FIRST_ROWS, 1 << WORD_BITS), dtype=np.int32),
        np.zeros((_FIRST_ROWS, ACCOUNT_COLUMNS), dtype=np.int64),
        np.zeros((4 * _FIRST_ROWS, 2), dtype=np.int64),
        np.zeros((4 * _FIRST_ROWS, 2), dtype=np.int64),
    )


def grown(array: np.ndarray, rows: int) -> np.ndarray:
    """The array with room for at least so many rows; at least twice as large where it had to grow."""
    if len(array) >= rows:
        return array
    larger = np.zeros((max(rows, 2 * len(array)), *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger


def with_nodes(store: Store, nodes: int) -> Store:
    """The store with room for so many nodes of the price index."""
    return store._replace(
        words=grown(store.words, nodes),
        parents=grown(store.parents, nodes),
        children=grown(store.children, nodes),
    )


def with_orders(store: Store, orders: int) -> Store:
    """The store with room for so many orders, each of which may have a level of its own."""
    return store._replace(
        orders=grown(store.orders, orders),
        siblings=grown(store.siblings, orders),
        levels=grown(store.levels, orders),
    )
