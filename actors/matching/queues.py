"""Orders in their queues: resting one at the end of its level, taking one out, and the list of an account's orders."""

import numpy as np

from actors.compiling import kernel
from actors.matching.hash_map import find, put, remove
from actors.matching.layout import (
    ACCOUNT_ID,
    ACCOUNT_MAP,
    ACCOUNTS_KNOWN,
    CAPPED,
    COUNT,
    ELDER,
    FIRST,
    LAST,
    LEVEL_AND_MARKS,
    LEVEL_MASK,
    LOTS,
    MARKS_SHIFT,
    NEWEST,
    NEXT,
    ORDER_ID,
    ORDER_MAP,
    ORDERS,
    ORDERS_LIVE,
    OWNER,
    PREVIOUS,
    REMAINING,
    SIDE_LOTS,
    TRIAL,
    YOUNGER,
)
from actors.matching.price_index import drop_level, free_run, level_at, new_run


@kernel
def account_at(memory: np.ndarray, account: np.int64) -> np.int64:
    """Where an account is, made known where it is not."""
    place = find(memory, ACCOUNT_MAP, account)
    if place == 0:
        place = new_run(memory)
        memory[ACCOUNTS_KNOWN] += 1
        memory[place + ACCOUNT_ID] = account
        memory[place + NEWEST] = 0
        memory[place + ORDERS] = 0
        memory[place + CAPPED] = 0
        memory[place + TRIAL] = 0
        put(memory, ACCOUNT_MAP, account, place)
    return place


@kernel
def rest(
    memory: np.ndarray,
    bid: np.int64,
    key: np.int64,
    order_id: np.int64,
    owner: np.int64,
    lots: np.int64,
    marks: np.int64,
) -> None:
    """Puts an order behind all others at its price."""
    order = new_run(memory)
    level = level_at(memory, bid, key)
    last = memory[level + LAST]
    memory[last + NEXT if last != 0 else level + FIRST] = order
    memory[level + LAST] = order
    memory[level + LOTS] += lots
    memory[level + COUNT] += 1
    elder = memory[owner + NEWEST]
    if elder != 0:
        memory[elder + YOUNGER] = order
    memory[owner + NEWEST] = order
    memory[owner + ORDERS] += 1
    memory[order + ORDER_ID] = order_id
    memory[order + REMAINING] = lots
    memory[order + OWNER] = owner
    memory[order + LEVEL_AND_MARKS] = level | (marks << MARKS_SHIFT)
    memory[order + NEXT] = 0
    memory[order + PREVIOUS] = last
    memory[order + ELDER] = elder
    memory[order + YOUNGER] = 0
    put(memory, ORDER_MAP, order_id, order)
    memory[ORDERS_LIVE] += 1
    memory[SIDE_LOTS + bid] += lots


@kernel
def shrink(memory: np.ndarray, bid: np.int64, order: np.int64, lots: np.int64) -> None:
    """Takes lots off a resting order, which keeps its place."""
    memory[order + REMAINING] -= lots
    memory[(memory[order + LEVEL_AND_MARKS] & LEVEL_MASK) + LOTS] -= lots
    memory[SIDE_LOTS + bid] -= lots


@kernel
def take_out(memory: np.ndarray, bid: np.int64, order: np.int64) -> None:
    """Takes an order out of the book with all that remains of it; its level goes with the last order."""
    level = memory[order + LEVEL_AND_MARKS] & LEVEL_MASK
    owner = memory[order + OWNER]
    lots = memory[order + REMAINING]
    following = memory[order + NEXT]
    previous = memory[order + PREVIOUS]
    memory[previous + NEXT if previous != 0 else level + FIRST] = following
    memory[following + PREVIOUS if following != 0 else level + LAST] = previous
    memory[level + LOTS] -= lots
    memory[level + COUNT] -= 1
    elder = memory[order + ELDER]
    younger = memory[order + YOUNGER]
    memory[younger + ELDER if younger != 0 else owner + NEWEST] = elder
    if elder != 0:
        memory[elder + YOUNGER] = younger
    memory[owner + ORDERS] -= 1
    memory[ORDERS_LIVE] -= 1
    memory[SIDE_LOTS + bid] -= lots
    remove(memory, ORDER_MAP, memory[order + ORDER_ID], order)
    free_run(memory, order)
    if memory[level + COUNT] == 0:
        drop_level(memory, bid, level)
