"""Orders in their queues: resting one at the end of its level, taking one out, and the list of an account's orders."""

import numpy as np
from numba import njit

from actors.matching.hash_map import find, put, remove
from actors.matching.layout import (
    ACCOUNT_ID,
    ACCOUNT_SLOT,
    ACCOUNTS_USED,
    CAP,
    COUNT,
    ELDER,
    FIRST,
    LAST,
    LEVEL,
    LOTS,
    MARKS,
    NEWEST,
    NEXT,
    NONE,
    ORDER_FREE,
    ORDER_ID,
    ORDERS,
    ORDERS_LIVE,
    ORDERS_USED,
    PREVIOUS,
    REMAINING,
    SIDE_LOTS,
    SIDE_ORDERS,
    YOUNGER,
    Store,
)
from actors.matching.price_index import drop_level, level_at


@njit(cache=True)
def account_slot(store: Store, account: np.int64) -> np.int64:
    """Where an account is, made known where it is not."""
    slot = find(store.account_map, account + 1)
    if slot < 0:
        slot = store.heads[ACCOUNTS_USED]
        store.heads[ACCOUNTS_USED] = slot + 1
        store.accounts[slot, ACCOUNT_ID] = account
        store.accounts[slot, NEWEST] = NONE
        store.accounts[slot, ORDERS] = 0
        store.accounts[slot, CAP] = NONE
        put(store.account_map, account + 1, slot)
    return slot


@njit(cache=True)
def rest(
    store: Store, book_side: np.int64, key: np.int64, order: np.int64, owner: np.int64, lots: np.int64, marks: np.int64
) -> None:
    """Puts an order behind all others at its price."""
    heads = store.heads
    orders = store.orders
    slot = heads[ORDER_FREE]
    if slot != NONE:
        heads[ORDER_FREE] = orders[slot, NEXT]
    else:
        slot = heads[ORDERS_USED]
        heads[ORDERS_USED] = slot + 1
    level = level_at(store, book_side, key)
    last = store.levels[level, LAST]
    if last == NONE:
        store.levels[level, FIRST] = slot
    else:
        orders[last, NEXT] = slot
    store.levels[level, LAST] = slot
    store.levels[level, LOTS] += lots
    store.levels[level, COUNT] += 1
    orders[slot, ORDER_ID] = order
    orders[slot, REMAINING] = lots
    orders[slot, ACCOUNT_SLOT] = owner
    orders[slot, LEVEL] = level
    orders[slot, MARKS] = marks
    orders[slot, NEXT] = NONE
    orders[slot, PREVIOUS] = last
    put(store.order_map, order, slot)
    _join_siblings(store, owner, slot)
    heads[ORDERS_LIVE] += 1
    heads[SIDE_LOTS + book_side] += lots
    heads[SIDE_ORDERS + book_side] += 1


@njit(cache=True)
def _join_siblings(store: Store, owner: np.int64, slot: np.int64) -> None:
    elder = store.accounts[owner, NEWEST]
    store.siblings[slot, ELDER] = elder
    store.siblings[slot, YOUNGER] = NONE
    if elder != NONE:
        store.siblings[elder, YOUNGER] = slot
    store.accounts[owner, NEWEST] = slot
    store.accounts[owner, ORDERS] += 1


@njit(cache=True)
def _leave_siblings(store: Store, slot: np.int64) -> None:
    owner = store.orders[slot, ACCOUNT_SLOT]
    elder = store.siblings[slot, ELDER]
    younger = store.siblings[slot, YOUNGER]
    if younger == NONE:
        store.accounts[owner, NEWEST] = elder
    else:
        store.siblings[younger, ELDER] = elder
    if elder != NONE:
        store.siblings[elder, YOUNGER] = younger
    store.accounts[owner, ORDERS] -= 1


@njit(cache=True)
def shrink(store: Store, book_side: np.int64, slot: np.int64, lots: np.int64) -> None:
    """Takes lots off a resting order, which keeps its place."""
    store.orders[slot, REMAINING] -= lots
    store.levels[store.orders[slot, LEVEL], LOTS] -= lots
    store.heads[SIDE_LOTS + book_side] -= lots


@njit(cache=True)
def take_out(store: Store, book_side: np.int64, slot: np.int64) -> None:
    """Takes an order out of the book with all that remains of it; its level goes with the last order."""
    heads = store.heads
    orders = store.orders
    levels = store.levels
    level = orders[slot, LEVEL]
    following = orders[slot, NEXT]
    previous = orders[slot, PREVIOUS]
    if previous == NONE:
        levels[level, FIRST] = following
    else:
        orders[previous, NEXT] = following
    if following == NONE:
        levels[level, LAST] = previous
    else:
        orders[following, PREVIOUS] = previous
    levels[level, LOTS] -= orders[slot, REMAINING]
    levels[level, COUNT] -= 1
    if levels[level, COUNT] == 0:
        drop_level(store, book_side, level)
    _leave_siblings(store, slot)
    remove(store.order_map, orders[slot, ORDER_ID])
    heads[ORDERS_LIVE] -= 1
    heads[SIDE_LOTS + book_side] -= orders[slot, REMAINING]
    heads[SIDE_ORDERS + book_side] -= 1
    orders[slot, NEXT] = heads[ORDER_FREE]
    heads[ORDER_FREE] = slot
