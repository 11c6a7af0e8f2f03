"""The memory of a book made larger. Everything keeps its place but the two maps behind it."""

import numpy as np

from actors.matching.hash_map import copy_map
from actors.matching.layout import (
    ACCOUNT_MAP,
    ACCOUNTS_KNOWN,
    ORDER_MAP,
    ORDERS_LIVE,
    RUN_WORDS,
    WORDS_AN_OPERATION,
    WORDS_END,
    WORDS_USED,
    zeroed,
)


def with_room(memory: np.ndarray, ops: int, caps: int) -> np.ndarray:
    """The memory, or a larger copy where so many operations and capped accounts might not fit."""
    words = int(memory[WORDS_USED]) + ops * WORDS_AN_OPERATION + caps * RUN_WORDS
    order_rows = _map_rows(memory, ORDER_MAP, int(memory[ORDERS_LIVE]) + ops)
    account_rows = _map_rows(memory, ACCOUNT_MAP, int(memory[ACCOUNTS_KNOWN]) + ops + caps)
    fits = words <= memory[WORDS_END]
    if fits and order_rows == memory[ORDER_MAP + 1] + 1 and account_rows == memory[ACCOUNT_MAP + 1] + 1:
        return memory
    end = int(memory[WORDS_END]) if fits else max(words, 2 * int(memory[WORDS_END]))
    larger = zeroed(end + order_rows + account_rows)
    used = int(memory[WORDS_USED])
    larger[:used] = memory[:used]
    larger[WORDS_END] = end
    larger[[ORDER_MAP, ORDER_MAP + 1]] = end, order_rows - 1
    larger[[ACCOUNT_MAP, ACCOUNT_MAP + 1]] = end + order_rows, account_rows - 1
    copy_map(memory, larger, ORDER_MAP)
    copy_map(memory, larger, ACCOUNT_MAP)
    return larger


def _map_rows(memory: np.ndarray, head: int, keys: int) -> int:
    """At most half of a map is in use."""
    rows = int(memory[head + 1]) + 1
    while rows < 2 * keys:
        rows *= 2
    return rows
