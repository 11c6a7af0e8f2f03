"""Which accounts of which venue a key is bound to, kept as ranges: a key that opened a million holds one pair."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

import numpy as np

EVERY: Final = "*"


class AccountBindings:
    """Accounts by venue, or every account there is."""

    def __init__(self, every: bool = False) -> None:
        """`every` binds to all accounts of all venues, those to come included."""
        self.every = every
        self._ranges: dict[int, list[tuple[int, int]]] = {}

    @classmethod
    def from_json(cls, value: Any) -> AccountBindings:
        """Reads "*" or {"1": [3, [10, 20]]}: accounts and ranges (both ends included) by venue."""
        bindings = cls(every=value == EVERY)
        if not bindings.every:
            for venue, entries in value.items():
                for entry in entries:
                    first, last = (entry, entry) if isinstance(entry, int) else entry
                    bindings.add(int(venue), first, last)
        return bindings

    def to_json(self) -> Any:
        """What `from_json` reads."""
        if self.every:
            return EVERY
        return {
            str(venue): [first if first == last else [first, last] for first, last in ranges]
            for venue, ranges in sorted(self._ranges.items())
        }

    def add(self, venue: int, first: int, last: int) -> bool:
        """Binds the accounts from first to last; False when all of them were bound before."""
        if self.every or self._covers_range(venue, first, last):
            return False
        merged: list[tuple[int, int]] = []
        for low, high in sorted([*self._ranges.get(venue, []), (first, last)]):
            if merged and low <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
            else:
                merged.append((low, high))
        self._ranges[venue] = merged
        return True

    def covers(self, venue: int, account: int) -> bool:
        """Whether the key is bound to the account."""
        return self.every or self._covers_range(venue, account, account)

    def covers_all(self, venue: int, accounts: np.ndarray) -> bool:
        """Whether the key is bound to every account of a column."""
        if self.every or len(accounts) == 0:
            return True
        ranges = self._ranges.get(venue)
        if not ranges:
            return False
        firsts, lasts = np.array(ranges, dtype=np.int64).T
        at = np.searchsorted(firsts, accounts, side="right") - 1
        return bool(np.all((at >= 0) & (accounts <= lasts[at])))

    def _covers_range(self, venue: int, first: int, last: int) -> bool:
        ranges = self._ranges.get(venue, [])
        at = bisect_right(ranges, first, key=lambda pair: pair[0]) - 1
        return at >= 0 and last <= ranges[at][1]
