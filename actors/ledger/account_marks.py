"""Accounts marked for a later look: one by one or a column at once, asked for in ascending order."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Int64Array = NDArray[np.int64]

# Columns of marks are made one, without repetitions, when they are twice as long as after the last time.
_FIRST_BOUND = 1 << 16


class Marks(Protocol):
    """What a ledger tells of changes."""

    def add(self, account: int, /) -> None:
        """The account changed."""

    def add_many(self, accounts: Int64Array, /) -> None:
        """These did; one may be named more than once."""


class AccountMarks:
    """A set of accounts; whoever follows it is told which were marked since he last asked."""

    __slots__ = ("_bound", "_fresh", "_many", "_rows", "_single", "add")

    def __init__(self) -> None:
        self._single: set[int] = set()
        self._many: list[Int64Array] = []
        self._fresh: list[Int64Array] | None = None
        self._rows = 0
        self._bound = _FIRST_BOUND
        # The set's own, which is asked for with every single change.
        self.add: Callable[[int], None] = self._single.add

    def follow(self) -> None:
        """From here on `fresh` must be asked now and then."""
        self._fresh = []

    def fresh(self) -> Int64Array:
        """Whoever was marked since this was asked last, ascending; marks stay, and one that went is told too."""
        assert self._fresh is not None, "nobody follows these marks"
        self._list_single()
        fresh = ascending(np.concatenate([np.empty(0, dtype=np.int64), *self._fresh]))
        self._fresh.clear()
        return fresh

    def add_many(self, accounts: Int64Array) -> None:
        """Marks these accounts; one may be named more than once."""
        if accounts.size:
            self._list(accounts.astype(np.int64))
            if self._rows > self._bound:
                self._bound = max(_FIRST_BOUND, 2 * self._joined().size)

    def _list(self, accounts: Int64Array) -> None:
        self._many.append(accounts)
        self._rows += accounts.size
        if self._fresh is not None:
            self._fresh.append(accounts)

    def _list_single(self) -> None:
        if self._single:
            self._list(np.fromiter(self._single, dtype=np.int64, count=len(self._single)))
            self._single.clear()

    def _joined(self) -> Int64Array:
        """All that are marked, ascending; one column from here on."""
        self._list_single()
        if self._rows or not self._many:
            self._many = [ascending(np.concatenate([np.empty(0, dtype=np.int64), *self._many]))]
        # A column that is known to be ascending counts no rows.
        self._rows = 0
        return self._many[0]

    def take(self) -> Int64Array:
        """All that are marked, ascending; nobody is marked after it."""
        marked = self._joined()
        self.clear()
        return marked

    def clear(self) -> None:
        """Nobody is marked."""
        self._list_single()
        self._many.clear()
        self._rows = 0

    def discard(self, account: int) -> None:
        """The account is not marked."""
        self.discard_many(np.array([account], dtype=np.int64))

    def discard_many(self, accounts: Int64Array) -> None:
        """These are not marked."""
        self._many = [np.setdiff1d(self._joined(), accounts)]

    def __contains__(self, account: int) -> bool:
        if account in self._single:
            return True
        marked = self._joined()
        place = int(np.searchsorted(marked, account))
        return place < marked.size and int(marked[place]) == account

    def __iter__(self) -> Iterator[int]:
        return iter(self._joined().tolist())

    def __len__(self) -> int:
        return self._joined().size


def ascending(accounts: Int64Array) -> Int64Array:
    """Each account once. Sorting beats `np.unique`, which looks every account up in a table."""
    ordered = np.sort(accounts)
    is_first = np.ones(ordered.size, dtype=np.bool_)
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    return ordered[is_first]


class MarksOf(NamedTuple):
    """Marks in whatever way these two do it."""

    add: Callable[[int], None]
    add_many: Callable[[Int64Array], None]
