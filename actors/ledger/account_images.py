"""What the digest of an account covers, as bytes: its row, then its rows in each table, in a defined order.

`account_image` is the specification; `account_images` makes the same of many accounts from columns.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.compiling import inlined
from actors.fetching import LINE_BYTES, fetch
from actors.ledger.account_marks import AccountMarks
from actors.ledger.accounts import Accounts
from actors.ledger.book_orders import BookOrder, BookOrders
from actors.ledger.order_columns import (
    ACCOUNT,
    BY_OWNER,
    COUNT,
    NEWEST,
    NUMBER,
    OLDER,
    fetch_owner,
    fetch_row,
    find_head,
)
from actors.ledger.row_chains import Chains, rows_of_owners, sort_by_key
from actors.ledger.slot_map import ROWS_AHEAD, WORDS_AHEAD, fetch_home, tag_of
from actors.ledger.table import Table

Int64Array = NDArray[np.int64]
_WORD_BYTES = 8


class DigestedRows(Protocol):
    """A table as digests see it."""

    def row(self, key: int, /) -> Sequence[int]:
        """The cells of a row, in column order."""


class RowsOfAccounts(NamedTuple):
    """The rows that accounts have in one table: how many each, then key and slot of all, account by account, keys
    ascending. `data` has a row a slot, of which `width` cells from `begin` on count.
    """

    counts: Int64Array
    keys: Int64Array
    slots: Int64Array
    data: Int64Array
    begin: int
    width: int


class DigestedBook(Protocol):
    """A venue's book, whatever its rulebook: accounts, and which rows of which tables are an account's."""

    venue: int
    touched: AccountMarks
    accounts: Accounts

    def rows_of_account(self, account: int) -> Iterable[tuple[DigestedRows, Sequence[int], int | None]]:
        """Tables beside the account's own, in a fixed order: table, keys ascending, leading columns (None: all)."""

    def rows_of_accounts(self, accounts: Int64Array, slots: Int64Array) -> Iterable[RowsOfAccounts]:
        """The same tables in the same order, for many accounts in these slots."""


def account_image(book: DigestedBook, account: int) -> bytes:
    """The account's rows in a defined order: venue, row, then the rows of each table with their count."""
    cells = [book.venue, *book.accounts.table.row(account)]
    for table, keys, width in book.rows_of_account(account):
        cells.append(len(keys))
        for key in keys:
            cells.append(key)
            cells += table.row(key) if width is None else table.row(key)[:width]
    return struct.pack(f"<{len(cells)}q", *cells)


def account_images(book: DigestedBook, accounts: Int64Array) -> tuple[NDArray[np.uint8], Int64Array]:
    """The images of accounts that are there, one behind the other, and the bounds of each in bytes."""
    table = book.accounts.table
    slots, rows = table.slots_of(accounts), table.whole().T
    tables = list(book.rows_of_accounts(accounts, slots))
    words = np.full(accounts.size, 1 + rows.shape[1], dtype=np.int64)
    for own in tables:
        words += 1 + own.counts * (1 + own.width)
    ends = np.cumsum(words)
    image, place = np.empty(int(ends[-1]) if ends.size else 0, dtype=np.int64), ends - words
    bounds = np.stack([place, ends], axis=1) * _WORD_BYTES
    _put_accounts(image, place, book.venue, rows, slots)
    for own in tables:
        _put_rows(image, place, own.counts, own.keys, own.slots, own.data, own.begin, own.width)
    return image.astype("<i8", copy=False).view(np.uint8), bounds


def chained_rows(table: Table, chains: Chains, owners: Int64Array, width: int | None = None) -> RowsOfAccounts:
    """The rows of a table that accounts in these slots have; `width` leading columns of them (None: all)."""
    counts, slots = rows_of_owners(chains, table.index.arrays.keys, owners)
    keys = table.index.keys_at(slots)
    return RowsOfAccounts(counts, keys, slots, table.whole().T, 0, len(table.columns) if width is None else width)


def single_rows(table: Table, accounts: Int64Array) -> RowsOfAccounts:
    """The rows of a table that has at most one an account, under its number."""
    slots = table.slots_of(accounts)
    there = slots >= 0
    return RowsOfAccounts(there.astype(np.int64), accounts[there], slots[there], table.whole().T, 0, len(table.columns))


def orders_of_accounts(orders: BookOrders, accounts: Int64Array) -> RowsOfAccounts:
    """The orders and triggers that accounts have."""
    rows, heads, maps, _ = orders.arrays()
    counts, slots = _ordered(rows, heads, maps, accounts)
    return RowsOfAccounts(counts, rows[slots, NUMBER], slots, rows, ACCOUNT, len(BookOrder._fields))


@inlined
def _fetch_cells(rows: np.ndarray, slot: np.int64, begin: np.int64, width: np.int64) -> None:
    """Asks for the memory of so many cells of a row."""
    first = slot * rows.strides[0] + begin * _WORD_BYTES
    last = first + width * _WORD_BYTES - 1
    while first < last:
        fetch(rows, first)
        first += LINE_BYTES
    fetch(rows, last)


@njit(cache=True)
def _put_accounts(image: np.ndarray, place: np.ndarray, venue: np.int64, rows: np.ndarray, slots: np.ndarray) -> None:
    for account in range(slots.shape[0]):
        if account + WORDS_AHEAD < slots.shape[0]:
            _fetch_cells(rows, slots[account + WORDS_AHEAD], 0, rows.shape[1])
        at, slot = place[account], slots[account]
        image[at] = venue
        for cell in range(rows.shape[1]):
            image[at + 1 + cell] = rows[slot, cell]
        place[account] = at + 1 + rows.shape[1]


@njit(cache=True)
def _put_rows(
    image: np.ndarray,
    place: np.ndarray,
    counts: np.ndarray,
    keys: np.ndarray,
    slots: np.ndarray,
    data: np.ndarray,
    begin: np.int64,
    width: np.int64,
) -> None:
    row = 0
    for account in range(counts.shape[0]):
        at = place[account]
        image[at] = counts[account]
        at += 1
        for _ in range(counts[account]):
            if row + WORDS_AHEAD < slots.shape[0]:
                _fetch_cells(data, slots[row + WORDS_AHEAD], begin, width)
            image[at] = keys[row]
            slot = slots[row]
            for cell in range(width):
                image[at + 1 + cell] = data[slot, begin + cell]
            at += 1 + width
            row += 1
        place[account] = at


@njit(cache=True)
def _ordered(
    rows: np.ndarray, heads: np.ndarray, maps: np.ndarray, accounts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same of orders, by number."""
    heads_of = np.empty(accounts.shape[0], np.int64)
    counts = np.zeros(accounts.shape[0], np.int64)
    for account in range(accounts.shape[0]):
        if account + WORDS_AHEAD < accounts.shape[0]:
            fetch_home(maps[BY_OWNER], tag_of(accounts[account + WORDS_AHEAD]))
        if account + ROWS_AHEAD < accounts.shape[0]:
            fetch_owner(heads, maps, accounts[account + ROWS_AHEAD])
        head = find_head(heads, maps, accounts[account])
        heads_of[account] = head
        if head >= 0:
            counts[account] = heads[head, COUNT]
    slots = np.empty(counts.sum(), np.int64)
    numbers = rows[:, NUMBER]
    end = 0
    for account in range(accounts.shape[0]):
        coming = account + ROWS_AHEAD
        if coming < accounts.shape[0] and counts[coming] != 0:
            fetch_row(rows, heads[heads_of[coming], NEWEST] - 1)
        if counts[account] == 0:
            continue
        begin, link = end, heads[heads_of[account], NEWEST]
        end += counts[account]
        # From the newest, which has the highest number mostly, to the oldest.
        for at in range(end - 1, begin - 1, -1):
            slots[at] = link - 1
            link = rows[link - 1, OLDER]
        sort_by_key(slots, begin, end, numbers)
    return counts, slots
