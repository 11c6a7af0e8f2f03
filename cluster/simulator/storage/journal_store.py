"""The journal's store in a simulated world: frames as bytes with lengths in a log, the lease in a file beside it.

Embedded, it is a file that one process has open; as a server it outlives its writers, keeps several of them apart by
the epoch of the lease, and may go down in the middle of an append.
"""

import json
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from zlib import crc32

from cluster.journal import GENESIS_TIP, Frame, Tip
from cluster.simulator.faults import Chaos
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.storage.disk import SimDisk

LOG, LEASE = "journal/log", "journal/lease"
# How long a holder of a lease on a server may be silent before somebody else gets it without force.
LEASE_MS = 2_000

_MAGIC = b"frame\x00\x01\x02"
# What comes before a payload, and a sum of it: a length that is wrong must not swallow the frames behind it.
_HEAD = struct.Struct(">8sQQ32s32sI")
_SUM = struct.Struct(">I")
_BEFORE_PAYLOAD = _HEAD.size + _SUM.size


@dataclass(frozen=True, slots=True)
class Lease:
    """Who writes; the place last known to be durable; the place the first frame kept follows."""

    epoch: int = 0
    holder: str = ""
    seen_ms: int = 0
    anchor: Tip = GENESIS_TIP
    start: Tip = GENESIS_TIP

    def save(self) -> bytes:
        """As bytes a person can read."""
        places = {name: [place.height, place.hash.hex(), place.epoch] for name, place in self._places()}
        return json.dumps({"epoch": self.epoch, "holder": self.holder, "seen_ms": self.seen_ms, **places}).encode()

    def _places(self) -> list[tuple[str, Tip]]:
        return [("anchor", self.anchor), ("start", self.start)]

    @classmethod
    def load(cls, saved: bytes) -> "Lease":
        """What `save` gave; nobody's lease where there is none."""
        if not saved:
            return cls()
        read = json.loads(saved)
        places = {
            name: Tip(height, bytes.fromhex(digest), epoch)
            for name in ("anchor", "start")
            for height, digest, epoch in [read[name]]
        }
        return cls(read["epoch"], read["holder"], read["seen_ms"], **places)


class JournalStore:
    """What every writer of one journal meets: the bytes, the lease, and whether the store answers."""

    def __init__(self, disk: SimDisk, scheduler: Scheduler, chaos: Chaos, is_server: bool) -> None:
        self.disk = disk
        self.scheduler = scheduler
        self.chaos = chaos
        self.is_server = is_server
        self.opened_by = ""  # of an embedded store
        self.down_until_ms = 0

    @property
    def is_down(self) -> bool:
        """Whether a server does not answer now."""
        return self.scheduler.now_ms < self.down_until_ms

    def lease(self) -> Lease:
        """As it stands in the store."""
        return Lease.load(self.disk.read(LEASE))

    def put_lease(self, lease: Lease) -> None:
        """One statement: old or new, durable."""
        self.disk.replace(LEASE, lease.save())

    def insert(self, frame: Frame) -> bool:
        """The fenced append: durable when it returns, False where the frame's epoch is not the lease's.

        Raises OSError, with nothing left of the frame in the log.
        """
        if self.lease().epoch != frame.epoch:
            return False
        self.write(frame)
        self.disk.sync(LOG)
        return True

    def insert_unseen(self, frame: Frame) -> None:
        """An append nobody hears the outcome of."""
        with suppress(OSError):
            self.insert(frame)

    def write(self, frame: Frame) -> None:
        """The first half of an insert: in the log, not durable."""
        size = self.disk.size(LOG)
        try:
            self.disk.append(LOG, encode(frame))
        except OSError:
            self.disk.truncate(LOG, size)
            raise

    def go_down(self, for_ms: int) -> None:
        """The server loses its power; what it had synced stays."""
        self.down_until_ms = self.scheduler.now_ms + for_ms
        self.disk.lose_power()

    def records(self) -> Iterator[tuple[int, Frame]]:
        """What is in the log, whole or not, with the place of each in the file."""
        return decode(self.disk.read(LOG))


def encode(frame: Frame) -> bytes:
    """A frame as the log has it."""
    head = _HEAD.pack(_MAGIC, frame.height, frame.epoch, frame.prev_hash, frame.hash, len(frame.payload))
    return head + _SUM.pack(crc32(head)) + frame.payload


def decode(raw: bytes) -> Iterator[tuple[int, Frame]]:
    """Frames as they are found; a stretch of bytes that is none is passed on as a frame of height 0."""
    at = 0
    while at < len(raw):
        following = raw.find(_MAGIC, at + 1)
        end = _end_of_record(raw, at)
        if end is None:
            end = following if following >= 0 else len(raw)
            yield at, Frame(0, 0, b"", b"", raw[at:end])
        else:
            _, height, epoch, prev_hash, digest, _ = _HEAD.unpack_from(raw, at)
            yield at, Frame(height, epoch, prev_hash, digest, raw[at + _BEFORE_PAYLOAD : end])
        at = end


def _end_of_record(raw: bytes, at: int) -> int | None:
    head = raw[at : at + _HEAD.size]
    if len(raw) - at < _BEFORE_PAYLOAD or not head.startswith(_MAGIC):
        return None
    if _SUM.unpack_from(raw, at + _HEAD.size)[0] != crc32(head):
        return None
    end = at + _BEFORE_PAYLOAD + int(_HEAD.unpack(head)[5])
    return end if end <= len(raw) else None
