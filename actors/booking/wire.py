"""Columns as protobuf bytes, and events after them, without a message object a row: the hot path of a book.

The bytes are those the protobuf library writes; a test holds them against it.
"""

from functools import cache
from typing import Any

import numpy as np
from google.protobuf.message import Message

from actors.columns import field_names
from actors.event_rows import events_field, places
from breakwater.v1 import batches_pb2 as batches

_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127


def columns_bytes(kind: type[Message], matrix: np.ndarray, rest: bytes = b"") -> bytes:
    """A column message, serialised, whose first columns, in field order, are the rows of an int64 matrix.

    These must be sfixed64; `rest` is what follows them, serialised.
    """
    count = matrix.shape[1]
    if not count:
        return rest
    length = _varint(8 * count)
    data, step = np.ascontiguousarray(matrix, dtype="<i8").tobytes(), 8 * count
    tags = _tags(kind.DESCRIPTOR)[: len(matrix)]
    parts = [part for at, tag in enumerate(tags) for part in (tag, length, data[at * step : (at + 1) * step])]
    return b"".join([*parts, rest])


def read_columns(message: Any) -> np.ndarray:
    """The columns of a message as the rows of an int64 matrix, in field order."""
    columns = [getattr(message, name) for name in field_names(message)]
    matrix = np.empty((len(columns), len(columns[0])), dtype=np.int64)
    if matrix.shape[1]:
        for row, column in enumerate(columns):
            matrix[row] = column
    return matrix


@cache
def _tags(descriptor: Any) -> list[bytes]:
    """Tag bytes of the columns, in field order."""
    return [_varint(field.number << _TAG_BITS | _LENGTH_DELIMITED) for field in descriptor.fields]


def pending_events(rows: np.ndarray, keys: np.ndarray, venue: int, market: int) -> bytes:
    """`PendingEvents`, serialised: events of a market; the rows of `keys` are their sort keys (phase, a, b, c)."""
    return columns_bytes(batches.PendingEvents, keys, events_field(rows, places(len(rows), venue, market))[0])


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > _VARINT_MASK:
        out.append(number & _VARINT_MASK | _VARINT_MORE)
        number >>= _VARINT_BITS
    out.append(number)
    return bytes(out)
