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
    """A set of accounts."""

    __slots__ = ("_bound", "_many", "_rows", "_single", "add")

    def __init__(self) -> None:
        self._single: set[int] = set()
        self._many: list[Int64Array] = []
        self._rows = 0
        self._bound = _FIRST_BOUND
        # The set's own, which is asked for with every single change.
        self.add: Callable[[int], None] = self._single.add

    def add_many(self, accounts: Int64Array) -> None:
        """Marks these accounts; one may be named more than once."""
        if not accounts.size:
            return
        self._many.append(accounts.astype(np.int64))
        self._rows += accounts.size
        if self._rows > self._bound:
            self._bound = max(_FIRST_BOUND, 2 * self._joined().size)

    def _joined(self) -> Int64Array:
        """All that are marked, ascending; one column from here on."""
        if self._single or len(self._many) != 1:
            single = np.fromiter(self._single, dtype=np.int64, count=len(self._single))
            self._many = [ascending(np.concatenate([single, *self._many]))]
            self._single.clear()
        elif self._rows:
            self._many = [ascending(self._many[0])]
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
        self._single.clear()
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
