"""A block's input as bytes, put together from batches that were serialised once, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

from actors.column_bytes import varint
from breakwater.v1 import commands_pb2 as commands

_BATCHES = "batches"
_BATCHES_TAG = varint(commands.BlockInput.DESCRIPTOR.fields_by_name[_BATCHES].number << 3 | 2)
_VARINT, _LENGTH_DELIMITED = 0, 2
_TYPE_MASK, _VARINT_BITS, _VARINT_MORE, _VARINT_MASK = 7, 7, 128, 127


def block_bytes(block: commands.BlockInput, batches: Sequence[bytes]) -> bytes:
    """The deterministic bytes of a block; `block` is all of it but its batches, which are serialised already."""
    before = commands.BlockInput(height=block.height, block_time_ms=block.block_time_ms)
    after = commands.BlockInput(
        previous_events_root=block.previous_events_root,
        previous_state_root=block.previous_state_root,
        root=block.root,
    )
    parts = [part for batch in batches for part in (_BATCHES_TAG, varint(len(batch)), batch)]
    return b"".join((before.SerializeToString(), *parts, after.SerializeToString()))


def batches_of(payload: bytes) -> list[bytes]:
    """The batches in the bytes of a block, as they were serialised."""
    found, place = [], 0
    while place < len(payload):
        tag, place = _number(payload, place)
        if tag & _TYPE_MASK == _VARINT:
            _, place = _number(payload, place)
            continue
        assert tag & _TYPE_MASK == _LENGTH_DELIMITED, f"field {tag >> 3} of a block has no length"
        length, place = _number(payload, place)
        if tag == _BATCHES_TAG[0]:
            found.append(payload[place : place + length])
        place += length
    return found


def _number(data: bytes, place: int) -> tuple[int, int]:
    """A varint, and where it ends."""
    value = shift = 0
    while True:
        byte = data[place]
        place += 1
        value |= (byte & _VARINT_MASK) << shift
        if byte < _VARINT_MORE:
            return value, place
        shift += _VARINT_BITS
