"""Calls and replies whose big columns lie beside the message: the library reads and writes the rest of it only.

A column on the wire is what it is in memory, so it is copied once on the way in and once on the way out. Whoever reads
finds the columns under the names they have in the message, as `RowGatherer`, events as `EventPile`; functions of
`columns` take both forms. What is short the library reads whole, which then costs less.
"""

from functools import cache
from typing import Any, TypeVar, cast

from google.protobuf.message import Message

from actors.column_bytes import cut_fields, field_parts
from actors.columns import RowGatherer
from actors.pending_events import EventPile
from breakwater.v1 import batches_pb2 as batches

M = TypeVar("M", bound=Message)

# From so many bytes on columns are read beside the message.
WIDE_BYTES = 4096

# The fields that grow with the orders of a block.
_WIDE: dict[type[Message], tuple[str, ...]] = {
    batches.RegistryReply: ("commands", "events", "outcomes"),
    batches.ShardCommands: tuple(field.name for field in batches.ShardCommands.DESCRIPTOR.fields),
    batches.ShardCall: ("commands", "cross_legs"),
    batches.ShardReply: (
        *("events", "outcomes", "order_ops", "caps"),
        *("staged_events", "staged_outcomes", "staged_order_ops", "staged_caps"),
    ),
    batches.BookReply: ("events", "outcomes", "legs"),
    batches.DeskReply: ("events", "outcomes"),
}


class WideMessage:
    """Stands where a message does: fields are read and set by their names."""

    __slots__ = ("_columns", "_kind", "_small")

    def __init__(self, kind: type[Message], small: Message) -> None:
        put = super().__setattr__
        put("_kind", kind)
        put("_small", small)
        put("_columns", {})

    def __getattr__(self, name: str) -> Any:
        held = self._columns.get(name)
        if held is None:
            kind = _kinds(self._kind).get(name)
            if kind is None:
                return getattr(self._small, name)
            held = self._columns[name] = _empty(kind)
        return held

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._small, name, value)

    @property
    def DESCRIPTOR(self) -> Any:
        """The message's."""
        return self._kind.DESCRIPTOR

    def ListFields(self) -> list[tuple[Any, Any]]:
        """Descriptor and value of every field that is not empty, by number."""
        fields = self._kind.DESCRIPTOR.fields_by_name
        wide = [(fields[name], held) for name, held in self._columns.items() if not _is_empty(held)]
        return sorted([*self._small.ListFields(), *wide], key=lambda field: field[0].number)

    def HasField(self, name: str) -> bool:
        """Whether a field is there; a wide one where it has rows."""
        if name in _kinds(self._kind):
            return name in self._columns and not _is_empty(self._columns[name])
        return self._small.HasField(name)

    def is_empty(self) -> bool:
        """Whether no field is set."""
        return not self._small.ByteSize() and all(map(_is_empty, self._columns.values()))

    def MergeFromString(self, data: Any) -> None:
        """Appends columns of a serialised message and takes the rest of it."""
        kinds = _numbers(self._kind)
        rest, found = cut_fields(data, kinds)
        if rest:
            self._small.MergeFromString(b"".join(rest))
        for number, contents in found:
            getattr(self, kinds[number]).MergeFromString(contents)

    def parts(self) -> list[Any]:
        """Serialised, in pieces to be strung together; the columns last, by number."""
        parts = [self._small.SerializeToString(deterministic=True)]
        for name in _kinds(self._kind):
            held = self._columns.get(name)
            if held is not None and not _is_empty(held):
                parts += field_parts(self._kind, name, held.parts())
        return parts

    def SerializeToString(self, deterministic: bool = True) -> bytes:
        """All of it."""
        return b"".join(self.parts())


@cache
def _kinds(kind: type[Message]) -> dict[str, type[Message]]:
    """The messages that the wide fields of a message hold, by number."""
    fields: list[Any] = [field for field in kind.DESCRIPTOR.fields if field.name in _WIDE[kind]]
    return {field.name: getattr(batches, field.message_type.name) for field in fields}


@cache
def _numbers(kind: type[Message]) -> dict[int, str]:
    return {kind.DESCRIPTOR.fields_by_name[name].number: name for name in _WIDE[kind]}


def _is_empty(held: Any) -> bool:
    return bool(held.is_empty()) if isinstance(held, WideMessage) else not len(held)


def _empty(kind: type[Message]) -> Any:
    if kind is batches.PendingEvents:
        return EventPile()
    return WideMessage(kind, kind()) if kind in _WIDE else RowGatherer(kind)


def wide(kind: type[M], **fields: Any) -> M:
    """A message to be filled; `fields` are none of the wide ones."""
    return cast(M, WideMessage(kind, kind(**fields)))


def read_message(kind: type[M], data: bytes) -> M:
    """A serialised message, as the library reads it or wide. Raises what the library does, or ValueError."""
    if len(data) < WIDE_BYTES or kind not in _WIDE:
        return kind.FromString(data)
    message = WideMessage(kind, kind())
    message.MergeFromString(data)
    return cast(M, message)
