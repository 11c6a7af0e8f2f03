"""A frame: one block as the journal stores it, chained to the frame before by a BLAKE3 hash."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from blake3 import blake3

HASH_BYTES = 32
MAX_HEIGHT = (1 << 63) - 1  # what every SQL store can hold in its integer column
_DOMAIN = b"breakwater/journal-frame/v1\x00"
_NUMBERS = struct.Struct(">QQ")

GENESIS_HEIGHT = 0
GENESIS_HASH: bytes = blake3(b"breakwater/journal-genesis/v1\x00").digest()
FIRST_HEIGHT = GENESIS_HEIGHT + 1


def frame_hash(height: int, epoch: int, prev_hash: bytes, payload: bytes) -> bytes:
    """Return the 32-byte hash of a frame: all before the payload has a fixed length, so no two read alike.

    Raises ValueError when a number is out of range or prev_hash is not 32 bytes.
    """
    if not (FIRST_HEIGHT <= height <= MAX_HEIGHT and 0 <= epoch <= MAX_HEIGHT):
        raise ValueError(f"height {height} or epoch {epoch} is out of range")
    if len(prev_hash) != HASH_BYTES:
        raise ValueError(f"previous hash has {len(prev_hash)} bytes, not {HASH_BYTES}")
    hasher = blake3(_DOMAIN + _NUMBERS.pack(height, epoch) + prev_hash)
    hasher.update(payload)
    return hasher.digest()


@dataclass(frozen=True, slots=True)
class Frame:
    """One block of the journal. `hash` covers every other field."""

    height: int
    epoch: int
    prev_hash: bytes
    hash: bytes
    payload: bytes

    @classmethod
    def seal(cls, height: int, epoch: int, prev_hash: bytes, payload: bytes) -> Frame:
        """Make the frame that follows `prev_hash`, with its hash computed."""
        return cls(height, epoch, prev_hash, frame_hash(height, epoch, prev_hash, payload), payload)

    @property
    def tip(self) -> Tip:
        """Where a chain ends whose last frame this is."""
        return Tip(self.height, self.hash, self.epoch)


@dataclass(frozen=True, slots=True)
class Tip:
    """Where a chain ends: the last frame's height, hash and lease epoch. An empty journal ends at GENESIS_TIP."""

    height: int
    hash: bytes
    epoch: int = 0

    def next_frame(self, epoch: int, payload: bytes) -> Frame:
        """Seal the frame that extends this tip under the lease `epoch`."""
        return Frame.seal(self.height + 1, epoch, self.hash, payload)


GENESIS_TIP = Tip(GENESIS_HEIGHT, GENESIS_HASH)
