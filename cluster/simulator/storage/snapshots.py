"""Snapshots on a simulated disk: a file a height, whole by its content hash or passed over."""

import json
from collections.abc import Callable, Mapping

from blake3 import blake3

from cluster.simulator.faults import Fault
from cluster.simulator.process import Process
from cluster.simulator.storage.disk import SimDisk
from cluster.snapshots import Snapshot

_FOLDER, _KEEP, _DIGEST_BYTES = "snapshots/", 3, 32


class SimSnapshots:
    """See `cluster.stores.Snapshots`. The process may end half-way through a write."""

    def __init__(self, disk: SimDisk, process: Process, notice: Callable[[str], None]) -> None:
        self._disk = disk
        self._process = process
        self._notice = notice

    def write(self, height: int, frame_hash: bytes, parts: Mapping[str, bytes]) -> str:
        """Durable when it returns; under a name of its own until it is whole."""
        content = _encode(frame_hash, parts)
        name, half = f"{_FOLDER}{height:020d}-{blake3(content).hexdigest()}", len(content) // 2
        writing = f"writing/{height}"
        self._disk.remove(writing)
        self._disk.append(writing, content[:half])
        self._process.crash_point(Fault.CRASH_IN_SNAPSHOT)
        self._disk.append(writing, content[half:])
        self._disk.sync(writing)
        for other in self._of_height(height):
            self._disk.remove(other)
        self._disk.rename(writing, name)
        return name

    def latest(self, at_most: int | None = None) -> Snapshot | None:
        """See `newest_whole`."""
        return newest_whole(self._disk, at_most, self._notice)

    def heights(self) -> list[int]:
        """Ascending, whole or damaged."""
        return sorted({_height(name) for name in self._disk.names(_FOLDER)})

    def prune(self) -> list[int]:
        """Removes all but the newest few."""
        old = self.heights()[:-_KEEP]
        for height in old:
            for name in self._of_height(height):
                self._disk.remove(name)
        return old

    def _of_height(self, height: int) -> list[str]:
        return self._disk.names(f"{_FOLDER}{height:020d}-")


def newest_whole(disk: SimDisk, at_most: int | None, notice: Callable[[str], None]) -> Snapshot | None:
    """The newest that verifies, not above a height; damaged ones are told and passed over."""
    for name in reversed(disk.names(_FOLDER)):
        if at_most is not None and _height(name) > at_most:
            continue
        content = disk.read(name)
        if blake3(content).hexdigest() == name[-2 * _DIGEST_BYTES :]:
            return _decode(_height(name), content)
        notice(f"snapshot {_height(name)} is damaged and passed over")
    return None


def _height(name: str) -> int:
    return int(name.removeprefix(_FOLDER)[:20])


def _encode(frame_hash: bytes, parts: Mapping[str, bytes]) -> bytes:
    head = json.dumps([frame_hash.hex(), [[name, len(parts[name])] for name in sorted(parts)]]).encode()
    return len(head).to_bytes(4, "big") + head + b"".join(parts[name] for name in sorted(parts))


def _decode(height: int, content: bytes) -> Snapshot:
    size = int.from_bytes(content[:4], "big")
    frame_hash, entries = json.loads(content[4 : 4 + size])
    parts, at = {}, 4 + size
    for name, length in entries:
        parts[name] = content[at : at + length]
        at += length
    return Snapshot(height, bytes.fromhex(frame_hash), parts, blake3(content).digest())
