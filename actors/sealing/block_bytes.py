"""A block's input as bytes, put together from batches that were serialised once, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence

from actors.column_bytes import cut_fields, field_parts
from breakwater.v1 import commands_pb2 as commands

_BATCHES = commands.BlockInput.DESCRIPTOR.fields_by_name["batches"].number


def block_bytes(block: commands.BlockInput, batches: Sequence[bytes]) -> bytes:
    """The deterministic bytes of a block; `block` is all of it but its batches, which are serialised already."""
    before = commands.BlockInput(height=block.height, block_time_ms=block.block_time_ms)
    after = commands.BlockInput(
        previous_events_root=block.previous_events_root,
        previous_state_root=block.previous_state_root,
        root=block.root,
    )
    parts = [part for batch in batches for part in field_parts(block, "batches", [batch])]
    return b"".join((before.SerializeToString(), *parts, after.SerializeToString()))


def batches_of(payload: bytes) -> list[bytes]:
    """The batches in the bytes of a block, as they were serialised."""
    _, found = cut_fields(payload, (_BATCHES,))
    return [bytes(batch) for _, batch in found]
