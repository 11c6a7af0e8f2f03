"""What a block is named by: the numbering of events, the roots, the hash of a header (docs/block.md, Roots)."""

from collections.abc import Mapping, Sequence
from functools import cache

from blake3 import blake3

from actors.chain import merkle
from actors.chain.numbered_events import NumberedEvents
from actors.columns import sort_rows
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import events_pb2 as events

_STATE_TAG = b"breakwater/state/1"
_HEADER_TAG = b"breakwater/header/1"
_VARINT_MORE = 128
_INDEX_TAG = bytes([events.Event.DESCRIPTOR.fields_by_name["index"].number << 3])


def number_events(pending: batches.PendingEvents, height: int, block_time_ms: int) -> NumberedEvents:
    """The block's events in their order, serialised with height, index and time.

    The numbers are prepended as bytes of their own: fields 1 to 3 come first in the canonical order anyway.
    """
    ordered = sort_rows(pending, "phase", "a", "b", "c")
    before = events.Event(height=height).SerializeToString()
    after = events.Event(block_time_ms=block_time_ms).SerializeToString()
    heads = (before + _index_field(index) + after for index in range(len(ordered.event)))
    return NumberedEvents.of(head + body for head, body in zip(heads, ordered.event, strict=True))


@cache
def _index_field(index: int) -> bytes:
    """`Event.index` as the library writes it: a varint, and nothing for 0."""
    if not index:
        return b""
    field = bytearray(_INDEX_TAG)
    while index >= _VARINT_MORE:
        field.append(index % _VARINT_MORE | _VARINT_MORE)
        index //= _VARINT_MORE
    field.append(index)
    return bytes(field)


def events_root(numbered: Sequence[bytes]) -> bytes:
    """Merkle root of the serialised events."""
    return merkle.root(numbered)


def commands_root(serialised_batches: Sequence[bytes]) -> bytes:
    """Merkle root of the serialised batches."""
    return merkle.root(serialised_batches)


def state_root(
    buckets: Sequence[bytes],
    actors: Mapping[str, bytes],
    outbox: batches.Legs,
    cross_outbox: batches.CrossLegs,
    version_outbox: batches.VersionLegs,
) -> bytes:
    """BLAKE3 over the 1,024 bucket digests, then (name, digest) by name, then the outboxes."""
    hasher = blake3(_STATE_TAG + b"".join(buckets))
    for name in sorted(actors):
        hasher.update(len(name).to_bytes(2, "big") + name.encode() + actors[name])
    hasher.update(outbox.SerializeToString(deterministic=True))
    hasher.update(cross_outbox.SerializeToString(deterministic=True))
    hasher.update(version_outbox.SerializeToString(deterministic=True))
    return hasher.digest()


def header_hash(header: bytes) -> bytes:
    """The hash of a serialised header: what the next header names and the validator signs."""
    return blake3(_HEADER_TAG + header).digest()


def serialise_header(header: blocks.BlockHeader) -> bytes:
    """The bytes that are hashed, signed and stored."""
    return header.SerializeToString(deterministic=True)
