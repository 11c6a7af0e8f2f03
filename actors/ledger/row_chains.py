"""Which rows an account has: a list through columns, by the slot of its account and the slots of the rows.

A link is one more than a slot and 0 ends the list. Its order means nothing.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.fetching import fetch
from actors.ledger.slot_map import ROWS_AHEAD, WORDS_AHEAD
from actors.pages import zeros

Int32Array = NDArray[np.int32]
Int64Array = NDArray[np.int64]

_FIRST_SLOTS = 1_024


@njit(cache=True)
def _link(first: np.ndarray, following: np.ndarray, before: np.ndarray, owners: np.ndarray, slots: np.ndarray) -> None:
    for place in range(slots.shape[0]):
        owner, slot = owners[place], slots[place]
        next_one = first[owner]
        following[slot], before[slot] = next_one, 0
        if next_one != 0:
            before[next_one - 1] = slot + 1
        first[owner] = slot + 1


@njit(cache=True)
def _unlink(
    first: np.ndarray, following: np.ndarray, before: np.ndarray, owners: np.ndarray, slots: np.ndarray
) -> None:
    for place in range(slots.shape[0]):
        slot = slots[place]
        ahead, behind = before[slot], following[slot]
        if ahead != 0:
            following[ahead - 1] = behind
        else:
            first[owners[place]] = behind
        if behind != 0:
            before[behind - 1] = ahead


class Chains(NamedTuple):
    """The link to an account's first row by its slot, and of each row to the next; valid until a row comes or goes."""

    first: Int32Array
    following: Int32Array


def rows_of_owners(chains: Chains, keys: Int64Array, owners: Int64Array) -> tuple[Int64Array, Int64Array]:
    """How many rows accounts in these slots have, and the slots of all, account by account, by the key of the row."""
    counts, slots = _chained(chains.first, chains.following, keys, owners)
    return counts, slots


@njit(cache=True)
def sort_by_key(slots: np.ndarray, begin: np.int64, end: np.int64, keys: np.ndarray) -> None:
    """Puts slots[begin:end] in the order of their keys; few are put in one by one, many sorted unless they are."""
    sorted_to = begin + 1
    while sorted_to < end and keys[slots[sorted_to - 1]] <= keys[slots[sorted_to]]:
        sorted_to += 1
    if sorted_to < end and end - begin > 16:
        part = slots[begin:end].copy()
        order = np.argsort(keys[part])
        for place in range(end - begin):
            slots[begin + place] = part[order[place]]
        return
    for place in range(sorted_to, end):
        slot, hole = slots[place], place
        while hole > begin and keys[slots[hole - 1]] > keys[slot]:
            slots[hole] = slots[hole - 1]
            hole -= 1
        slots[hole] = slot


@njit(cache=True)
def _chained(
    first: np.ndarray, following: np.ndarray, keys: np.ndarray, owners: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros(owners.shape[0], np.int64)
    for account in range(owners.shape[0]):
        if account + WORDS_AHEAD < owners.shape[0]:
            fetch(first, owners[account + WORDS_AHEAD] * first.itemsize)
        if account + ROWS_AHEAD < owners.shape[0]:
            row = np.int64(first[owners[account + ROWS_AHEAD]]) - 1
            fetch(following, row * following.itemsize)
            fetch(keys, row * keys.itemsize)
        link = first[owners[account]]
        while link != 0:
            counts[account] += 1
            link = following[link - 1]
    slots = np.empty(counts.sum(), np.int64)
    end = 0
    for account in range(owners.shape[0]):
        begin, link = end, first[owners[account]]
        while link != 0:
            slots[end] = link - 1
            end += 1
            link = following[link - 1]
        sort_by_key(slots, begin, end, keys)
    return counts, slots


class RowChains:
    """The lists of the rows of one table."""

    def __init__(self) -> None:
        self._first: Int32Array = np.zeros(_FIRST_SLOTS, dtype=np.int32)
        self._following: Int32Array = np.zeros(_FIRST_SLOTS, dtype=np.int32)
        self._before: Int32Array = np.zeros(_FIRST_SLOTS, dtype=np.int32)
        self._view()

    def _view(self) -> None:
        """Single cells are read and written by these: an array takes three times as long."""
        self._first_cells = self._first.data
        self._following_cells = self._following.data
        self._before_cells = self._before.data

    def __getstate__(self) -> dict[str, Int32Array]:
        """What a copy is made of: it looks at cells of its own."""
        return {"_first": self._first, "_following": self._following, "_before": self._before}

    def __setstate__(self, state: dict[str, Int32Array]) -> None:
        self.__dict__.update(state)
        self._view()

    def _make_room(self, owner: int, slot: int) -> None:
        if owner >= self._first.size:
            self._first = _widened(self._first, owner)
            self._view()
        if slot >= self._following.size:
            self._following, self._before = _widened(self._following, slot), _widened(self._before, slot)
            self._view()

    def link(self, owner: int, slot: int) -> None:
        """The row in this slot is of the account in that."""
        if owner >= self._first.size or slot >= self._following.size:
            self._make_room(owner, slot)
        first, behind = self._first_cells, self._first_cells[owner]
        self._following_cells[slot], self._before_cells[slot] = behind, 0
        if behind:
            self._before_cells[behind - 1] = slot + 1
        first[owner] = slot + 1

    def unlink(self, owner: int, slot: int) -> None:
        """It is not any more."""
        ahead, behind = self._before_cells[slot], self._following_cells[slot]
        if ahead:
            self._following_cells[ahead - 1] = behind
        else:
            self._first_cells[owner] = behind
        if behind:
            self._before_cells[behind - 1] = ahead

    def link_many(self, owners: Int64Array, slots: Int64Array) -> None:
        """`link` for equally long columns."""
        if slots.size:
            self._make_room(int(owners.max()), int(slots.max()))
            _link(self._first, self._following, self._before, owners, slots)

    def unlink_many(self, owners: Int64Array, slots: Int64Array) -> None:
        """`unlink` for equally long columns."""
        _unlink(self._first, self._following, self._before, owners, slots)

    def slots_of(self, owner: int) -> list[int]:
        """The account's rows, in no order."""
        if not 0 <= owner < self._first.size:
            return []
        found, following = [], self._following_cells
        link = self._first_cells[owner]
        while link:
            found.append(link - 1)
            link = following[link - 1]
        return found

    def columns(self, owners: int) -> Chains:
        """For kernels; there is a first link for so many accounts' slots."""
        self._make_room(owners - 1, 0)
        return Chains(self._first, self._following)


def _widened(links: Int32Array, slot: int) -> Int32Array:
    wider = zeros((max(slot + 1, 2 * links.size),), np.int32)
    wider[: links.size] = links
    return wider
