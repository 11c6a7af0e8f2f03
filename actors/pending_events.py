"""Events on their way to their numbers: columns of keys and sizes beside bodies strung together (`PendingEvents`)."""

from collections.abc import Sequence

import numpy as np

from actors.column_bytes import columns_bytes, field_bytes
from breakwater.v1 import batches_pb2 as batches

# (phase, a, b, c), then the size.
KEYS = 4
COLUMNS = KEYS + 1


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
