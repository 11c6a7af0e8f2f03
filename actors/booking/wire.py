"""Columns and events as protobuf bytes, without a message object a row: the hot path of a book.

The bytes are those the protobuf library writes: fields in the order of their numbers, zeros left out. Only messages
whose fields are all integers can be written this way; a test holds every one of them against the library.
"""

from functools import cache
from typing import Any, Final

import numpy as np
from google.protobuf.message import Message
from numba import njit

from actors.columns import field_names
from breakwater.v1 import batches_pb2 as batches

# An event row: the number of its body in `Event`, the account, then the body's fields by number from 1.
BODY: Final = 0
ACCOUNT: Final = 1
FIRST_FIELD: Final = 2
EVENT_COLUMNS: Final = 15

_VENUE_FIELD = 4
_MARKET_FIELD = 5
_ACCOUNT_FIELD = 6
# The field of `PendingEvents` that holds them.
_EVENT_FIELD = 5
_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127
# Tag and length, venue, market and account, the body's tag and length, its fields: 11 bytes at most a field.
_BYTES_MAX = 3 + 3 * 11 + 4 + 11 * (EVENT_COLUMNS - FIRST_FIELD)


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


def event_bodies(rows: np.ndarray, venue: int, market: int) -> list[bytes]:
    """Serialised events of a market, one for each event row."""
    data, bounds = _encoded(rows, venue, market)
    return [data[start:end] for start, end in bounds.tolist()]


def pending_events(rows: np.ndarray, keys: np.ndarray, venue: int, market: int) -> bytes:
    """`PendingEvents`, serialised: events of a market; the rows of `keys` are their sort keys (phase, a, b, c)."""
    data, _ = _encoded(rows, venue, market)
    return columns_bytes(batches.PendingEvents, keys, data)


def _encoded(rows: np.ndarray, venue: int, market: int) -> tuple[bytes, np.ndarray]:
    """The events as the repeated field of `PendingEvents`, and where in it each begins and ends."""
    buffer = np.empty(len(rows) * _BYTES_MAX, dtype=np.uint8)
    bounds = np.empty((len(rows), 2), dtype=np.int64)
    used = _encode(rows, venue, market, buffer, bounds)
    return buffer[:used].tobytes(), bounds


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > _VARINT_MASK:
        out.append(number & _VARINT_MASK | _VARINT_MORE)
        number >>= _VARINT_BITS
    out.append(number)
    return bytes(out)


@njit(cache=True)
def _encode(rows: np.ndarray, venue: np.int64, market: np.int64, buffer: np.ndarray, bounds: np.ndarray) -> np.int64:
    place = np.int64(0)
    head = _field_size(venue) + _field_size(market)
    for row in range(rows.shape[0]):
        fields = rows[row, FIRST_FIELD:]
        size = np.int64(0)
        for value in fields:
            size += _field_size(value)
        body = np.int64(rows[row, BODY] << _TAG_BITS | _LENGTH_DELIMITED)
        whole = head + _field_size(rows[row, ACCOUNT]) + _varint_size(body) + _varint_size(size) + size
        buffer[place] = np.uint8(_EVENT_FIELD << _TAG_BITS | _LENGTH_DELIMITED)
        place = _put_varint(buffer, place + 1, np.uint64(whole))
        bounds[row, 0] = place
        place = _put_field(buffer, place, np.int64(_VENUE_FIELD), venue)
        place = _put_field(buffer, place, np.int64(_MARKET_FIELD), market)
        place = _put_field(buffer, place, np.int64(_ACCOUNT_FIELD), rows[row, ACCOUNT])
        place = _put_varint(buffer, place, np.uint64(body))
        place = _put_varint(buffer, place, np.uint64(size))
        for number in range(fields.shape[0]):
            place = _put_field(buffer, place, np.int64(number + 1), fields[number])
        bounds[row, 1] = place
    return place


@njit(cache=True)
def _field_size(value: np.int64) -> np.int64:
    """Bytes of a varint field with a tag of one byte; nothing for a zero."""
    return np.int64(0) if value == 0 else 1 + _varint_size(value)


@njit(cache=True)
def _put_field(buffer: np.ndarray, place: np.int64, number: np.int64, value: np.int64) -> np.int64:
    """A varint field whose number is below 16, so that its tag is one byte; nothing for a zero."""
    if value == 0:
        return place
    buffer[place] = np.uint8(number << _TAG_BITS)
    return _put_varint(buffer, place + 1, np.uint64(value))


@njit(cache=True)
def _put_varint(buffer: np.ndarray, place: np.int64, value: np.uint64) -> np.int64:
    while value > np.uint64(_VARINT_MASK):
        buffer[place] = np.uint8(value & np.uint64(_VARINT_MASK)) | np.uint8(_VARINT_MORE)
        value = value >> np.uint64(_VARINT_BITS)
        place += 1
    buffer[place] = np.uint8(value)
    return place + 1


@njit(cache=True)
def _varint_size(value: np.int64) -> np.int64:
    left = np.uint64(value) >> np.uint64(_VARINT_BITS)
    size = np.int64(1)
    while left != np.uint64(0):
        left = left >> np.uint64(_VARINT_BITS)
        size += 1
    return size
