"""Batches of columns as bytes, written and read without a message object: what a hot stream sends and gets.

A packed column of sfixed64 is its int64 numbers, little end first, so a NumPy array is the column already. The bytes
are those of the message of commands.proto with the same content; a reader in any language sees no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from breakwater.v1 import answers_pb2, commands_pb2, orders_pb2, trading_pb2

_VARINT: Final = 0
_BYTES: Final = 2
_BATCH: Final = commands_pb2.CommandBatch.DESCRIPTOR.fields_by_name
# Columns of an answer by the number of their field.
_OUTCOME: Final[Mapping[int, str]] = {
    field.number: field.name for field in answers_pb2.BatchOutcome.DESCRIPTOR.fields if field.is_repeated
}
_HEIGHT: Final = answers_pb2.BatchOutcome.DESCRIPTOR.fields_by_name["height"].number
_STREAM_BATCH: Final = orders_pb2.StreamOrdersRequest.DESCRIPTOR.fields_by_name["batch"].number
_STREAM_OUTCOME: Final = orders_pb2.StreamOrdersResponse.DESCRIPTOR.fields_by_name["outcome"].number
_SUBMIT_BATCH: Final = trading_pb2.SubmitBatchRequest.DESCRIPTOR.fields_by_name["batch"].number
_SUBMIT_OUTCOME: Final = trading_pb2.SubmitBatchResponse.DESCRIPTOR.fields_by_name["outcome"].number


class ColumnAnswer(NamedTuple):
    """An answer to a batch: the height (0: it reached no block), and the columns of `BatchOutcome` by name, int64."""

    height: int
    columns: Mapping[str, np.ndarray]

    @property
    def rows(self) -> int:
        """Rows answered."""
        return len(self.columns["status"]) if "status" in self.columns else 0


def batch_bytes(key: bytes, venue: int, body: str, columns: np.ndarray, expires_ms: int = 0) -> bytes:
    """A `CommandBatch` whose body has only columns: `columns` is int64[fields, rows] in the order of its fields.

    Raises ValueError for a body that has other fields, or another number of them.
    """
    field = _BATCH[body]
    kind = field.message_type
    assert kind is not None
    numbers = [column.number for column in kind.fields if column.is_repeated]
    if len(numbers) != len(columns) or len(numbers) != len(kind.fields):
        raise ValueError(f"{body} has {len(kind.fields)} fields, of them {len(numbers)} columns, not {len(columns)}")
    rows = np.ascontiguousarray(columns, dtype="<i8")
    length = _varint(8 * rows.shape[1])
    parts: list[bytes] = []
    for number, row in zip(numbers, rows, strict=True):
        parts += (_tag(number, _BYTES), length, row.tobytes())
    content = b"".join(parts)
    head = _field(_BATCH["request_key"].number, key)
    if expires_ms:
        head += _tag(_BATCH["expires_ms"].number, _VARINT) + _varint(expires_ms)
    head += _tag(_BATCH["venue"].number, _VARINT) + _varint(venue)
    return head + _tag(field.number, _BYTES) + _varint(len(content)) + content


def stream_request(batch: bytes) -> bytes:
    """A `StreamOrdersRequest` with this batch."""
    return _field(_STREAM_BATCH, batch)


def submit_request(batch: bytes) -> bytes:
    """A `SubmitBatchRequest` with this batch."""
    return _field(_SUBMIT_BATCH, batch)


def stream_answer(response: bytes) -> ColumnAnswer:
    """What a `StreamOrdersResponse` holds. Raises DecodeError."""
    return _answer(response, _STREAM_OUTCOME)


def submit_answer(response: bytes) -> ColumnAnswer:
    """What a `SubmitBatchResponse` holds. Raises DecodeError."""
    return _answer(response, _SUBMIT_OUTCOME)


def answer_of(outcome: answers_pb2.BatchOutcome) -> ColumnAnswer:
    """The columns of an answer that came as a message."""
    names = _OUTCOME.values()
    return ColumnAnswer(outcome.height, {name: np.asarray(getattr(outcome, name), dtype=np.int64) for name in names})


def _answer(response: bytes, field: int) -> ColumnAnswer:
    view = memoryview(response)
    outcome = memoryview(b"")
    for number, value in _fields(view):
        if number == field and isinstance(value, memoryview):
            outcome = value
    height = 0
    columns: dict[str, np.ndarray] = {}
    for number, value in _fields(outcome):
        if number == _HEIGHT and isinstance(value, int):
            height = value
        elif number in _OUTCOME:
            if not isinstance(value, memoryview) or len(value) % 8:
                raise DecodeError(f"column {_OUTCOME[number]} is not packed")
            columns[_OUTCOME[number]] = np.frombuffer(value, dtype="<i8")
    return ColumnAnswer(height, columns)


def _fields(view: memoryview) -> Sequence[tuple[int, int | memoryview]]:
    """Numbers and values of the fields of a message: varints as numbers, everything with a length as a view."""
    found: list[tuple[int, int | memoryview]] = []
    at, end = 0, len(view)
    while at < end:
        tag, at = _read_varint(view, at)
        if tag & 7 == _VARINT:
            number, at = _read_varint(view, at)
            found.append((tag >> 3, number))
        elif tag & 7 == _BYTES:
            length, at = _read_varint(view, at)
            if at + length > end:
                raise DecodeError("a field ends behind its message")
            found.append((tag >> 3, view[at : at + length]))
            at += length
        else:
            raise DecodeError(f"wire type {tag & 7} in an answer of columns")
    return found


def _read_varint(view: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(view) and shift < 70:
        byte = view[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise DecodeError("a number without an end")


def _field(number: int, content: bytes) -> bytes:
    return _tag(number, _BYTES) + _varint(len(content)) + content


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
