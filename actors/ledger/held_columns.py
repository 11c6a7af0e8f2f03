"""What filling resting orders at their limits would lose at the marks, summed by position and side (MT-02).

Orders come and go one by one, but only a new mark asks for all of them: columns are brought up to date then.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from actors.units import INT64_MAX

Int64Array = NDArray[np.int64]
_FIRST_CAPACITY = 1024


# A row: slot of the position, market, side, limit in ticks, lots that hold.
HeldOrder = tuple[int, int, int, int, int]
_POSITION, _MARKET, _SIDE, _LIMIT, _LOTS = range(5)


class HeldColumns:
    """The orders that hold something, by order number."""

    def __init__(self) -> None:
        self._data: Int64Array = np.zeros((_LOTS + 1, _FIRST_CAPACITY), dtype=np.int64)
        self._slots: dict[int, int] = {}
        self._free: list[int] = []
        self._made = 0

    def update(self, changed: Mapping[int, HeldOrder | None]) -> None:
        """These orders are so now; None holds nothing."""
        gone = [self._slots.pop(order) for order, row in changed.items() if row is None and order in self._slots]
        if gone:
            self._data[_LOTS, gone] = 0
            self._free.extend(gone)
        rows = [row for row in changed.values() if row is not None]
        if rows:
            slots = [self._slot(order) for order, row in changed.items() if row is not None]
            self._data[:, slots] = np.array(rows, dtype=np.int64).T

    def _slot(self, order: int) -> int:
        slot = self._slots.get(order)
        if slot is None:
            if self._free:
                slot = self._free.pop()
            else:
                slot, self._made = self._made, self._made + 1
                if slot == self._data.shape[1]:
                    self._data = np.concatenate([self._data, np.zeros_like(self._data)], axis=1)
            self._slots[order] = slot
        return slot

    def adverse_atoms(
        self, marks: Int64Array, quote_atoms_per_tick_lot: Int64Array, moved: NDArray[np.bool_], positions: int
    ) -> tuple[NDArray, NDArray]:
        """(of buys, of sells) by the position's slot, in the markets that moved; columns of markets by their number.

        int64 where even the sum of all fits, else Python integers.
        """
        position, market, side, limit, lots = self._data[:, : self._made]
        at = np.flatnonzero((side * (limit - marks[market]) > 0) & (lots > 0) & moved[market])
        position, side, lots = position[at], side[at], lots[at]
        gap = np.abs(limit[at] - marks[market[at]])
        k = quote_atoms_per_tick_lot[market[at]]
        exact = at.size > 0 and int(gap.max()) * int(lots.max()) * int(k.max()) * at.size > INT64_MAX
        amounts = gap.astype(object) * lots * k if exact else gap * lots * k
        buys, sells = (np.zeros(positions, dtype=amounts.dtype) for _ in range(2))
        np.add.at(buys, position[side > 0], amounts[side > 0])
        np.add.at(sells, position[side < 0], amounts[side < 0])
        return buys, sells
