"""Events as protobuf bytes from rows of integers, without a message object an event.

The bytes are those the protobuf library writes: fields in the order of their numbers, zeros left out. Only events whose
bodies have nothing but integers can be written this way, and beside them one field that is alike in all rows (`Piece`);
tests hold every one of them against the library.
"""

from typing import Final, NamedTuple

import numpy as np

from actors.byte_words import WORD_BYTES, copy_bytes, put_varint, varint_size
from actors.compiling import inlined, kernel
from breakwater.v1 import events_pb2 as events

# An event row: where it was, the number of its body in `Event`, the account, then the body's fields by number from 1.
VENUE: Final = 0
MARKET: Final = 1
BODY: Final = 2
ACCOUNT: Final = 3
FIRST_FIELD: Final = 4
EVENT_COLUMNS: Final = 17

VENUE_FIELD: Final = 4
MARKET_FIELD: Final = 5
ACCOUNT_FIELD: Final = 6
_LENGTH_DELIMITED: Final = 2
_TAG_BITS: Final = 3


class Piece(NamedTuple):
    """A field of the body that every row has alike, a message maybe: its number and its bytes, tag included.

    The column of that number must be 0.
    """

    number: int
    data: bytes


NO_PIECE: Final = Piece(0, b"")


def body_number(name: str) -> int:
    """The number of a body in `Event`."""
    return int(events.Event.DESCRIPTOR.fields_by_name[name].number)


def event_list(rows: np.ndarray) -> list[bytes]:
    """Serialised events, one for each event row."""
    data, sizes = event_bytes(rows)
    ends = np.cumsum(sizes)
    return [data[begin:end].tobytes() for begin, end in zip((ends - sizes).tolist(), ends.tolist(), strict=True)]


def event_bytes(rows: np.ndarray, piece: Piece = NO_PIECE) -> tuple[np.ndarray, np.ndarray]:
    """The same strung together (uint8), and how many bytes each has (int64)."""
    # Of the fields of its body, and of the whole event.
    sizes = np.empty((2, len(rows)), dtype=np.int64)
    alike = np.frombuffer(piece.data, dtype=np.uint8)
    used = _measure(rows, alike.size, sizes)
    data = np.empty(used + WORD_BYTES, dtype=np.uint8)
    _encode(rows, piece.number, alike, sizes, data)
    return data[:used], sizes[1]


@kernel
def _measure(rows: np.ndarray, alike: np.int64, sizes: np.ndarray) -> np.int64:
    together = np.int64(0)
    for row in range(rows.shape[0]):
        size = np.int64(alike)
        for field in range(FIRST_FIELD, rows.shape[1]):
            size += _field_size(rows[row, field])
        head = _field_size(rows[row, VENUE]) + _field_size(rows[row, MARKET]) + _field_size(rows[row, ACCOUNT])
        sizes[0, row] = size
        sizes[1, row] = head + varint_size(body_tag(rows[row, BODY])) + varint_size(np.uint64(size)) + size
        together += sizes[1, row]
    return together


@kernel
def _encode(rows: np.ndarray, number_alike: np.int64, alike: np.ndarray, sizes: np.ndarray, data: np.ndarray) -> None:
    place = np.int64(0)
    for row in range(rows.shape[0]):
        place = put_field(data, place, np.int64(VENUE_FIELD), rows[row, VENUE])
        place = put_field(data, place, np.int64(MARKET_FIELD), rows[row, MARKET])
        place = put_field(data, place, np.int64(ACCOUNT_FIELD), rows[row, ACCOUNT])
        place = put_varint(data, place, body_tag(rows[row, BODY]))
        place = put_varint(data, place, np.uint64(sizes[0, row]))
        for number in range(rows.shape[1] - FIRST_FIELD):
            if number + 1 == number_alike:
                place = copy_bytes(data, place, alike, 0, alike.size)
            place = put_field(data, place, np.int64(number + 1), rows[row, FIRST_FIELD + number])


@inlined
def body_tag(body: np.int64) -> np.uint64:
    """The tag of a body, by its number."""
    return np.uint64(body << _TAG_BITS | _LENGTH_DELIMITED)


@inlined
def _field_size(value: np.int64) -> np.int64:
    """Bytes of a varint field with a tag of one byte; nothing for a zero."""
    return np.int64(0) if value == 0 else 1 + varint_size(np.uint64(value))


@inlined
def put_field(data: np.ndarray, place: np.int64, number: np.int64, value: np.int64) -> np.int64:
    """A varint field whose number is below 16, so that its tag is one byte; nothing for a zero."""
    if value == 0:
        return place
    data[place] = np.uint8(number << _TAG_BITS)
    return put_varint(data, place + 1, np.uint64(value))
