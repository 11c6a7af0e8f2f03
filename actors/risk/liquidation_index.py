"""Who is liquidatable at a mark: the liquidation thresholds of isolated positions, side-split and behind a zone map.

A slot is a row of the position columns. A long triggers at mark <= threshold, a short at mark >= threshold, so an
empty slot is 0 among the longs and EMPTY_SHORT among the shorts and no price reaches either. Each zone of
ZONE_SLOTS slots remembers its extreme; a scan opens only the zones whose extreme the mark has passed.
"""

from collections.abc import Callable, Iterable
from operator import ge, le
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.units import LONG, PRICE_BOUND, SHORT

ZONE_SLOTS = 1_024
EMPTY_LONG = 0
EMPTY_SHORT = 1 << 62

Int64Array = NDArray[np.int64]

_NO_SLOTS: Int64Array = np.empty(0, dtype=np.int64)


class _Side:
    """One side's thresholds. `outermost` is the threshold that triggers first: the highest long, the lowest short."""

    def __init__(self, empty: int, outermost: np.ufunc, triggers: Callable[[Any, int], Any]) -> None:
        self.empty = empty
        self.thresholds: Int64Array = np.empty(0, dtype=np.int64)
        self._outermost = outermost
        self._triggers = triggers
        self._extremes: Int64Array = np.empty(0, dtype=np.int64)
        self._dirty: NDArray[np.bool_] = np.empty(0, dtype=np.bool_)
        self._is_any_dirty = False
        self._first = empty  # the extreme of all zones

    def grow(self, zones: int) -> None:
        added = zones - self._extremes.size
        self.thresholds = np.concatenate([self.thresholds, np.full(added * ZONE_SLOTS, self.empty, dtype=np.int64)])
        self._extremes = np.concatenate([self._extremes, np.full(added, self.empty, dtype=np.int64)])
        self._dirty = np.concatenate([self._dirty, np.zeros(added, dtype=np.bool_)])

    def put(self, slots: int | Int64Array, thresholds: int | Int64Array) -> None:
        self.thresholds[slots] = thresholds
        self._dirty[slots // ZONE_SLOTS] = True
        self._is_any_dirty = True

    def scan(self, mark_ticks: int) -> Int64Array:
        self._rebuild_dirty_zones()
        if not self._triggers(self._first, mark_ticks):
            return _NO_SLOTS
        zones = np.flatnonzero(self._triggers(self._extremes, mark_ticks))
        if 2 * zones.size > self._extremes.size:  # copying most zones costs more than reading them all
            return np.flatnonzero(self._triggers(self.thresholds, mark_ticks))
        rows, columns = np.nonzero(self._triggers(self._by_zone()[zones], mark_ticks))
        return zones[rows] * ZONE_SLOTS + columns

    def _rebuild_dirty_zones(self) -> None:
        if self._is_any_dirty:
            dirty = np.flatnonzero(self._dirty)
            self._extremes[dirty] = self._outermost.reduce(self._by_zone()[dirty], axis=1)
            self._dirty[dirty] = False
            self._first = int(self._outermost.reduce(self._extremes))
            self._is_any_dirty = False

    def _by_zone(self) -> Int64Array:
        return self.thresholds.reshape(-1, ZONE_SLOTS)


class LiquidationIndex:
    """Thresholds by slot, at most one side a slot. Grows by itself to any slot that is set."""

    def __init__(self, slots: int = 0) -> None:
        self._long = _Side(EMPTY_LONG, np.maximum, ge)
        self._short = _Side(EMPTY_SHORT, np.minimum, le)
        self.grow(slots)

    @property
    def capacity(self) -> int:
        """Slots there is room for without growing."""
        return self._long.thresholds.size

    def grow(self, slots: int) -> None:
        """Makes room for at least this many slots; growing doubles, so that slot by slot costs no more."""
        if slots > self.capacity:
            zones = -(-max(slots, 2 * self.capacity) // ZONE_SLOTS)
            self._long.grow(zones)
            self._short.grow(zones)

    def set(self, slot: int, side: int, threshold_ticks: int) -> None:
        """Puts a position's threshold in a slot, replacing whatever was there on either side."""
        assert slot >= 0, f"slot must not be negative, got {slot}"
        assert side in (LONG, SHORT), f"side must be {LONG} or {SHORT}, got {side}"
        self.grow(slot + 1)
        self._long.put(slot, threshold_ticks if side == LONG else EMPTY_LONG)
        self._short.put(slot, threshold_ticks if side == SHORT else EMPTY_SHORT)

    def set_many(
        self,
        slots: Iterable[int] | Int64Array,
        sides: Iterable[int] | Int64Array,
        thresholds: Iterable[int] | Int64Array,
    ) -> None:
        """`set` for equally long columns; a slot may be named once only."""
        at, side, threshold = _column(slots), _column(sides), _column(thresholds)
        assert at.size == side.size == threshold.size, f"columns of {at.size}, {side.size}, {threshold.size} rows"
        if at.size == 0:
            return
        assert int(at.min()) >= 0, "slots must not be negative"
        assert _all_different(at), "a slot is named twice"
        assert bool(np.all((side == LONG) | (side == SHORT))), f"sides must be {LONG} or {SHORT}"
        self.grow(int(at.max()) + 1)
        self._long.put(at, np.where(side == LONG, threshold, EMPTY_LONG))
        self._short.put(at, np.where(side == SHORT, threshold, EMPTY_SHORT))

    def clear(self, slot: int) -> None:
        """Empties a slot; one that was never set is empty already."""
        assert slot >= 0, f"slot must not be negative, got {slot}"
        if slot < self.capacity:
            self._long.put(slot, EMPTY_LONG)
            self._short.put(slot, EMPTY_SHORT)

    def clear_many(self, slots: Int64Array) -> None:
        """`clear` for a column of slots."""
        made = slots[slots < self.capacity]
        assert not made.size or int(made.min()) >= 0, "slots must not be negative"
        self._long.put(made, EMPTY_LONG)
        self._short.put(made, EMPTY_SHORT)

    def scan(self, mark_ticks: int) -> Int64Array:
        """Slots whose trigger this mark meets, inclusive, in ascending order."""
        assert 0 < mark_ticks < PRICE_BOUND, f"mark out of bounds: {mark_ticks}"
        if not self.capacity:
            return _NO_SLOTS
        longs, shorts = self._long.scan(mark_ticks), self._short.scan(mark_ticks)
        if not longs.size and not shorts.size:
            return _NO_SLOTS
        return np.sort(np.concatenate([longs, shorts]))


def _column(values: Iterable[int] | Int64Array) -> Int64Array:
    if isinstance(values, np.ndarray):
        assert values.dtype == np.int64, f"columns are int64, got {values.dtype}"
        return values
    return np.fromiter(values, dtype=np.int64)


def _all_different(slots: Int64Array) -> bool:
    """Cheap for ascending slots, which is how a whole column comes."""
    return bool(np.all(slots[1:] > slots[:-1])) or np.unique(slots).size == slots.size
