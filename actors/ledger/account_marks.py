"""Accounts marked for a later look: one by one or a column at once, asked for in ascending order."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros
from numpy.typing import NDArray

from actors.compiling import kernel

Int64Array = NDArray[np.int64]

_FIRST_WORDS = 64
_WORD_BITS: Final = 64
_WORD_SHIFT: Final = 6


class Marks(Protocol):
    """What a ledger tells of changes."""

    def add(self, account: int, /) -> None:
        """The account changed."""

    def add_many(self, accounts: Int64Array, /) -> None:
        """These did; one may be named more than once."""


class AccountMarks:
    """A set of accounts, a bit each: venues number them densely. Whoever follows it is told of new ones."""

    __slots__ = ("_fresh", "_marked", "_single", "add")

    def __init__(self) -> None:
        self._single: set[int] = set()
        self._marked: Int64Array = np.zeros(_FIRST_WORDS, dtype=np.int64)
        self._fresh: Int64Array | None = None
        # The set's own, which is asked for with every single change.
        self.add: Callable[[int], None] = self._single.add

    def follow(self) -> None:
        """From here on `fresh` tells."""
        self._fresh = np.zeros_like(self._marked)

    def fresh(self) -> Int64Array:
        """Whoever was marked since this was asked last, ascending; marks stay, and one that went is told too."""
        assert self._fresh is not None, "nobody follows these marks"
        self._join()
        fresh = _listed(self._fresh)
        self._fresh[:] = 0
        return fresh

    def add_many(self, accounts: Int64Array) -> None:
        """Marks these accounts; one may be named more than once."""
        if not accounts.size:
            return
        words = (int(accounts.max()) >> _WORD_SHIFT) + 1
        if words > self._marked.size:
            self._marked = _widened(self._marked, words)
            if self._fresh is not None:
                self._fresh = _widened(self._fresh, words)
        _set_bits(self._marked, accounts)
        if self._fresh is not None:
            _set_bits(self._fresh, accounts)

    def _join(self) -> Int64Array:
        """Those that were marked one by one join the others."""
        if self._single:
            single = np.fromiter(self._single, dtype=np.int64, count=len(self._single))
            self._single.clear()
            self.add_many(single)
        return self._marked

    def take(self) -> Int64Array:
        """All that are marked, ascending; nobody is marked after it."""
        marked = _listed(self._join())
        self._marked[:] = 0
        return marked

    def clear(self) -> None:
        """Nobody is marked."""
        self._join()[:] = 0

    def discard_many(self, accounts: Int64Array) -> None:
        """These are not marked."""
        _clear_bits(self._join(), accounts)

    def __contains__(self, account: int) -> bool:
        marked = self._join()
        word = account >> _WORD_SHIFT
        return 0 <= word < marked.size and bool(int(marked[word]) >> account % _WORD_BITS & 1)

    def __iter__(self) -> Iterator[int]:
        return iter(_listed(self._join()).tolist())

    def __len__(self) -> int:
        return _listed(self._join()).size


def _widened(bits: Int64Array, words: int) -> Int64Array:
    wider = np.zeros(max(words, 2 * bits.size), dtype=np.int64)
    wider[: bits.size] = bits
    return wider


@kernel
def _set_bits(bits: np.ndarray, accounts: np.ndarray) -> None:
    for place in range(accounts.size):
        account = accounts[place]
        bits[account >> _WORD_SHIFT] |= np.int64(1) << (account % _WORD_BITS)


@kernel
def _clear_bits(bits: np.ndarray, accounts: np.ndarray) -> None:
    for place in range(accounts.size):
        account = accounts[place]
        if account >> _WORD_SHIFT < bits.size:
            bits[account >> _WORD_SHIFT] &= ~(np.int64(1) << (account % _WORD_BITS))


@njit(cache=True)
def _listed(bits: np.ndarray) -> np.ndarray:
    """The accounts whose bits are set, ascending."""
    count = 0
    for place in range(bits.size):
        left = bits[place]
        while left != 0:
            left &= left - 1
            count += 1
    accounts = np.empty(count, np.int64)
    at = 0
    for place in range(bits.size):
        left = bits[place]
        while left != 0:
            accounts[at] = place * _WORD_BITS + np.int64(trailing_zeros(left))
            left &= left - 1
            at += 1
    return accounts


def ascending(accounts: Int64Array) -> Int64Array:
    """Each account once. Sorting beats `np.unique`, which looks every account up in a table."""
    if accounts.size < 2:
        return accounts
    ordered = np.sort(accounts)
    is_first = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]


class MarksOf(NamedTuple):
    """Marks in whatever way these two do it."""

    add: Callable[[int], None]
    add_many: Callable[[Int64Array], None]
