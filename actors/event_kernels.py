"""Events as protobuf bytes from many rows of integers, and put in their places among others (`event_rows`)."""

import numpy as np

from actors.byte_words import WORD_BYTES, copy_bytes, put_varint, varint_size
from actors.compiling import inlined, kernel
from actors.event_rows import (
    ACCOUNT,
    ACCOUNT_FIELD,
    BODY,
    FIRST_FIELD,
    LENGTH_DELIMITED,
    MARKET,
    MARKET_FIELD,
    TAG_BITS,
    VENUE,
    VENUE_FIELD,
)


@kernel
def put_in_place(target: np.ndarray, places: np.ndarray, data: np.ndarray, sizes: np.ndarray) -> None:
    """Copies events, strung together in `data`, each to its place."""
    begin = np.int64(0)
    for event in range(len(sizes)):
        copy_bytes(target, places[event], data, begin, begin + sizes[event])
        begin += sizes[event]


def encoded(rows: np.ndarray, number_alike: int, alike: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`event_bytes` of many rows; `alike` are the bytes of the field that all have alike."""
    # Of the fields of its body, and of the whole event.
    sizes = np.empty((2, len(rows)), dtype=np.int64)
    used = _measure(rows, alike.size, sizes)
    data = np.empty(used + WORD_BYTES, dtype=np.uint8)
    _encode(rows, number_alike, alike, sizes, data)
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
    return np.uint64(body << TAG_BITS | LENGTH_DELIMITED)


@inlined
def _field_size(value: np.int64) -> np.int64:
    """Bytes of a varint field with a tag of one byte; nothing for a zero."""
    return np.int64(0) if value == 0 else 1 + varint_size(np.uint64(value))


@inlined
def put_field(data: np.ndarray, place: np.int64, number: np.int64, value: np.int64) -> np.int64:
    """A varint field whose number is below 16, so that its tag is one byte; nothing for a zero."""
    if value == 0:
        return place
    data[place] = np.uint8(number << TAG_BITS)
    return put_varint(data, place + 1, np.uint64(value))
