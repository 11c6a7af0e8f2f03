"""Which accounts with resting orders fail margin, without asking everybody: zones of 1,024 accounts that a small
enough move of marks cannot break.

As `slack_zones` for maintenance: an account that passes survives a relative move of marks that its orders and positions
bound, the least of a zone spans a range around each mark, and while every mark stays in it only accounts that changed
are looked at. Who fails, or has reduce-only orders, is looked at in every scan; who passes by little at every new mark.
What is found does not depend on any of this.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.ledger.account_marks import ascending
from actors.units import PPM

Int64Array = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ZONE_BITS: Final = 10
# Who survives less is looked at by himself at every new mark, so that he does not keep his zone narrow.
_NEAR_PPM: Final = 1_000
_NOBODY: Final[Int64Array] = np.empty(0, dtype=np.int64)
# What a look finds: no order rests; margin passes, fails, or leaves 64 bits.
NO_ORDERS, PASSES, FAILS, UNSURE = range(4)


class Looked(NamedTuple):
    """Of each account: what its margin says, whether a reduce-only order rests, the relative move of all marks (ppm,
    up to PPM) under which it goes on to pass.
    """

    verdicts: NDArray[np.int8]
    reducing: BoolArray
    moves_ppm: Int64Array


class Found(NamedTuple):
    """Slots of accounts with orders that fail, of those too near to 64 bits to say, and of those with reduce-only ones.

    A slot may be among the last as well as among the others.
    """

    failing: Int64Array
    unsure: Int64Array
    reducing: Int64Array


class MarginZones:
    """The ranges of marks of one book, and the accounts that must be looked at by themselves."""

    def __init__(self) -> None:
        self._watched: Int64Array = np.empty(0, dtype=np.int64)
        self._near: Int64Array = np.empty(0, dtype=np.int64)
        self._lowest: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._highest: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._rules: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._marks: Int64Array = np.empty(0, dtype=np.int64)
        self.looked_at = 0

    def forget(self) -> None:
        """What changed was not told: the next scan looks at everybody."""
        self._rules = np.empty((0, 0), dtype=np.int64)

    def scan(
        self,
        changed: Int64Array,
        accounts: int,
        marks: Int64Array,
        rules: Int64Array,
        look: Callable[[Int64Array], Looked],
    ) -> Found:
        """Whoever fails, or has reduce-only orders resting, of so many slots of accounts.

        changed: slots of accounts that are not as they were. marks by market; rules: whatever else decides. `looked_at`
        is how many accounts were.
        """
        stale = self._stale_zones(accounts, marks, rules)
        moved = not np.array_equal(marks, self._marks)
        self._marks = marks
        slots = ascending(np.concatenate([changed, self._watched, *([self._near] if moved else [])]))
        if stale.any():
            slots = np.concatenate([slots[~stale[slots >> ZONE_BITS]], _members(stale, accounts)])
            self._lowest[stale], self._highest[stale] = 0, 2 * marks
        self.looked_at = slots.size
        if not slots.size:
            return Found(_NOBODY, _NOBODY, _NOBODY)
        verdicts, reducing, moves_ppm = look(slots)
        passes = (verdicts == PASSES) & ~reducing
        near = passes & (moves_ppm < _NEAR_PPM)
        _narrow(slots, passes & ~near, moves_ppm, marks, self._lowest, self._highest)
        kept = self._near[:0] if moved else self._near[~stale[self._near >> ZONE_BITS]]
        kept = np.setdiff1d(kept, slots, assume_unique=True) if kept.size else kept
        self._near = np.concatenate([kept, slots[near]])
        fails, unsure = verdicts == FAILS, verdicts == UNSURE
        self._watched = slots[reducing | fails | unsure]
        return Found(slots[fails], slots[unsure], slots[reducing])

    def _stale_zones(self, accounts: int, marks: Int64Array, rules: Int64Array) -> BoolArray:
        """Zones whose ranges some mark has left; all of them where more changed than marks."""
        zones = -(-accounts >> ZONE_BITS)
        if rules is not self._rules and not np.array_equal(rules, self._rules):
            self._rules = rules
            self._lowest = np.ones((zones, marks.size), dtype=np.int64)
            self._highest = np.zeros((zones, marks.size), dtype=np.int64)
        elif zones > self._lowest.shape[0]:
            added = (zones - self._lowest.shape[0], marks.size)
            self._lowest = np.concatenate([self._lowest, np.ones(added, dtype=np.int64)])
            self._highest = np.concatenate([self._highest, np.zeros(added, dtype=np.int64)])
        return np.any((marks < self._lowest) | (marks > self._highest), axis=1)


def _members(zones: BoolArray, accounts: int) -> Int64Array:
    """The slots of accounts in these zones."""
    slots = (np.flatnonzero(zones)[:, None] << ZONE_BITS) + np.arange(1 << ZONE_BITS)
    return slots[slots < accounts]


@njit(cache=True)
def _narrow(
    slots: np.ndarray,
    passes: np.ndarray,
    moves_ppm: np.ndarray,
    marks: np.ndarray,
    lowest: np.ndarray,
    highest: np.ndarray,
) -> None:
    """The zones of accounts that pass reach as far as each of them survives, in whole ticks."""
    for place in range(slots.size):
        if passes[place]:
            zone = slots[place] >> ZONE_BITS
            for market in range(marks.size):
                width = moves_ppm[place] * marks[market] // PPM
                lowest[zone, market] = max(lowest[zone, market], marks[market] - width)
                highest[zone, market] = min(highest[zone, market], marks[market] + width)
