"""A table whose rows are worked on as lists and reach the columns when somebody reads a column.

A block touches few rows of many, each of them often, cell by cell; a cell of an array costs ten times that of a list.
So a row is taken out of the columns at the first question and written back with all others that changed, in one go.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from actors.ledger.key_index import Int64Array
from actors.ledger.table import StagingLog, Table

# So many rows stay lists; then all of them are columns alone again.
_HOT_ROWS = 1 << 12


class HotTable(Table):
    """Like `Table`; a free slot is zero but for its first `named` columns. `put_column` alone writes columns."""

    def __init__(self, columns: Sequence[str], log: StagingLog, named: int) -> None:
        super().__init__(columns, log)
        self._named = named
        self._hot: dict[int, list[int]] = {}
        self._changed: set[int] = set()
        self._noted = log.noted()

    def cells(self, key: int) -> list[int]:
        """The row to be read, in column order; a later change shows in it."""
        row = self._hot.get(key)
        if row is None:
            row = self._hot[key] = self._data[self.slot(key)].tolist()
        return row

    def __contains__(self, key: int) -> bool:
        return key in self._hot or self._index.find(key) >= 0

    def changing(self, key: int) -> list[int]:
        """The row to be written to; while staging it comes back as it was before."""
        row = self.cells(key)
        if self._log.is_open and key not in self._noted:
            self._noted.add(key)
            self._log.note(self._set_row, key, row.copy())
        self._changed.add(key)
        return row

    def column(self, name: str) -> Int64Array:
        """The column over all slots as it stands, to be read at once."""
        self._write_back()
        return super().column(name)

    def whole(self) -> Int64Array:
        """See `Table`; no row is hot after it."""
        self._write_back()
        self._hot.clear()
        return super().whole()

    def ensure_bulk(self, keys: Int64Array) -> tuple[Int64Array, NDArray[np.bool_]]:
        """The slot of each key, which may repeat, and who was given a new one: that is free but for its named cells."""
        slots, is_new = self._index.ensure_many(keys)
        self._make_room()
        self._log.note(self._discard_bulk, keys[is_new])
        return slots, is_new

    def put_column(self, name: str, slots: Int64Array, values: Int64Array) -> None:
        """Overwrites a cell of each of these slots; never while staging."""
        assert not self._log.is_open, "columns are not staged"
        self._write_back()
        self._data[slots, self._place[name]] = values
        for key in self._index.keys_at(slots).tolist():
            self._hot.pop(key, None)

    def insert(self, key: int, *values: int) -> int:
        """See `Table`."""
        slot = self._take_slot(key)
        self._set_row(key, values)
        if self._log.is_open:
            self._noted.add(key)
            self._log.note(self._discard, key)
        return slot

    def _discard(self, key: int) -> None:
        self._hot.pop(key, None)
        self._changed.discard(key)
        self._data[self._index.discard(key), self._named :] = 0

    def _discard_bulk(self, keys: Int64Array) -> None:
        self.whole()
        self._data[self._index.discard_many(keys), self._named :] = 0

    def row(self, key: int) -> tuple[int, ...]:
        """See `Table`."""
        return tuple(self.cells(key))

    def get(self, key: int, name: str) -> int:
        """See `Table`."""
        return self.cells(key)[self._place[name]]

    def put(self, key: int, name: str, value: int) -> None:
        """See `Table`."""
        self.changing(key)[self._place[name]] = value

    def add(self, key: int, name: str, delta: int) -> int:
        """See `Table`."""
        row, place = self.changing(key), self._place[name]
        row[place] += delta
        return row[place]

    def put_row(self, key: int, values: Sequence[int]) -> None:
        """See `Table`."""
        self.changing(key)[:] = values

    def _set_row(self, key: int, values: Sequence[int]) -> None:
        self._hot[key] = list(values)
        self._changed.add(key)

    def dump(self, columns: int | None = None) -> bytes:
        """See `Table`."""
        self._write_back()
        return super().dump(columns)

    def _write_back(self) -> None:
        if self._changed:
            keys = np.fromiter(self._changed, dtype=np.int64, count=len(self._changed))
            self._data[self.slots_of(keys)] = np.array([self._hot[key] for key in self._changed], dtype=np.int64)
            self._changed.clear()
        if len(self._hot) > _HOT_ROWS:
            self._hot.clear()
