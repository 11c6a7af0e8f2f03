"""Events on their way to their numbers: columns of keys and sizes beside bodies strung together (`PendingEvents`)."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from actors.column_bytes import columns_bytes, columns_parts, cut_fields, field_bytes, field_parts, read_columns
from actors.columns import Rows
from actors.kernels_loaded import has_kernels
from breakwater.v1 import batches_pb2 as batches

# (phase, a, b, c), then the size.
KEYS = 4
COLUMNS = KEYS + 1
# So many are put in their places as well without kernels.
_FEW_EVENTS = 4
# Up to so many a list a column costs less than an array.
_READ_AS_LISTS = 16
_BODIES = frozenset((batches.PendingEvents.DESCRIPTOR.fields_by_name["bodies"].number,))


class EventPart(NamedTuple):
    """Some of the events: places among all of them, serialised and strung together (uint8), bytes of each."""

    places: np.ndarray
    data: np.ndarray
    sizes: np.ndarray

    @classmethod
    def of(cls, places: Sequence[int], events: Sequence[bytes]) -> "EventPart":
        """Events that come one by one."""
        data = np.frombuffer(bytearray().join(events), dtype=np.uint8)
        return cls(np.array(places, dtype=np.int64), data, np.array(list(map(len, events)), dtype=np.int64))


def strung_together(parts: Sequence[EventPart]) -> tuple[np.ndarray, np.ndarray]:
    """The events of all parts in the order of their places (uint8), and the bytes of each."""
    if len(parts) == 1:
        return parts[0].data, parts[0].sizes
    count = sum(len(part.sizes) for part in parts)
    if count <= _FEW_EVENTS or not has_kernels():
        return _strung_in_python(parts, count)
    from actors.event_kernels import put_in_place

    sizes = np.empty(count, dtype=np.int64)
    for part in parts:
        sizes[part.places] = part.sizes
    ends = np.cumsum(sizes)
    data = np.empty(int(sizes.sum()), dtype=np.uint8)
    for part in parts:
        put_in_place(data, (ends - sizes)[part.places], part.data, part.sizes)
    return data, sizes


def _strung_in_python(parts: Sequence[EventPart], count: int) -> tuple[np.ndarray, np.ndarray]:
    events = [b""] * count
    for part in parts:
        data, begin = part.data.tobytes(), 0
        for place, size in zip(part.places.tolist(), part.sizes.tolist(), strict=True):
            events[place] = data[begin : begin + size]
            begin += size
    return EventPart.of(range(count), events)[1:]


class EventPile:
    """Events of an actor, to be numbered by whoever gathers them; stands where `PendingEvents` does."""

    def __init__(self) -> None:
        self._columns = Rows(COLUMNS)
        self._bodies: list[Any] = []

    @property
    def bodies(self) -> list[Any]:
        """Serialised events, strung together, in pieces (of bytes)."""
        return self._bodies

    def add(self, keys: np.ndarray, data: np.ndarray, sizes: np.ndarray) -> None:
        """Appends events: `keys` int64[4, n]; `data` (uint8) the events, serialised; `sizes` the bytes of each."""
        if keys.shape[1]:
            self._columns.add_columns(_with_sizes(keys, sizes))
            self._bodies.append(np.ascontiguousarray(data).data)

    def matrix(self) -> np.ndarray:
        """int64[5, n]: phase, a, b, c and size of every event."""
        return self._columns.matrix()

    def __len__(self) -> int:
        return len(self._columns)

    def MergeFromString(self, data: Any) -> None:
        """Appends serialised `PendingEvents`."""
        rest, found = cut_fields(data, _BODIES)
        columns = read_columns(batches.PendingEvents, rest[0], COLUMNS) if len(rest) == 1 else None
        if columns is None:
            read = batches.PendingEvents.FromString(bytes(data))
            columns, bodies = pending_columns(read), list(read.bodies)
        else:
            bodies = [piece for _, piece in found]
        self._columns.add_columns(columns)
        self._bodies += bodies

    def parts(self) -> list[Any]:
        """Serialised, in pieces to be strung together."""
        parts = columns_parts(batches.PendingEvents, self.matrix())
        for body in self._bodies:
            parts += field_parts(batches.PendingEvents, "bodies", [body])
        return parts


def pending_bytes(keys: np.ndarray, bodies: Any, sizes: Sequence[int] | np.ndarray) -> bytes:
    """`PendingEvents`, serialised: `keys` int64[4, n]; `bodies` the events, serialised; `sizes` the bytes of each."""
    if not keys.shape[1]:
        return b""
    told = field_bytes(batches.PendingEvents, "bodies", bodies)
    return columns_bytes(batches.PendingEvents, _with_sizes(keys, sizes), told)


def _with_sizes(keys: np.ndarray, sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    columns = np.empty((COLUMNS, keys.shape[1]), dtype=np.int64)
    columns[:KEYS], columns[KEYS] = keys, sizes
    return columns


def pending_columns(pending: batches.PendingEvents | EventPile) -> np.ndarray:
    """int64[5, n]: phase, a, b, c and size of every event."""
    if isinstance(pending, EventPile):
        return pending.matrix()
    columns = (pending.phase, pending.a, pending.b, pending.c, pending.size)
    if len(columns[KEYS]) <= _READ_AS_LISTS:
        return np.array([column[:] for column in columns], dtype=np.int64)
    return np.array([np.asarray(column, dtype=np.int64) for column in columns])
