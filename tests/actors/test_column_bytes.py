"""Messages serialised with their columns copied whole are the bytes the library writes."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.column_bytes import field_bytes, serialise
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import common_pb2 as common

SPOKEN = [
    kind
    for name in batches.DESCRIPTOR.message_types_by_name
    if (kind := getattr(batches, name)) and name.endswith(("Call", "Reply", "View", "Views"))
]


def filled(kind: Any, draw: np.random.Generator, rows: int, depth: int = 0) -> Any:
    """A message whose fields are drawn: columns of `rows` numbers, lists of a few, some of them left out."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if draw.random() < 0.2 or (depth > 3 and field.type == field.TYPE_MESSAGE):
            continue
        if field.type == field.TYPE_SFIXED64:
            column = draw.integers(-(1 << 63), (1 << 63) - 1, rows, endpoint=True)
            getattr(message, field.name).extend(column.tolist())
            continue
        if field.containing_oneof and field.containing_oneof.fields[0] is not field and draw.random() < 0.5:
            continue
        values = [drawn(field, draw, rows, depth) for _ in range(int(draw.integers(3)) if field.is_repeated else 1)]
        if field.is_repeated:
            getattr(message, field.name).extend(values)
        elif field.type == field.TYPE_MESSAGE:
            getattr(message, field.name).CopyFrom(values[0])
        else:
            setattr(message, field.name, values[0])
    return message


def drawn(field: Any, draw: np.random.Generator, rows: int, depth: int) -> Any:
    if field.type == field.TYPE_MESSAGE:
        return filled(field.message_type._concrete_class, draw, rows, depth + 1)
    if field.type == field.TYPE_BYTES:
        return draw.bytes(int(draw.integers(200)))
    if field.type == field.TYPE_STRING:
        return "breakwater é"[: int(draw.integers(13))]
    if field.type == field.TYPE_BOOL:
        return bool(draw.integers(2))
    if field.type == field.TYPE_ENUM:
        return int(draw.choice([value.number for value in field.enum_type.values]))
    bits = 32 if field.type in (field.TYPE_UINT32, field.TYPE_INT32) else 64
    signed = field.type in (field.TYPE_INT32, field.TYPE_INT64)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return [low, high, 0, 1, 127, 128, 300][int(draw.integers(7))]


@pytest.mark.parametrize("kind", [*SPOKEN, blocks.Carry], ids=lambda kind: kind.DESCRIPTOR.name)
@pytest.mark.parametrize("rows", [0, 3, 64, 130])
def test_what_actors_say_is_serialised_as_the_library_does(kind: Any, rows: int) -> None:
    for seed in range(3):
        message = filled(kind, np.random.default_rng(seed), rows)
        assert serialise(message) == message.SerializeToString(deterministic=True)


@settings(deadline=None)
@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=3))
def test_fields_strung_together_are_one_message(numbers: list[int]) -> None:
    rows = batches.AccountRows(account=numbers * 70)
    mark = common.Mark(venue=3)
    head = batches.ShardCommands(opened=rows).SerializeToString()
    whole = b"".join((head, field_bytes(batches.ShardCommands, "freezes", serialise(rows))))
    assert batches.ShardCommands.FromString(whole) == batches.ShardCommands(opened=rows, freezes=rows)
    call = field_bytes(batches.VersionCall, "mark", mark.SerializeToString())
    assert batches.VersionCall.FromString(call) == batches.VersionCall(mark=mark)
