"""Column messages: repeated fields of equal length, one index a row. How they are joined, sorted, picked and split.

Numbers are `repeated sfixed64` and become int64 NumPy arrays; bytes columns (events, digests) stay lists.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy as np
from google.protobuf.message import Message

BUCKETS = 1024
_FEW = 12
# From so many rows on a column is copied whole before it is read cell by cell.
_MANY = 64
_CELL_BYTES = 8
_LENGTH_DELIMITED = 2
_TAG_BITS = 3
_VARINT_BITS = 7
_VARINT_MORE = 128
_VARINT_MASK = 127

M = TypeVar("M", bound=Message)


def field_names(message: Any) -> list[str]:
    """The columns, in field order."""
    return _names(message.DESCRIPTOR)


@cache
def _names(descriptor: Any) -> list[str]:
    """Asked for with every row, so read from the descriptor once."""
    return [field.name for field in descriptor.fields]


def row_count(message: Any) -> int:
    """How many rows; the columns must be of equal length (`ragged_column` tells)."""
    return len(getattr(message, _names(message.DESCRIPTOR)[0]))


def ragged_column(message: Any) -> tuple[int, int] | None:
    """(length of the first column, length of the first other that differs), or None when all are equal."""
    lengths = [len(getattr(message, name)) for name in field_names(message)]
    return next(((lengths[0], length) for length in lengths if length != lengths[0]), None)


def array(column: Iterable[int]) -> np.ndarray:
    """One column as int64."""
    return np.asarray(column, dtype=np.int64)


def among(values: np.ndarray, allowed: Collection[int]) -> np.ndarray:
    """`np.isin`, which costs more than it does where there is little to compare."""
    if len(allowed) > _FEW:
        return np.isin(values, list(allowed))
    found = np.zeros(values.shape, dtype=np.bool_)
    for one in allowed:
        found |= values == one
    return found


def add_row(message: Any, *values: int | bytes) -> None:
    """Appends one row; a value for every column, in field order."""
    for name, value in zip(_names(message.DESCRIPTOR), values, strict=True):
        getattr(message, name).append(value)


def matrix(message: Any) -> np.ndarray:
    """The columns of a message of numbers as the rows of an int64 matrix, in field order."""
    columns = [getattr(message, name) for name in _names(message.DESCRIPTOR)]
    read = np.empty((len(columns), len(columns[0])), dtype=np.int64)
    if read.shape[1]:
        for row, column in enumerate(columns):
            read[row] = column
    return read


def from_matrix(kind: type[M], columns: np.ndarray) -> M:
    """The message of numbers whose columns, in field order, are the rows of an int64 matrix."""
    assert len(columns) == len(_names(kind.DESCRIPTOR)), f"{kind.DESCRIPTOR.name} of {len(columns)} columns"
    return kind.FromString(columns_bytes(kind, columns))


def columns_bytes(kind: type[Message], columns: np.ndarray, rest: bytes = b"") -> bytes:
    """A column message, serialised, whose first columns, in field order, are the rows of an int64 matrix.

    These must be sfixed64; `rest` is what follows them, serialised. The library writes the same bytes, but takes 30
    times as long, cell by cell.
    """
    count = columns.shape[1]
    if not count:
        return rest
    length = varint(_CELL_BYTES * count)
    data, step = np.ascontiguousarray(columns, dtype="<i8").tobytes(), _CELL_BYTES * count
    tags = _tags(kind.DESCRIPTOR)[: len(columns)]
    parts = [part for at, tag in enumerate(tags) for part in (tag, length, data[at * step : (at + 1) * step])]
    return b"".join([*parts, rest])


@cache
def _tags(descriptor: Any) -> list[bytes]:
    """Tag bytes of the columns, in field order."""
    return [varint(field.number << _TAG_BITS | _LENGTH_DELIMITED) for field in descriptor.fields]


def varint(number: int) -> bytes:
    """A number from 0 on as protobuf writes it."""
    out = bytearray()
    while number > _VARINT_MASK:
        out.append(number & _VARINT_MASK | _VARINT_MORE)
        number >>= _VARINT_BITS
    out.append(number)
    return bytes(out)


class Rows:
    """Rows of numbers that come one by one or as matrices, kept in their order and turned into a matrix once."""

    def __init__(self, columns: int) -> None:
        self._columns = columns
        self._rows: list[tuple[int, ...]] = []
        self._blocks: list[np.ndarray] = []
        self._in_blocks = 0

    def add(self, *values: int) -> None:
        """Appends one row; a value for every column."""
        self._rows.append(values)

    def add_columns(self, columns: np.ndarray) -> None:
        """Appends the columns of an int64 matrix as rows. The matrix must not change afterwards."""
        if columns.shape[1]:
            self._close_rows()
            self._take(columns)

    def __len__(self) -> int:
        return self._in_blocks + len(self._rows)

    def matrix(self) -> np.ndarray:
        """int64[columns, rows]."""
        self._close_rows()
        if not self._blocks:
            return np.empty((self._columns, 0), dtype=np.int64)
        if len(self._blocks) > 1:
            self._blocks = [np.concatenate(self._blocks, axis=1)]
        return self._blocks[0]

    def _close_rows(self) -> None:
        if self._rows:
            rows, self._rows = self._rows, []
            self._take(np.array(rows, dtype=np.int64).T)

    def _take(self, columns: np.ndarray) -> None:
        assert len(columns) == self._columns, f"{len(columns)} columns where there are {self._columns}"
        self._blocks.append(columns)
        self._in_blocks += columns.shape[1]


class RowGatherer(Rows, Generic[M]):
    """Rows of a message of numbers, a value or a row of the matrix for every column, in field order."""

    def __init__(self, kind: type[M]) -> None:
        super().__init__(len(_names(kind.DESCRIPTOR)))
        self._kind = kind

    def message(self) -> M:
        """The rows as columns."""
        return from_matrix(self._kind, self.matrix())


def rows(message: Any) -> Iterable[tuple[Any, ...]]:
    """The rows as tuples, in field order."""
    count = row_count(message)
    if not count:
        return ()
    columns = [getattr(message, name) for name in field_names(message)]
    if count >= _MANY and not _has_bytes(message.DESCRIPTOR):
        columns = [array(column).tolist() for column in columns]
    return zip(*columns, strict=True)


@cache
def _has_bytes(descriptor: Any) -> bool:
    return any(field.type == field.TYPE_BYTES for field in descriptor.fields)


def join(target: M, parts: Iterable[M]) -> M:
    """Appends the rows of the parts to the target and returns it."""
    for part in parts:
        target.MergeFrom(part)
    return target


def pick(message: M, indices: Sequence[int] | np.ndarray) -> M:
    """A new message of the same kind with the rows of these indices, in their order."""
    picked: Any = type(message)()
    for field in message.DESCRIPTOR.fields:
        column = getattr(message, field.name)
        target = getattr(picked, field.name)
        if field.type == field.TYPE_BYTES:
            target.extend([column[index] for index in indices])
        else:
            target.extend(array(column)[indices].tolist())
    return picked


def split_by(message: M, *keys: str) -> dict[tuple[int, ...], M]:
    """A message for every combination of the named columns that occurs, each with its rows in their order."""
    if not row_count(message):
        return {}
    columns = {name: array(getattr(message, name)) for name in field_names(message)}
    named = [columns[key] for key in keys]
    order = np.lexsort(named[::-1])
    changes = np.any([column[order[1:]] != column[order[:-1]] for column in named], axis=0)
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), len(order)]
    if len(bounds) == 2:  # all of them are alike
        return {tuple(int(column[0]) for column in named): message}
    parts = {}
    sorted_columns = {name: column[order].tolist() for name, column in columns.items()}
    for begin, end in pairwise(bounds):
        rows_of = {name: column[begin:end] for name, column in sorted_columns.items()}
        parts[tuple(rows_of[key][0] for key in keys)] = type(message)(**rows_of)
    return parts


def sort_rows(message: M, *keys: str) -> M:
    """The rows ordered by the named columns, the first the weightiest; equal rows keep their order."""
    if row_count(message) < 2:
        return message
    order = np.lexsort([array(getattr(message, key)) for key in reversed(keys)])
    if (order[1:] > order[:-1]).all():
        return message
    return pick(message, order)


def split_by_shard(message: M, owners: np.ndarray, shards: int) -> list[M]:
    """One message a shard, by the owner of the bucket of the `account` column; `owners` has an entry a bucket."""
    if shards == 1 or row_count(message) == 0:
        return [message] + [type(message)() for _ in range(shards - 1)]
    owner = owners[array(getattr(message, "account")) % BUCKETS]  # noqa: B009 - a column known by name only
    return [pick(message, np.flatnonzero(owner == shard)) for shard in range(shards)]
