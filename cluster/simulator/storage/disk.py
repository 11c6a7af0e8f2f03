"""A disk of bytes. What was written and not synced when the power goes may be there, be gone, or be there in part."""

import errno
from collections.abc import Callable

from cluster.simulator.faults import Chaos, Fault


class SimDisk:
    """Files by name. `is_full` is asked at every write; a full disk takes a part of it first, as real ones do."""

    def __init__(self, chaos: Chaos, is_full: Callable[[], bool] = lambda: False) -> None:
        self._chaos = chaos
        self._is_full = is_full
        self._files: dict[str, bytearray] = {}
        self._synced: dict[str, int] = {}

    def append(self, name: str, content: bytes) -> None:
        """Adds to the end of a file, not durable before `sync`. Raises OSError (ENOSPC) with a part of it written."""
        file = self._files.setdefault(name, bytearray())
        self._synced.setdefault(name, 0)
        if self._is_full():
            file += content[: len(content) // 2]
            raise OSError(errno.ENOSPC, "No space left on device")
        file += content

    def sync(self, name: str) -> None:
        """All of the file is durable."""
        self._synced[name] = len(self._files[name])

    def truncate(self, name: str, size: int) -> None:
        """Cuts a file, at once and for good."""
        if name in self._files:
            del self._files[name][size:]
            self._synced[name] = min(self._synced[name], size)

    def replace(self, name: str, content: bytes) -> None:
        """A whole file under this name, old or new whatever happens (written aside, synced, renamed)."""
        if self._is_full():
            raise OSError(errno.ENOSPC, "No space left on device")
        self.put_back(name, content)

    def put_back(self, name: str, content: bytes) -> None:
        """A file as it was in a backup."""
        self._files[name] = bytearray(content)
        self._synced[name] = len(content)

    def rename(self, old: str, new: str) -> None:
        """Whole or not at all."""
        self._files[new], self._synced[new] = self._files.pop(old), self._synced.pop(old)

    def remove(self, name: str) -> None:
        """Harmless where there is none."""
        self._files.pop(name, None)
        self._synced.pop(name, None)

    def read(self, name: str) -> bytes:
        """What a process finds; nothing where there is no such file."""
        return bytes(self._files.get(name, b""))

    def size(self, name: str) -> int:
        """Bytes of a file."""
        return len(self._files.get(name, b""))

    def has(self, name: str) -> bool:
        """Whether there is such a file."""
        return name in self._files

    def names(self, prefix: str) -> list[str]:
        """Files that begin so, in order."""
        return sorted(name for name in self._files if name.startswith(prefix))

    def lose_power(self) -> None:
        """What was not synced stays, goes, or stays in part with the rest of it zeros or nothing."""
        for name in sorted(self._files):
            synced = self._synced[name]
            loose = len(self._files[name]) - synced
            if not loose:
                continue
            if self._chaos.strikes(Fault.WRITE_TORN, name):
                kept = synced + self._chaos.between(Fault.WRITE_TORN, 0, loose - 1)
                zeros = self._chaos.between(Fault.WRITE_TORN, 0, 1) * (synced + loose - kept)
                self._files[name][kept:] = bytes(zeros)
            elif self._chaos.strikes(Fault.WRITE_LOST, name):
                del self._files[name][synced:]
            self._synced[name] = len(self._files[name])

    def flip(self, name: str, bit: int) -> None:
        """Turns one bit of a file over."""
        self._files[name][bit // 8] ^= 1 << (bit % 8)
