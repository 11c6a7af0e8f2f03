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
    """Rows under integer keys; every cell an int64. Only Python ints leave it."""

    def __init__(self, columns: Sequence[str], log: StagingLog) -> None:
        self.columns = tuple(columns)
        self._log = log
        self._data = np.zeros((len(self.columns), _FIRST_CAPACITY), dtype=np.int64)
        self._place = {name: index for index, name in enumerate(self.columns)}
        self._slots: dict[int, int] = {}
        self._keys: list[int] = []
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: int) -> bool:
        return key in self._slots

    def keys(self) -> list[int]:
        """All keys, ascending."""
        return sorted(self._slots)

    def slot(self, key: int) -> int:
        """Where the row of the key is."""
        return self._slots[key]

    def key_at(self, slot: int) -> int:
        """Whose row a slot in use holds."""
        return self._keys[slot]

    def column(self, name: str) -> np.ndarray:
        """The column over all slots, free ones included; a view that a later insert may leave behind."""
        return self._data[self._place[name]]

    @property
    def slots_made(self) -> int:
        """How many slots were ever in use; `column` is free beyond them."""
        return len(self._keys)

    def slots(self) -> np.ndarray:
        """The slots in use, by key."""
        return np.array([self._slots[key] for key in sorted(self._slots)], dtype=np.int64)

    def insert(self, key: int, *values: int) -> int:
        """Adds a row and returns its slot; the key must be new, the values one a column."""
        slot = self._take_slot(key)
        self._data[:, slot] = values
        self._log.note(self._discard, key)
        return slot

    def _take_slot(self, key: int) -> int:
        assert key not in self._slots, f"row {key} exists"
        if self._free:
            slot = self._free.pop()
            self._keys[slot] = key
        else:
            slot = len(self._keys)
            self._keys.append(key)
            if slot == self._data.shape[1]:
                self._data = np.concatenate([self._data, np.zeros_like(self._data)], axis=1)
        self._slots[key] = slot
        return slot

    def insert_many(self, keys: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Adds rows with new keys, a row of `cells` a column, and returns their slots; never while staging."""
        assert not self._log.is_open, "many rows are not staged"
        first, rows = len(self._keys), len(self._slots)
        end = first + keys.size
        while self._data.shape[1] < end:
            self._data = np.concatenate([self._data, np.zeros_like(self._data)], axis=1)
        self._data[:, first:end] = cells
        listed = keys.tolist()
        self._keys.extend(listed)
        self._slots.update(zip(listed, range(first, end), strict=True))
        assert len(self._slots) == rows + keys.size, "a row exists already"
        return np.arange(first, end)

    def slots_of(self, keys: np.ndarray) -> np.ndarray:
        """Where the rows of these keys are, -1 where there is none."""
        find = self._slots.get
        return np.array([find(key, -1) for key in keys.tolist()], dtype=np.int64)

    def insert_bulk(self, keys: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Adds rows with new keys, a row of `cells` a column, and returns their slots."""
        taken = [self._take_slot(key) for key in keys.tolist()]
        slots = np.array(taken, dtype=np.int64)
        self._data[:, slots] = cells
        self._log.note(self._discard_bulk, keys)
        return slots

    def remove_bulk(self, keys: np.ndarray) -> None:
        """Takes rows out."""
        if self._log.is_open:
            self._log.note(self.insert_bulk, keys, self.whole()[:, self.slots_of(keys)])
        self._discard_bulk(keys)

    def _discard_bulk(self, keys: np.ndarray) -> None:
        for key in keys.tolist():
            self._discard(key)

    def whole(self) -> np.ndarray:
        """All columns over all slots, to be read and written at once; what is staged must be kept for undo first."""
        return self._data

    def keep_for_undo(self, slots: np.ndarray) -> None:
        """While staging, these rows come back as they are now; each slot is named once."""
        if self._log.is_open:
            keys = np.array([self._keys[slot] for slot in slots.tolist()], dtype=np.int64)
            self._log.note(self._put_rows, keys, self.whole()[:, slots])

    def _put_rows(self, keys: np.ndarray, cells: np.ndarray) -> None:
        self.whole()[:, self.slots_of(keys)] = cells

    def remove(self, key: int) -> tuple[int, ...]:
        """Takes a row out and returns its values."""
        values = self.row(key)
        self._log.note(self.insert, key, *values)
        self._discard(key)
        return values

    def _discard(self, key: int) -> None:
        self._free.append(self._slots.pop(key))

    def row(self, key: int) -> tuple[int, ...]:
        """The values of a row, one a column."""
        return tuple(self._data[:, self._slots[key]].tolist())

    def get(self, key: int, name: str) -> int:
        """One cell."""
        return int(self._data[self._place[name], self._slots[key]])

    def put(self, key: int, name: str, value: int) -> None:
        """Overwrites one cell."""
        cell = (self._place[name], self._slots[key])
        if self._log.is_open:
            self._log.note(self._put_raw, key, cell[0], int(self._data[cell]))
        self._data[cell] = value

    def _put_raw(self, key: int, place: int, value: int) -> None:
        self._data[place, self._slots[key]] = value

    def put_row(self, key: int, values: Sequence[int]) -> None:
        """Overwrites a whole row, one value a column."""
        slot = self._slots[key]
        self._log.note(self._put_row_raw, key, self._data[:, slot].copy())
        self._data[:, slot] = values

    def _put_row_raw(self, key: int, values: np.ndarray) -> None:
        self._data[:, self._slots[key]] = values

    def add(self, key: int, name: str, delta: int) -> int:
        """Adds to one cell and returns the new value."""
        value = self.get(key, name) + delta
        self.put(key, name, value)
        return value

    def dumped_bytes(self, columns: int | None = None) -> int:
        """How long `dump` is."""
        return 8 * len(self) * (1 + (len(self.columns) if columns is None else columns))

    def dump(self, columns: int | None = None) -> bytes:
        """Keys and the first `columns` columns (None: all) as one little-endian matrix, rows by key.

        Canonical, whatever the slots.
        """
        cells = self._data[:columns, self.slots()].astype("<i8")
        matrix = np.vstack([np.array(self.keys(), dtype="<i8"), cells])
        return matrix.tobytes()


class Owners:
    """Which rows an account has."""

    def __init__(self) -> None:
        self._keys: dict[int, set[int]] = {}

    def add(self, account: int, key: int) -> None:
        """The row belongs to the account."""
        keys = self._keys.get(account)
        if keys is None:
            self._keys[account] = {key}
        else:
            keys.add(key)

    def add_many(self, accounts: np.ndarray, keys: np.ndarray) -> None:
        """`add` for equally long columns."""
        keys_of = self._keys
        for account, key in zip(accounts.tolist(), keys.tolist(), strict=True):
            if account in keys_of:
                keys_of[account].add(key)
            else:
                keys_of[account] = {key}

    def discard(self, account: int, key: int) -> None:
        """The row is gone."""
        keys = self._keys[account]
        keys.discard(key)
        if not keys:
            del self._keys[account]

    def of(self, account: int) -> list[int]:
        """Its rows, ascending."""
        return sorted(self._keys.get(account, ()))

    def count(self, account: int) -> int:
        """How many rows it has."""
        return len(self._keys.get(account, ()))


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
