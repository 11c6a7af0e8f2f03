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
# The field of `PendingEvents` that holds them.
_EVENT_FIELD = 5
_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127
# Tag and length, venue, market and account, the body's tag and length, its fields: 11 bytes at most a field.
_BYTES_MAX = 3 + 3 * 11 + 4 + 11 * (EVENT_COLUMNS - FIRST_FIELD)


def body_number(name: str) -> int:
    """The number of a body in `Event`."""
    return int(events.Event.DESCRIPTOR.fields_by_name[name].number)


def places(count: int, venue: int, market: int) -> np.ndarray:
    """(venue, market) of events that are all of one market."""
    return np.full((count, 2), (venue, market), dtype=np.int64)


def event_bodies(rows: np.ndarray, at: np.ndarray) -> list[bytes]:
    """Serialised events, one for each event row; `at` has a row (venue, market) for each."""
    data, bounds = events_field(rows, at)
    return [data[start:end] for start, end in bounds.tolist()]


def events_field(rows: np.ndarray, at: np.ndarray) -> tuple[bytes, np.ndarray]:
    """The events as the repeated field of `PendingEvents`, and where in it each begins and ends."""
    buffer = np.empty(len(rows) * _BYTES_MAX, dtype=np.uint8)
    bounds = np.empty((len(rows), 2), dtype=np.int64)
    used = _encode(rows, at, buffer, bounds)
    return buffer[:used].tobytes(), bounds


@njit(cache=True)
def _encode(rows: np.ndarray, places: np.ndarray, buffer: np.ndarray, bounds: np.ndarray) -> np.int64:
    place = np.int64(0)
    for row in range(rows.shape[0]):
        venue, market = places[row, 0], places[row, 1]
        head = _field_size(venue) + _field_size(market)
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
