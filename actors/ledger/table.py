"""A table of int64 columns under integer keys, with an undo log for what is only staged.

Fusing phases into one call is speculation: when a shard elsewhere reports a rung, what was paid out and admitted must
be undone. While a `StagingLog` is open every change notes its inverse; `roll_back` runs them last to first.
Slots are reused; their order never shows outside.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.columns import BUCKETS
from actors.ledger.key_index import Int64Array, KeyIndex
from actors.pages import zeros

# Of every bucket whether its rows are taken.
Owned = NDArray[np.bool_]

_FIRST_CAPACITY = 1024


class StagingLog:
    """Inverses of the changes made since `open`; shared by all tables of a shard."""

    def __init__(self) -> None:
        self._inverses: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
        self._noted: list[set[int]] = []
        self.is_open = False

    def open(self) -> None:
        """From here on changes are staged."""
        assert not self.is_open, "staging is open already"
        self.is_open = True
        for keys in self._noted:
            keys.clear()

    def noted(self) -> set[int]:
        """A set for what needs its inverse noted once only; empty whenever staging begins."""
        self._noted.append(set())
        return self._noted[-1]

    def note(self, inverse: Callable[..., Any], *arguments: Any) -> None:
        """Remembers how to undo a change that is about to be made."""
        if self.is_open:
            self._inverses.append((inverse, arguments))

    def keep(self) -> None:
        """What was staged stands."""
        self._inverses.clear()
        self.is_open = False

    def roll_back(self) -> None:
        """Undoes everything staged."""
        self.is_open = False
        for inverse, arguments in reversed(self._inverses):
            inverse(*arguments)
        self._inverses.clear()


class Table:
    """Rows under integer keys; every cell an int64. Only Python ints leave it, but for whole columns.

    In memory a row's cells lie side by side.
    """

    def __init__(self, columns: Sequence[str], log: StagingLog) -> None:
        self.columns = tuple(columns)
        self._log = log
        self._width = len(self.columns)
        self._place = {name: index for index, name in enumerate(self.columns)}
        self._index = KeyIndex()
        self._hold(zeros((_FIRST_CAPACITY, self._width)))

    def _hold(self, data: Int64Array) -> None:
        self._data = data
        # Single cells are read and written by this: an array takes three times as long.
        self._cells = data.reshape(-1).data

    def __getstate__(self) -> dict[str, Any]:
        """What a copy is made of: it looks at cells of its own."""
        return {name: value for name, value in self.__dict__.items() if name != "_cells"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._hold(self._data)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, key: int) -> bool:
        return self._index.find(key) >= 0

    def keys(self) -> list[int]:
        """All keys, ascending."""
        keys: list[int] = self._index.listed()[0].tolist()
        return keys

    def slot(self, key: int) -> int:
        """Where the row of the key is."""
        slot = self._index.find(key)
        if slot < 0:
            raise KeyError(key)
        return slot

    def find_slot(self, key: int) -> int:
        """Where the row of the key is, -1 where there is none."""
        return self._index.find(key)

    def key_at(self, slot: int) -> int:
        """Whose row a slot in use holds."""
        return self._index.key_at(slot)

    def column(self, name: str) -> Int64Array:
        """The column over all slots, free ones included; a view that a later insert may leave behind."""
        return self._data[:, self._place[name]]

    @property
    def slots_made(self) -> int:
        """How many slots were ever in use; `column` is free beyond them."""
        return self._index.slots_made

    @property
    def index(self) -> KeyIndex:
        """Where rows are, for kernels."""
        return self._index

    def slots(self) -> Int64Array:
        """The slots in use, by key."""
        return self._index.listed()[1]

    def insert(self, key: int, *values: int) -> int:
        """Adds a row and returns its slot; the key must be new, the values one a column."""
        slot = self._take_slot(key)
        self._data[slot] = values
        self._log.note(self._discard, key)
        return slot

    def _take_slot(self, key: int) -> int:
        slot = self._index.add(key)
        if slot >= self._data.shape[0]:
            self._make_room()
        return slot

    def _make_room(self) -> None:
        rows = self._data.shape[0]
        if self.slots_made > rows:
            data = zeros((max(self.slots_made, 2 * rows), self._width))
            data[:rows] = self._data
            self._hold(data)

    def slots_of(self, keys: Int64Array) -> Int64Array:
        """Where the rows of these keys are, -1 where there is none."""
        return self._index.find_many(keys)

    def insert_bulk(self, keys: Int64Array, cells: Int64Array) -> Int64Array:
        """Adds rows with new keys, a row of `cells` a column, and returns their slots."""
        slots = self._index.add_many(keys)
        self._make_room()
        self._data[slots] = cells.T
        self._log.note(self._discard_bulk, keys)
        return slots

    def remove_bulk(self, keys: Int64Array) -> None:
        """Takes rows out."""
        if self._log.is_open:
            self._log.note(self.insert_bulk, keys, self.whole()[:, self.slots_of(keys)])
        self._discard_bulk(keys)

    def _discard_bulk(self, keys: Int64Array) -> None:
        self._index.discard_many(keys)

    def whole(self) -> Int64Array:
        """All columns over all slots, to be read and written at once; what is staged must be kept for undo first."""
        return self._data.T

    def keep_for_undo(self, slots: Int64Array) -> None:
        """While staging, these rows come back as they are now; each slot is named once."""
        if self._log.is_open:
            self._log.note(self._put_rows, self._index.keys_at(slots), self.whole()[:, slots])

    def _put_rows(self, keys: Int64Array, cells: Int64Array) -> None:
        self.whole()[:, self.slots_of(keys)] = cells

    def remove(self, key: int) -> tuple[int, ...]:
        """Takes a row out and returns its values."""
        values = self.row(key)
        self._log.note(self.insert, key, *values)
        self._discard(key)
        return values

    def _discard(self, key: int) -> None:
        self._index.discard(key)

    def row(self, key: int) -> tuple[int, ...]:
        """The values of a row, one a column."""
        return tuple(self._data[self.slot(key)].tolist())

    def get(self, key: int, name: str) -> int:
        """One cell."""
        return self._cells[self.slot(key) * self._width + self._place[name]]

    def put(self, key: int, name: str, value: int) -> None:
        """Overwrites one cell."""
        place = self._place[name]
        cell = self.slot(key) * self._width + place
        if self._log.is_open:
            self._log.note(self._put_raw, key, place, self._cells[cell])
        self._cells[cell] = value

    def _put_raw(self, key: int, place: int, value: int) -> None:
        self._cells[self.slot(key) * self._width + place] = value

    def put_row(self, key: int, values: Sequence[int]) -> None:
        """Overwrites a whole row, one value a column."""
        slot = self.slot(key)
        self._log.note(self._put_row_raw, key, self._data[slot].copy())
        self._data[slot] = values

    def _put_row_raw(self, key: int, values: Int64Array) -> None:
        self._data[self.slot(key)] = values

    def add(self, key: int, name: str, delta: int) -> int:
        """Adds to one cell and returns the new value."""
        place = self._place[name]
        cell = self.slot(key) * self._width + place
        before = self._cells[cell]
        if self._log.is_open:
            self._log.note(self._put_raw, key, place, before)
        self._cells[cell] = before + delta
        return before + delta

    def dumped_bytes(self, columns: int | None = None) -> int:
        """How long `dump` is."""
        return 8 * len(self) * (1 + (self._width if columns is None else columns))

    def dump(self, columns: int | None = None) -> bytes:
        """Keys and the first `columns` columns (None: all) as one little-endian matrix, rows by key.

        Canonical, whatever the slots.
        """
        keys, slots = self._index.listed()
        return np.vstack([keys, self._data[slots, :columns].T]).astype("<i8", copy=False).tobytes()


def owned_rows(dumped: bytes, columns: int, owned: Owned) -> tuple[np.ndarray, np.ndarray]:
    """(keys, cells by column) of the rows of a dump whose first column, the account, is of an owned bucket."""
    matrix = np.frombuffer(dumped, dtype="<i8").reshape(columns + 1, -1)
    if not owned.all():
        matrix = matrix[:, owned[matrix[1] % BUCKETS]]
    return matrix[0], matrix[1:]


def dumped_rows(dumped: bytes, columns: int, owned: Owned) -> Iterable[tuple[int, list[int]]]:
    """(key, values) of the same rows, one by one."""
    keys, cells = owned_rows(dumped, columns, owned)
    return zip(keys.tolist(), cells.T.tolist(), strict=True)
