"""What a block is named by: the roots, the hash of a header (docs/block.md, Roots)."""

from collections.abc import Mapping, Sequence

from blake3 import blake3

from actors.chain import merkle
from actors.columns import RowGatherer
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import blocks_pb2 as blocks

_STATE_TAG = b"breakwater/state/1"
_HEADER_TAG = b"breakwater/header/1"


def commands_root(serialised_batches: Sequence[bytes]) -> bytes:
    """Merkle root of the serialised batches."""
    return merkle.root(serialised_batches)


def state_root(
    buckets: Sequence[bytes],
    actors: Mapping[str, bytes],
    outbox: batches.Legs,
    cross_outbox: batches.CrossLegs | RowGatherer[batches.CrossLegs],
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
