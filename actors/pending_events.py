"""Events on their way to their numbers: columns of keys and sizes beside bodies strung together (`PendingEvents`)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actors.byte_words import copy_bytes
from actors.column_bytes import columns_bytes, field_bytes
from actors.compiling import kernel
from breakwater.v1 import batches_pb2 as batches

# (phase, a, b, c), then the size.
KEYS = 4
COLUMNS = KEYS + 1


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


def strung_together(parts: Sequence[EventPart]) -> tuple[bytes, np.ndarray]:
    """The events of all parts in the order of their places, and the bytes of each."""
    if len(parts) == 1:
        return parts[0].data.tobytes(), parts[0].sizes
    sizes = np.empty(sum(len(part.sizes) for part in parts), dtype=np.int64)
    for part in parts:
        sizes[part.places] = part.sizes
    ends = np.cumsum(sizes)
    data = np.empty(int(sizes.sum()), dtype=np.uint8)
    for part in parts:
        _put_in_place(data, (ends - sizes)[part.places], part.data, part.sizes)
    return data.tobytes(), sizes


@kernel
def _put_in_place(target: np.ndarray, places: np.ndarray, data: np.ndarray, sizes: np.ndarray) -> None:
    begin = np.int64(0)
    for event in range(len(sizes)):
        copy_bytes(target, places[event], data, begin, begin + sizes[event])
        begin += sizes[event]


def pending_bytes(keys: np.ndarray, bodies: bytes, sizes: Sequence[int] | np.ndarray) -> bytes:
    """`PendingEvents`, serialised: `keys` int64[4, n]; `bodies` the events, serialised; `sizes` the bytes of each."""
    if not keys.shape[1]:
        return b""
    columns = np.empty((COLUMNS, keys.shape[1]), dtype=np.int64)
    columns[:KEYS], columns[KEYS] = keys, sizes
    return columns_bytes(batches.PendingEvents, columns, field_bytes(batches.PendingEvents, "bodies", bodies))


def pending_columns(pending: batches.PendingEvents) -> np.ndarray:
    """int64[5, n]: phase, a, b, c and size of every event."""
    columns = (pending.phase, pending.a, pending.b, pending.c, pending.size)
    return np.array([np.asarray(column, dtype=np.int64) for column in columns])
