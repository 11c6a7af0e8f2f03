"""Events as protobuf bytes from rows of integers, without a message object an event.

The bytes are those the protobuf library writes: fields in the order of their numbers, zeros left out. Only events whose
bodies have nothing but integers can be written this way; tests hold every one of them against the library.
"""

from typing import Final

import numpy as np
from numba import njit

from breakwater.v1 import events_pb2 as events

# An event row: the number of its body in `Event`, the account, then the body's fields by number from 1.
BODY: Final = 0
ACCOUNT: Final = 1
FIRST_FIELD: Final = 2
EVENT_COLUMNS: Final = 15

_VENUE_FIELD = 4
_MARKET_FIELD = 5
_ACCOUNT_FIELD = 6
_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127


def body_number(name: str) -> int:
    """The number of a body in `Event`."""
    return int(events.Event.DESCRIPTOR.fields_by_name[name].number)


def places(count: int, venue: int, market: int) -> np.ndarray:
    """(venue, market) of events that are all of one market."""
    return np.full((count, 2), (venue, market), dtype=np.int64)


def event_list(rows: np.ndarray, at: np.ndarray) -> list[bytes]:
    """Serialised events, one for each event row; `at` has a row (venue, market) for each."""
    data, sizes = event_bytes(rows, at)
    ends = np.cumsum(sizes)
    return [data[begin:end].tobytes() for begin, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]


def event_bytes(rows: np.ndarray, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same strung together (uint8), and how many bytes each has (int64)."""
    # Of the fields of its body, and of the whole event.
    sizes = np.empty((2, len(rows)), dtype=np.int64)
    data = np.empty(_measure(rows, at, sizes), dtype=np.uint8)
    _encode(rows, at, sizes, data)
    return data, sizes[1]


@njit(cache=True)
def _measure(rows: np.ndarray, at: np.ndarray, sizes: np.ndarray) -> np.int64:
    together = np.int64(0)
    for row in range(rows.shape[0]):
        size = np.int64(0)
        for value in rows[row, FIRST_FIELD:]:
            size += _field_size(value)
        head = _field_size(at[row, 0]) + _field_size(at[row, 1]) + _field_size(rows[row, ACCOUNT])
        tag = np.int64(rows[row, BODY] << _TAG_BITS | _LENGTH_DELIMITED)
        sizes[0, row] = size
        sizes[1, row] = head + _varint_size(tag) + _varint_size(size) + size
        together += sizes[1, row]
    return together


@njit(cache=True)
def _encode(rows: np.ndarray, at: np.ndarray, sizes: np.ndarray, data: np.ndarray) -> None:
    place = np.int64(0)
    for row in range(rows.shape[0]):
        place = _put_field(data, place, np.int64(_VENUE_FIELD), at[row, 0])
        place = _put_field(data, place, np.int64(_MARKET_FIELD), at[row, 1])
        place = _put_field(data, place, np.int64(_ACCOUNT_FIELD), rows[row, ACCOUNT])
        place = _put_varint(data, place, np.uint64(rows[row, BODY] << _TAG_BITS | _LENGTH_DELIMITED))
        place = _put_varint(data, place, np.uint64(sizes[0, row]))
        for number in range(rows.shape[1] - FIRST_FIELD):
            place = _put_field(data, place, np.int64(number + 1), rows[row, FIRST_FIELD + number])


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
