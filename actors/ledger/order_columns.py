"""Orders of a venue's accounts as one matrix, compiled: found by number or client id, listed by account.

Four arrays, as `BookOrders` owns them and passes them to kernels: `rows` (int64[capacity, WIDTH], an order a row, free
rows all zero but for the link to the next), `heads` (int64[capacity, HEAD_WIDTH], an account with orders a row), `maps`
(int64[MAPS, 2 * capacity], see `slot_map`) and `state`. Links are one more than a slot, 0 where there is none.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numba import njit

from actors.compiling import inlined, kernel
from actors.fetching import LINE_BYTES, fetch
from actors.ledger.slot_map import (
    LOWER,
    ROWS_AHEAD,
    WORDS_AHEAD,
    fetch_home,
    first_tagged,
    home,
    is_tagged,
    put,
    tag_of,
    tag_of_two,
    take_out,
)

# Columns of a row: what an order is, then the links of its account's list and its place among the market's triggers.
NUMBER, ACCOUNT, MARKET, SIDE, LIMIT, SIZE, REMAINING, TIME_IN_FORCE, FLAGS, SELF_TRADE, CLIENT, TRIGGER = range(12)
TRIGGER_TICKS, OLDER, NEWER, TRIGGER_PLACE = range(12, 16)
CELLS: Final = 13
WIDTH: Final = 16
# Columns of a head: count is 0 where the row is free, whose newest links the next free one.
OWNER, NEWEST, COUNT = range(3)
HEAD_WIDTH: Final = 4
BY_NUMBER, BY_CLIENT, BY_OWNER = range(3)
MAPS: Final = 3
# Cells of the state: first free row and head, rows and heads ever in use, live orders.
FREE_ROW, FREE_HEAD, ROWS_MADE, HEADS_MADE, LIVE = range(5)
STATE: Final = 5


@inlined
def fetch_row(rows: np.ndarray, slot: np.int64) -> None:
    """Asks for the memory of an order; without one (-1) for what lies before the first."""
    fetch(rows, slot * rows.strides[0])
    fetch(rows, slot * rows.strides[0] + LINE_BYTES)


@inlined
def fetch_owner(heads: np.ndarray, maps: np.ndarray, account: np.int64) -> None:
    """Asks for the head of an account's list; where it is known is in the memory already, or waited for."""
    fetch(heads, first_tagged(maps[BY_OWNER], tag_of(account)) * heads.strides[0])


@inlined
def fetch_newest(rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, account: np.int64) -> None:
    """Asks for the links of an account's newest order, to which the next is tied."""
    head = first_tagged(maps[BY_OWNER], tag_of(account))
    if head >= 0:
        fetch(rows, (heads[head, NEWEST] - 1) * rows.strides[0] + LINE_BYTES)


@inlined
def find_order(rows: np.ndarray, maps: np.ndarray, number: np.int64) -> np.int64:
    """The slot of an order, or -1."""
    words = maps[BY_NUMBER]
    tag = tag_of(number)
    place = home(words, tag)
    while words[place] != 0:
        if is_tagged(words[place], tag):
            slot = (words[place] & LOWER) - 1
            if rows[slot, NUMBER] == number:
                return slot
        place = (place + 1) & (words.shape[0] - 1)
    return np.int64(-1)


@inlined
def find_client(rows: np.ndarray, maps: np.ndarray, account: np.int64, client_id: np.int64) -> np.int64:
    """The slot of the live order of the account under this client id, or -1."""
    words = maps[BY_CLIENT]
    tag = tag_of_two(account, client_id)
    place = home(words, tag)
    while words[place] != 0:
        if is_tagged(words[place], tag):
            slot = (words[place] & LOWER) - 1
            if rows[slot, ACCOUNT] == account and rows[slot, CLIENT] == client_id:
                return slot
        place = (place + 1) & (words.shape[0] - 1)
    return np.int64(-1)


@inlined
def find_head(heads: np.ndarray, maps: np.ndarray, account: np.int64) -> np.int64:
    """The head of an account's list, or -1 where it has no order."""
    words = maps[BY_OWNER]
    tag = tag_of(account)
    place = home(words, tag)
    while words[place] != 0:
        if is_tagged(words[place], tag):
            slot = (words[place] & LOWER) - 1
            if heads[slot, OWNER] == account:
                return slot
        place = (place + 1) & (words.shape[0] - 1)
    return np.int64(-1)


@inlined
def count_of(heads: np.ndarray, maps: np.ndarray, account: np.int64) -> np.int64:
    """How many orders and triggers an account has."""
    head = find_head(heads, maps, account)
    return heads[head, COUNT] if head >= 0 else np.int64(0)


@njit(cache=True)
def numbers_of(rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, account: np.int64) -> np.ndarray:
    """Its orders and triggers, ascending."""
    head = find_head(heads, maps, account)
    if head < 0:
        return np.empty(0, np.int64)
    numbers = np.empty(heads[head, COUNT], np.int64)
    link = heads[head, NEWEST]
    for place in range(numbers.shape[0]):
        numbers[place] = rows[link - 1, NUMBER]
        link = rows[link - 1, OLDER]
    return np.sort(numbers)


@njit(cache=True)
def slots_of(rows: np.ndarray, maps: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The slot of each order, -1 where there is none."""
    slots = np.empty(numbers.shape[0], np.int64)
    for place in range(-WORDS_AHEAD, numbers.shape[0]):
        if place + WORDS_AHEAD < numbers.shape[0]:
            fetch_home(maps[BY_NUMBER], tag_of(numbers[place + WORDS_AHEAD]))
        if 0 <= place + ROWS_AHEAD < numbers.shape[0]:
            fetch_row(rows, first_tagged(maps[BY_NUMBER], tag_of(numbers[place + ROWS_AHEAD])))
        if place >= 0:
            slots[place] = find_order(rows, maps, numbers[place])
    return slots


@njit(cache=True)
def numbers_of_clients(rows: np.ndarray, maps: np.ndarray, accounts: np.ndarray, client_ids: np.ndarray) -> np.ndarray:
    """The live order of each account under its client id, 0 where there is none."""
    numbers = np.zeros(accounts.shape[0], np.int64)
    for place in range(accounts.shape[0]):
        if client_ids[place] != 0:
            slot = find_client(rows, maps, accounts[place], client_ids[place])
            if slot >= 0:
                numbers[place] = rows[slot, NUMBER]
    return numbers


@inlined
def new_row(rows: np.ndarray, state: np.ndarray) -> np.int64:
    """A free row for an order, to be filled and then linked; there must be room."""
    slot = state[FREE_ROW] - 1
    if slot >= 0:
        state[FREE_ROW] = rows[slot, NEWER]
    else:
        slot = state[ROWS_MADE]
        assert slot < rows.shape[0]
        state[ROWS_MADE] = slot + 1
    state[LIVE] += 1
    return slot


@inlined
def link_row(rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray, slot: np.int64) -> None:
    """An order whose cells are filled becomes known by number, client id and account; both names must be free."""
    account = rows[slot, ACCOUNT]
    put(maps[BY_NUMBER], tag_of(rows[slot, NUMBER]), slot)
    if rows[slot, CLIENT] != 0:
        put(maps[BY_CLIENT], tag_of_two(account, rows[slot, CLIENT]), slot)
    head = find_head(heads, maps, account)
    if head < 0:
        head = _new_head(heads, maps, state, account)
    older = heads[head, NEWEST]
    rows[slot, OLDER] = older
    rows[slot, NEWER] = 0
    if older != 0:
        rows[older - 1, NEWER] = slot + 1
    heads[head, NEWEST] = slot + 1
    heads[head, COUNT] += 1


@inlined
def _new_head(heads: np.ndarray, maps: np.ndarray, state: np.ndarray, account: np.int64) -> np.int64:
    head = state[FREE_HEAD] - 1
    if head >= 0:
        state[FREE_HEAD] = heads[head, NEWEST]
    else:
        head = state[HEADS_MADE]
        state[HEADS_MADE] = head + 1
    heads[head, OWNER] = account
    heads[head, NEWEST] = 0
    heads[head, COUNT] = 0
    put(maps[BY_OWNER], tag_of(account), head)
    return head


@inlined
def take_row(
    rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray, orders: np.ndarray, at: np.int64
) -> np.int64:
    """Adds the order of a row of cells and returns its slot; there must be room."""
    slot = new_row(rows, state)
    for cell in range(CELLS):
        rows[slot, cell] = orders[at, cell]
    link_row(rows, heads, maps, state, slot)
    return slot


@inlined
def drop_row(rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray, slot: np.int64) -> None:
    """An order that is there leaves; its row is free."""
    account = rows[slot, ACCOUNT]
    take_out(maps[BY_NUMBER], tag_of(rows[slot, NUMBER]), slot)
    if rows[slot, CLIENT] != 0:
        take_out(maps[BY_CLIENT], tag_of_two(account, rows[slot, CLIENT]), slot)
    head = find_head(heads, maps, account)
    older, newer = rows[slot, OLDER], rows[slot, NEWER]
    if older != 0:
        rows[older - 1, NEWER] = newer
    if newer != 0:
        rows[newer - 1, OLDER] = older
    else:
        heads[head, NEWEST] = older
    heads[head, COUNT] -= 1
    if heads[head, COUNT] == 0:
        take_out(maps[BY_OWNER], tag_of(account), head)
        heads[head, OWNER] = 0
        heads[head, NEWEST] = state[FREE_HEAD]
        state[FREE_HEAD] = head + 1
    rows[slot] = 0
    rows[slot, NEWER] = state[FREE_ROW]
    state[FREE_ROW] = slot + 1
    state[LIVE] -= 1


@inlined
def insert_row(
    rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray, number: np.int64, cells: Sequence[int]
) -> np.int64:
    """Adds an order, `cells` those behind its number, and returns its slot; there must be room.

    A number or client id in use ends it with an error.
    """
    assert number > 0 and find_order(rows, maps, number) < 0, "the order exists"
    if cells[CLIENT - 1] != 0:
        assert find_client(rows, maps, cells[ACCOUNT - 1], cells[CLIENT - 1]) < 0, "the client id is in use"
    slot = new_row(rows, state)
    rows[slot, NUMBER] = number
    for cell in range(CELLS - 1):
        rows[slot, cell + 1] = cells[cell]
    link_row(rows, heads, maps, state, slot)
    return slot


@njit(cache=True)
def insert_rows(
    rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray, cells: np.ndarray
) -> np.ndarray:
    """`insert_row` of a row of `cells` each, the number first; returns their slots."""
    slots = np.empty(cells.shape[0], np.int64)
    for place in range(cells.shape[0]):
        slots[place] = insert_row(rows, heads, maps, state, cells[place, NUMBER], cells[place, 1:])
    return slots


@kernel
def drop_rows(rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray, slots: np.ndarray) -> None:
    """These orders leave, each of them once."""
    for place in range(-WORDS_AHEAD, slots.shape[0]):
        if place + WORDS_AHEAD < slots.shape[0]:
            slot = slots[place + WORDS_AHEAD]
            fetch_home(maps[BY_OWNER], tag_of(rows[slot, ACCOUNT]))
            fetch_home(maps[BY_NUMBER], tag_of(rows[slot, NUMBER]))
            # The links lie on the second line of a row, lots and owner on the first.
            fetch(rows, (rows[slot, OLDER] - 1) * rows.strides[0] + LINE_BYTES)
            fetch(rows, (rows[slot, NEWER] - 1) * rows.strides[0] + LINE_BYTES)
        if 0 <= place + ROWS_AHEAD < slots.shape[0]:
            fetch_owner(heads, maps, rows[slots[place + ROWS_AHEAD], ACCOUNT])
        if place >= 0:
            slot = slots[place]
            assert rows[slot, NUMBER] != 0, "an order is named twice"
            drop_row(rows, heads, maps, state, slot)


@kernel
def fill_maps(rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, state: np.ndarray) -> None:
    """Makes empty maps those of the rows and heads."""
    for slot in range(state[ROWS_MADE]):
        if rows[slot, NUMBER] != 0:
            put(maps[BY_NUMBER], tag_of(rows[slot, NUMBER]), slot)
            if rows[slot, CLIENT] != 0:
                put(maps[BY_CLIENT], tag_of_two(rows[slot, ACCOUNT], rows[slot, CLIENT]), slot)
    for head in range(state[HEADS_MADE]):
        if heads[head, COUNT] != 0:
            put(maps[BY_OWNER], tag_of(heads[head, OWNER]), head)
