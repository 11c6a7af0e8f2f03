"""A book's call as it lies in its bytes: operations and caps are read where they stand, the rest is a message.

The library would copy every column before anybody looks at it; and parameters come with every call and hardly change.
"""

from typing import Final, NamedTuple

import numpy as np
from google.protobuf.message import Message

from actors.column_bytes import column_places, column_tags, columns_bytes, cut_fields
from actors.columns import matrix
from breakwater.v1 import batches_pb2 as batches

_FIELDS = batches.BookCall.DESCRIPTOR.fields_by_name
_VENUE: Final = int(_FIELDS["venue"].number)
_MARKET: Final = int(_FIELDS["market"].number)
_CAPS: Final = int(_FIELDS["caps"].number)
_OPS: Final = int(_FIELDS["ops"].number)
_CUT: Final = frozenset((_VENUE, _MARKET, _CAPS, _OPS))


class Columns(NamedTuple):
    """The columns of a message of numbers in its bytes (uint8): rows, and where each column begins."""

    data: np.ndarray
    rows: int
    begins: np.ndarray

    @classmethod
    def none(cls) -> "Columns":
        """No rows."""
        return cls(np.empty(0, dtype=np.uint8), 0, np.empty(0, dtype=np.int64))

    def column(self, place: int) -> np.ndarray:
        """One of them, by its place in field order."""
        return np.frombuffer(self.data, dtype="<i8", count=self.rows, offset=int(self.begins[place])).astype(np.int64)


class ReadCall(NamedTuple):
    """A `BookCall`: `rest` is what has no field of its own here; parameters are serialised, empty where none came."""

    header: batches.CallHeader
    rest: batches.BookCall
    venue: bytes
    market: bytes
    ops: Columns
    caps: Columns


def read_call(call: bytes) -> ReadCall:
    """Cuts a serialised `BookCall`."""
    rest, found = cut_fields(call, _CUT)
    held = dict(found)
    message = batches.BookCall.FromString(b"".join(rest))
    venue, market = bytes(held.get(_VENUE, b"")), bytes(held.get(_MARKET, b""))
    ops, caps = (
        columns_in(batches.OrderOps, held.get(_OPS, b"")),
        columns_in(batches.PositionCaps, held.get(_CAPS, b"")),
    )
    return ReadCall(message.header, message, venue, market, ops, caps)


def columns_in(kind: type[Message], data: bytes | memoryview) -> Columns:
    """The columns of a serialised message; copied only if they are not as everybody writes them."""
    if not data:
        return Columns.none()
    places = column_places(column_tags(kind.DESCRIPTOR), data)
    if places is None:
        return columns_in(kind, columns_bytes(kind, matrix(kind.FromString(bytes(data)))))
    rows, begins = places
    return Columns(np.frombuffer(data, dtype=np.uint8), rows, np.array(begins))
