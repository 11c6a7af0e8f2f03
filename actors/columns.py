"""Column messages: repeated fields of equal length, one index a row. How they are joined, sorted, picked and split.

Numbers are `repeated sfixed64` and become int64 matrices with a row a column; bytes columns (digests) stay lists.
Functions that take a message of numbers take its rows (`RowGatherer`) as well, and give back what they were given.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Generic, TypeVar

import numpy as np
from google.protobuf.message import Message

from actors.column_bytes import columns_bytes, columns_parts, read_columns
from actors.row_order import order_of, order_of_groups

BUCKETS = 1024
_FEW = 12
# From so many rows on a column is copied whole before it is read cell by cell.
_MANY = 64
# Up to so many rows a message is read by its bytes.
_SHORT = 256

M = TypeVar("M", bound=Message)


def field_names(message: Any) -> list[str]:
    """The columns, in field order."""
    return _names(message.DESCRIPTOR)


@cache
def _names(descriptor: Any) -> list[str]:
    """Asked for with every row, so read from the descriptor once."""
    return [field.name for field in descriptor.fields]


@cache
def _has_cells(descriptor: Any) -> bool:
    """Whether a column's bytes are its cells: numbers of eight bytes, whatever they are."""
    return all(field.type == field.TYPE_SFIXED64 for field in descriptor.fields)


@cache
def _numbered(descriptor: Any) -> dict[str, int]:
    return {name: place for place, name in enumerate(_names(descriptor))}


def row_count(message: Any) -> int:
    """How many rows; the columns must be of equal length (`ragged_column` tells)."""
    if isinstance(message, RowGatherer):
        return len(message)
    return len(getattr(message, _names(message.DESCRIPTOR)[0]))


def ragged_column(message: Any) -> tuple[int, int] | None:
    """(length of the first column, length of the first other that differs), or None when all are equal."""
    if isinstance(message, RowGatherer):
        return None
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
    if isinstance(message, RowGatherer):
        message.add(*values)  # type: ignore[arg-type]  # of numbers only
        return
    for name, value in zip(_names(message.DESCRIPTOR), values, strict=True):
        getattr(message, name).append(value)


def matrix(message: Any) -> np.ndarray:
    """The columns of a message of numbers as the rows of an int64 matrix, in field order."""
    if isinstance(message, RowGatherer):
        return message.matrix()
    if row_count(message) <= _SHORT and _has_cells(message.DESCRIPTOR):
        # A column at a time costs more where there is little to read.
        read = read_columns(type(message), message.SerializeToString())
        if read is not None:
            return read
    columns = [getattr(message, name) for name in _names(message.DESCRIPTOR)]
    read = np.empty((len(columns), len(columns[0])), dtype=np.int64)
    for row, column in enumerate(columns):
        read[row] = column
    return read


def from_matrix(kind: type[M], columns: np.ndarray) -> M:
    """The message of numbers whose columns, in field order, are the rows of an int64 matrix."""
    return extend(kind(), columns)


def extend(message: M, columns: np.ndarray) -> M:
    """Appends the columns of an int64 matrix to a message of numbers, as rows; returns the message."""
    gatherer: Any = message
    if isinstance(gatherer, RowGatherer):
        gatherer.add_columns(columns)
        return message
    kind = type(message)
    assert len(columns) == len(_names(kind.DESCRIPTOR)), f"{kind.DESCRIPTOR.name} of {len(columns)} columns"
    message.MergeFromString(columns_bytes(kind, columns))
    return message


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
    """Rows of a message of numbers, a value or a row of the matrix for every column, in field order.

    It can stand where the message does: columns are read by their names, as sequences of numbers.
    """

    def __init__(self, kind: type[M], columns: np.ndarray | None = None) -> None:
        super().__init__(len(_names(kind.DESCRIPTOR)))
        self._kind = kind
        if columns is not None:
            self.add_columns(columns)

    @property
    def DESCRIPTOR(self) -> Any:
        """The message's."""
        return self._kind.DESCRIPTOR

    def __getattr__(self, name: str) -> memoryview:
        """A column: it is read as a list is, and `array` does not copy it."""
        if name.startswith("_") or name not in _numbered(self._kind.DESCRIPTOR):
            raise AttributeError(f"{type(self).__name__} has no {name}")
        return self.matrix()[_numbered(self._kind.DESCRIPTOR)[name]].data

    def take(self, message: M) -> None:
        """Appends the rows of a message."""
        if row_count(message):
            self.add_columns(matrix(message))

    MergeFrom = take

    def MergeFromString(self, data: Any) -> None:
        """Appends the rows of a serialised message."""
        columns = read_columns(self._kind, data)
        if columns is None:
            self.take(self._kind.FromString(bytes(data)))
        else:
            self.add_columns(columns)

    def parts(self) -> list[Any]:
        """The message serialised, in pieces to be strung together."""
        return columns_parts(self._kind, self.matrix()) if len(self) else []

    def SerializeToString(self, deterministic: bool = True) -> bytes:
        """The message serialised, as the library does."""
        return b"".join(self.parts())

    def put(self, target: M) -> None:
        """Appends the rows to a message; nothing is touched where there are none."""
        if len(self):
            extend(target, self.matrix())

    def message(self) -> M:
        """The rows as columns."""
        return from_matrix(self._kind, self.matrix()) if len(self) else self._kind()


def rows(message: Any) -> Iterable[tuple[Any, ...]]:
    """The rows as tuples, in field order."""
    count = row_count(message)
    if not count:
        return ()
    if isinstance(message, RowGatherer):
        return zip(*message.matrix().tolist(), strict=True)
    columns = [getattr(message, name) for name in field_names(message)]
    if count >= _MANY and not _has_bytes(message.DESCRIPTOR):
        columns = matrix(message).tolist()
    return zip(*columns, strict=True)


@cache
def _has_bytes(descriptor: Any) -> bool:
    return any(field.type == field.TYPE_BYTES for field in descriptor.fields)


def join(target: M, parts: Iterable[Any]) -> M:
    """Appends the rows of the parts to the target and returns it."""
    for part in parts:
        if isinstance(part, RowGatherer):
            part.put(target)
        elif row_count(part):
            target.MergeFrom(part)
    return target


def pick(message: M, indices: Sequence[int] | np.ndarray) -> M:
    """A new message of numbers with the rows of these indices, in their order."""
    return _alike(message, matrix(message)[:, array(indices)])


def _alike(message: Any, columns: np.ndarray) -> Any:
    """Other rows in the same form."""
    if isinstance(message, RowGatherer):
        return RowGatherer(message._kind, columns)
    return from_matrix(type(message), columns)


def kind_of(message: Any) -> type[Message]:
    """The message whose rows these are."""
    return message._kind if isinstance(message, RowGatherer) else type(message)


def split_by(message: M, *keys: str) -> dict[tuple[int, ...], M]:
    """A message for every combination of the named columns that occurs, each with its rows in their order."""
    if not row_count(message):
        return {}
    parts = split_columns(kind_of(message), matrix(message), *keys)
    return {key: _alike(message, part) for key, part in parts.items()}


def split_columns(kind: type[Message], columns: np.ndarray, *keys: str) -> dict[tuple[int, ...], np.ndarray]:
    """`split_by` of the matrix of a message; in the order of the keys."""
    if not columns.shape[1]:
        return {}
    places = _places(kind.DESCRIPTOR, keys)
    named = columns[places]
    if columns.shape[1] == 1 or (named == named[:, :1]).all():
        return {tuple(named[:, 0].tolist()): columns}
    order = order_of_groups(named)
    if order is not None:
        columns = columns.take(order, axis=1)
        named = columns[places]
    changes = (named[:, 1:] != named[:, :-1]).any(axis=0)
    bounds = [0, *(np.flatnonzero(changes) + 1).tolist(), columns.shape[1]]
    return {tuple(named[:, begin].tolist()): columns[:, begin:end] for begin, end in pairwise(bounds)}


@cache
def _places(descriptor: Any, keys: tuple[str, ...]) -> list[int]:
    """Where the named columns stand among the columns."""
    return [_names(descriptor).index(key) for key in keys]


def sort_rows(message: M, *keys: str) -> M:
    """The rows ordered by the named columns, the first the weightiest; equal rows keep their order."""
    if row_count(message) < 2:
        return message
    columns = matrix(message)
    ordered = sorted_columns(kind_of(message), columns, *keys)
    return message if ordered is columns else _alike(message, ordered)


def sorted_columns(kind: type[Message], columns: np.ndarray, *keys: str) -> np.ndarray:
    """`sort_rows` of the matrix of a message; the matrix itself where it is in order."""
    if columns.shape[1] < 2:
        return columns
    order = order_of(columns[_places(kind.DESCRIPTOR, keys)])
    return columns if order is None else columns.take(order, axis=1)


def split_by_shard(message: M, owners: np.ndarray, shards: int) -> list[M]:
    """One message a shard, by the owner of the bucket of the `account` column; `owners` has an entry a bucket."""
    if shards == 1 or row_count(message) == 0:
        return [message] + [type(message)() for _ in range(shards - 1)]
    kind = type(message)
    return [from_matrix(kind, part) for part in columns_by_shard(kind, matrix(message), owners, shards)]


def columns_by_shard(kind: type[Message], columns: np.ndarray, owners: np.ndarray, shards: int) -> list[np.ndarray]:
    """`split_by_shard` of the matrix of a message."""
    if shards == 1:
        return [columns]
    owner = owners[columns[_names(kind.DESCRIPTOR).index("account")] % BUCKETS]
    return [columns.compress(owner == shard, axis=1) for shard in range(shards)]
