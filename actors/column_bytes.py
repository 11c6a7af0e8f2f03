"""Columns as protobuf bytes, copied whole from a matrix: through lists the library takes 30 times as long.

The bytes are those the library writes; tests hold them against it. Reading and writing a message that is there needs
nothing of the kind: the library takes packed columns as they lie.
"""

from collections.abc import Collection, Sequence
from functools import cache
from struct import Struct
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import Message

_CELL_BYTES = 8
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED_BYTES = {1: 8, 5: 4}
_TAG_BITS, _TYPE_MASK = 3, 7
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127
_ONE_BYTE = tuple(bytes((number,)) for number in range(_VARINT_MORE))
# Rows whose column's length is one byte: an array a column costs more than all of them do.
_FEW = _VARINT_MASK // _CELL_BYTES


def columns_bytes(kind: type[Message], columns: np.ndarray, rest: bytes = b"") -> bytes:
    """A column message, serialised, whose first columns, in field order, are the rows of an int64 matrix.

    These must be sfixed64; `rest` is what follows them, serialised.
    """
    return b"".join([*columns_parts(kind, columns), rest])


def columns_parts(kind: type[Message], columns: np.ndarray) -> list[Any]:
    """The same in pieces to be strung together; they show the matrix, which must not change until they are."""
    return tagged_parts(column_tags(kind.DESCRIPTOR)[: len(columns)], columns)


def tagged_parts(tags: tuple[bytes, ...], columns: np.ndarray) -> list[Any]:
    """`columns_parts` under tags of one's own, one a row of the matrix."""
    count = columns.shape[1]
    if not count:
        return []
    if count <= _FEW:
        return [_few_rows(tags, count).filled(columns)]
    length = varint(_CELL_BYTES * count)
    rows = (columns if columns.strides[1] == _CELL_BYTES else np.ascontiguousarray(columns)).view(np.uint8)
    return [part for tag, row in zip(tags, rows, strict=True) for part in (tag, length, row.data)]


def column_places(tags: tuple[bytes, ...], data: Any) -> tuple[int, Sequence[int]] | None:
    """Rows of a serialised message of columns (it is not empty), and where the cells of each column begin.

    None where the bytes are not as `columns_bytes` writes them.
    """
    few = _few_rows_in(tags, data)
    if few is not None:
        return None if few.cells_of(data) is None else (few.rows, few.begins)
    step, place = number_at(data, len(tags[0]))
    length = bytes(data[len(tags[0]) : place])
    count, rest = divmod(step, _CELL_BYTES)
    if rest or len(data) != sum(map(len, tags)) + (len(length) + step) * len(tags):
        return None
    begins, place = [], 0
    for tag in tags:
        begin = place + len(tag) + len(length)
        if data[place:begin] != tag + length:
            return None
        begins.append(begin)
        place = begin + step
    return count, begins


def read_columns(kind: type[Message], data: Any, columns: int | None = None) -> np.ndarray | None:
    """The columns of a serialised message of numbers as the rows of an int64 matrix, in field order, copied.

    `columns`: so many of them, the first, where not all of the message's fields are columns of numbers. None where the
    bytes are not as `columns_bytes` writes them: then the library reads them.
    """
    tags = column_tags(kind.DESCRIPTOR)[:columns]
    if not len(data):
        return np.empty((len(tags), 0), dtype=np.int64)
    few = _few_rows_in(tags, data)
    if few is not None:
        held = few.cells_of(data)
        return None if held is None else np.frombuffer(held, dtype="<i8").reshape(len(tags), few.rows)
    places = column_places(tags, data)
    if places is None:
        return None
    count, begins = places
    step, cells = _CELL_BYTES * count, np.frombuffer(data, dtype=np.uint8)
    read = np.empty((len(tags), step), dtype=np.uint8)
    for row, begin in enumerate(begins):
        read[row] = cells[begin : begin + step]
    return read.view("<i8").reshape(len(tags), count)


class _FewRows(NamedTuple):
    """How a message of few rows lies in its bytes: head and cells of every column by turns.

    `blank`: with nothing in its cells; `places`: where the bytes of the cells are; `begins`: where each column's begin.
    """

    rows: int
    pieces: Struct
    heads: tuple[bytes, ...]
    blank: np.ndarray
    places: np.ndarray
    begins: tuple[int, ...]

    def filled(self, columns: np.ndarray) -> memoryview:
        """The message with the rows of an int64 matrix as its columns."""
        told = self.blank.copy()
        told[self.places] = np.ascontiguousarray(columns).view(np.uint8).ravel()
        return told.data

    def cells_of(self, data: Any) -> bytearray | None:
        """The cells of all columns strung together; None where the bytes are not as these lie."""
        if len(data) != self.pieces.size:
            return None
        pieces = self.pieces.unpack(data)
        return bytearray().join(pieces[1::2]) if pieces[::2] == self.heads else None


@cache
def _few_rows(tags: tuple[bytes, ...], count: int) -> _FewRows:
    step = _CELL_BYTES * count
    heads = tuple(tag + varint(step) for tag in tags)
    begins = np.cumsum([len(head) + step for head in heads]) - step
    return _FewRows(
        rows=count,
        pieces=Struct("".join(f"{len(head)}s{step}s" for head in heads)),
        heads=heads,
        blank=np.frombuffer(b"".join(head + bytes(step) for head in heads), dtype=np.uint8),
        places=(begins[:, np.newaxis] + np.arange(step)).ravel(),
        begins=tuple(begins.tolist()),
    )


def _few_rows_in(tags: tuple[bytes, ...], data: Any) -> _FewRows | None:
    """How as few rows as the length of the first column says would lie; None where there are more, or none."""
    count, rest = divmod(data[len(tags[0])], _CELL_BYTES)
    return _few_rows(tags, count) if 0 < count <= _FEW and not rest else None


def field_bytes(message: Any, field: str, data: bytes) -> bytes:
    """A field that holds a message or bytes, serialised; `data` is what it holds. Fields may be strung together."""
    return b"".join(field_parts(message, field, [data]))


def field_parts(message: Any, field: str, parts: list[Any]) -> list[Any]:
    """The same in pieces; so is what it holds, each of bytes."""
    return [_field_tag(message.DESCRIPTOR, field), varint(sum(map(len, parts))), *parts]


def cut_fields(data: Any, wanted: Collection[int]) -> tuple[list[Any], list[tuple[int, Any]]]:
    """A serialised message taken apart: (pieces of all other fields, number and contents of the fields wanted).

    Wanted fields must be messages or bytes. Raises ValueError for bytes that are no message.
    """
    whole, rest, found, place, kept_from = memoryview(data), [], [], 0, 0
    while place < len(whole):
        begin = place
        tag, place = number_at(whole, place)
        kind = tag & _TYPE_MASK
        if kind == _LENGTH_DELIMITED:
            length, place = number_at(whole, place)
            contents, place = place, place + length
            if tag >> _TAG_BITS in wanted:
                found.append((tag >> _TAG_BITS, whole[contents:place]))
                rest.append(whole[kept_from:begin])
                kept_from = place
        elif kind == _VARINT:
            _, place = number_at(whole, place)
        elif kind in _FIXED_BYTES:
            place += _FIXED_BYTES[kind]
        else:
            raise ValueError(f"field {tag >> _TAG_BITS} is of a type there is no more: {kind}")
    if place > len(whole):
        raise ValueError(f"a message of {len(whole)} bytes is cut off: its last field ends at {place}")
    return [piece for piece in (*rest, whole[kept_from:]) if piece], found


def number_at(data: Any, place: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    if data[place] < _VARINT_MORE:
        return data[place], place + 1
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & _VARINT_MASK) << shift
        if byte < _VARINT_MORE:
            return value, place
        shift += _VARINT_BITS


def varint(number: int) -> bytes:
    """A number from 0 on as protobuf writes it."""
    if number <= _VARINT_MASK:
        return _ONE_BYTE[number]
    out = bytearray()
    while number > _VARINT_MASK:
        out.append(number & _VARINT_MASK | _VARINT_MORE)
        number >>= _VARINT_BITS
    out.append(number)
    return bytes(out)


@cache
def _field_tag(descriptor: Any, field: str) -> bytes:
    return _tag(descriptor.fields_by_name[field].number)


@cache
def _tag(number: int) -> bytes:
    return varint(number << _TAG_BITS | _LENGTH_DELIMITED)


@cache
def column_tags(descriptor: Any) -> tuple[bytes, ...]:
    """Tag bytes of the columns, in field order."""
    return tuple(_tag(field.number) for field in descriptor.fields)
