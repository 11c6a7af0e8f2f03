"""Columns as protobuf bytes, copied whole from a matrix: through lists the library takes 30 times as long.

The bytes are those the library writes; tests hold them against it. Reading and writing a message that is there needs
nothing of the kind: the library takes packed columns as they lie.
"""

from functools import cache
from typing import Any

import numpy as np
from google.protobuf.message import Message

_CELL_BYTES = 8
_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127


def columns_bytes(kind: type[Message], columns: np.ndarray, rest: bytes = b"") -> bytes:
    """A column message, serialised, whose first columns, in field order, are the rows of an int64 matrix.

    These must be sfixed64; `rest` is what follows them, serialised.
    """
    count = columns.shape[1]
    if not count:
        return rest
    length = varint(_CELL_BYTES * count)
    data, step = np.ascontiguousarray(columns, dtype="<i8").data.cast("B"), _CELL_BYTES * count
    tags = _tags(kind.DESCRIPTOR)[: len(columns)]
    parts = [part for at, tag in enumerate(tags) for part in (tag, length, data[at * step : (at + 1) * step])]
    return b"".join([*parts, rest])


def field_bytes(message: Any, field: str, data: bytes) -> bytes:
    """A field that holds a message or bytes, serialised; `data` is what it holds. Fields may be strung together."""
    number = message.DESCRIPTOR.fields_by_name[field].number
    return b"".join((_tag(number), varint(len(data)), data))


def varint(number: int) -> bytes:
    """A number from 0 on as protobuf writes it."""
    out = bytearray()
    while number > _VARINT_MASK:
        out.append(number & _VARINT_MASK | _VARINT_MORE)
        number >>= _VARINT_BITS
    out.append(number)
    return bytes(out)


@cache
def _tag(number: int) -> bytes:
    return varint(number << _TAG_BITS | _LENGTH_DELIMITED)


@cache
def _tags(descriptor: Any) -> list[bytes]:
    """Tag bytes of the columns, in field order."""
    return [_tag(field.number) for field in descriptor.fields]
