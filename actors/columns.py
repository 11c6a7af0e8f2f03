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


class RowGatherer(Generic[M]):
    """Rows of a column message that come one by one: kept as tuples, turned into columns once."""

    def __init__(self, kind: type[M]) -> None:
        self._kind = kind
        self._rows: list[tuple[int | bytes, ...]] = []

    def add(self, *values: int | bytes) -> None:
        """Appends one row; a value for every column, in field order."""
        self._rows.append(values)

    def __len__(self) -> int:
        return len(self._rows)

    def message(self) -> M:
        """The rows as columns."""
        if not self._rows:
            return self._kind()
        columns = zip(*self._rows, strict=True)
        return self._kind(**dict(zip(_names(self._kind.DESCRIPTOR), columns, strict=True)))


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
