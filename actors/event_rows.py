"""Events as protobuf bytes from rows of integers, without a message object an event.

The bytes are those the protobuf library writes: fields in the order of their numbers, zeros left out. Only events whose
bodies have nothing but integers can be written this way, and beside them one field that is alike in all rows (`Piece`);
tests hold every one of them against the library. Many are written by kernels where there are any (`kernels_loaded`).
"""

from typing import Final, NamedTuple

import numpy as np

from actors.kernels_loaded import has_kernels
from breakwater.v1 import events_pb2 as events

# An event row: where it was, the number of its body in `Event`, the account, then the body's fields by number from 1.
VENUE: Final = 0
MARKET: Final = 1
BODY: Final = 2
ACCOUNT: Final = 3
FIRST_FIELD: Final = 4
EVENT_COLUMNS: Final = 17

# Numbers of fields in `Event`, and what their tags are made of.
VENUE_FIELD: Final = 4
MARKET_FIELD: Final = 5
ACCOUNT_FIELD: Final = 6
LENGTH_DELIMITED: Final = 2
TAG_BITS: Final = 3
_UINT64_MAX: Final = (1 << 64) - 1
_VARINT_BITS: Final = 7
_LOW_BITS: Final = (1 << _VARINT_BITS) - 1
_MORE: Final = 1 << _VARINT_BITS
# So many rows Python writes as well as kernels.
_FEW_ROWS = 1


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
    if len(rows) > _FEW_ROWS and has_kernels():
        from actors.event_kernels import encoded

        return encoded(rows, piece.number, np.frombuffer(piece.data, dtype=np.uint8))
    told = [_event(row, piece) for row in rows.tolist()]
    return np.frombuffer(b"".join(told), dtype=np.uint8), np.array(list(map(len, told)), dtype=np.int64)


def _event(row: list[int], piece: Piece) -> bytes:
    body, event = bytearray(), bytearray()
    for number, value in enumerate(row[FIRST_FIELD:], 1):
        if number == piece.number:
            body += piece.data
        if value:
            _put_varint(body, number << TAG_BITS)
            _put_varint(body, value & _UINT64_MAX)
    for number, value in ((VENUE_FIELD, row[VENUE]), (MARKET_FIELD, row[MARKET]), (ACCOUNT_FIELD, row[ACCOUNT])):
        if value:
            _put_varint(event, number << TAG_BITS)
            _put_varint(event, value & _UINT64_MAX)
    _put_varint(event, row[BODY] << TAG_BITS | LENGTH_DELIMITED)
    _put_varint(event, len(body))
    return bytes(event + body)


def _put_varint(target: bytearray, number: int) -> None:
    while number > _LOW_BITS:
        target.append(number & _LOW_BITS | _MORE)
        number >>= _VARINT_BITS
    target.append(number)
