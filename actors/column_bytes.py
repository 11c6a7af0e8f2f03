"""Messages with columns as protobuf bytes, the columns copied whole: the library writes a number in 8 ns, this in 1.

The bytes are those the library writes; tests hold them against it. Reading needs nothing of the kind: the library
parses packed columns as they lie.
"""

from functools import cache
from typing import Any

import numpy as np
from google.protobuf.message import Message

_CELL_BYTES = 8
_VARINT = 0
_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127
_WORD_MASK = (1 << 64) - 1
# Columns shorter than this are left to the library.
_MANY = 64


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


def serialise(message: Any) -> bytes:
    """A message between actors, deterministic; columns with many rows, also in messages it holds, are copied whole.

    Such a message knows all its fields, and they are numbers of the wire's own kinds, bytes, strings and messages.
    """
    fields = message.ListFields()
    if not _has_long_columns(message.DESCRIPTOR, fields):
        return bytes(message.SerializeToString(deterministic=True))
    return b"".join(part for field, value in fields for part in _field(field, value))


def _has_long_columns(descriptor: Any, fields: list[tuple[Any, Any]]) -> bool:
    holding = _holding_columns(descriptor)
    for field, value in fields:
        if field.number in holding:
            if field.type == field.TYPE_SFIXED64:
                # The columns of a message are of equal length.
                return len(value) >= _MANY
            if _has_long_columns(value.DESCRIPTOR, value.ListFields()):
                return True
    return False


@cache
def _holding_columns(descriptor: Any) -> frozenset[int]:
    """Fields that are columns, or one message that has some. Lists of bytes beside columns are the library's."""
    if any(field.is_repeated and field.type == field.TYPE_BYTES for field in descriptor.fields):
        return frozenset()
    return frozenset(
        field.number
        for field in descriptor.fields
        if field.type == field.TYPE_SFIXED64
        or (field.type == field.TYPE_MESSAGE and not field.is_repeated and _holding_columns(field.message_type))
    )


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


def _field(field: Any, value: Any) -> tuple[bytes | memoryview, ...]:
    """Tag, length where there is one, and what the field holds; several of them where it is repeated."""
    tag, kind = _tag(field.number), field.type
    if kind == field.TYPE_SFIXED64:
        column = np.asarray(value, dtype="<i8")
        return tag, varint(column.nbytes), column.data.cast("B")
    if kind in (field.TYPE_MESSAGE, field.TYPE_BYTES, field.TYPE_STRING):
        held = [_held(one) for one in (value if field.is_repeated else (value,))]
        return tuple(part for data in held for part in (tag, varint(len(data)), data))
    if field.is_repeated:
        data = b"".join(varint(one & _WORD_MASK) for one in value)
        return tag, varint(len(data)), data
    return varint(field.number << _TAG_BITS | _VARINT), varint(value & _WORD_MASK)


def _held(value: Any) -> bytes:
    if isinstance(value, Message):
        return serialise(value)
    return value.encode() if isinstance(value, str) else value


@cache
def _tag(number: int) -> bytes:
    return varint(number << _TAG_BITS | _LENGTH_DELIMITED)


@cache
def _tags(descriptor: Any) -> list[bytes]:
    """Tag bytes of the columns, in field order."""
    return [_tag(field.number) for field in descriptor.fields]
