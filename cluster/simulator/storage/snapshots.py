"""A place for snapshots on a simulated disk: the real store (`cluster.snapshots`) writes and verifies there.

A directory, with a temporary name and a rename, or an object store that has none and takes the manifest last.
"""

from collections.abc import Mapping

from cluster.simulator.faults import Fault
from cluster.simulator.process import Process
from cluster.simulator.storage.disk import SimDisk
from cluster.snapshot_places import MANIFEST_NAME

FOLDER = "snapshots/"
_WRITING = ".writing-"


class SimPlace:
    """See `cluster.snapshot_places.Place`. The process may end between any two files."""

    def __init__(self, disk: SimDisk, process: Process, has_renames: bool) -> None:
        self._disk = disk
        self._process = process
        self._has_renames = has_renames

    def names(self) -> list[str]:
        """See `Place`."""
        entries: dict[str, set[str]] = {}
        for path in self._disk.names(FOLDER):
            name, file = path.removeprefix(FOLDER).split("/")
            entries.setdefault(name, set()).add(file)
        return sorted(name for name, files in entries.items() if self._has_renames or MANIFEST_NAME in files)

    def read(self, name: str, file: str) -> bytes:
        """See `Place`."""
        if not self._disk.has(_path(name, file)):
            raise FileNotFoundError(2, "No such file or directory", file)
        return self._disk.read(_path(name, file))

    def size(self, name: str, file: str) -> int:
        """See `Place`."""
        return len(self.read(name, file))

    def put(self, name: str, files: Mapping[str, bytes], manifest: bytes) -> None:
        """See `Place`."""
        self.sweep()
        writing = f"{_WRITING}{name}" if self._has_renames else name
        if not self._has_renames:
            self.remove(name)
        for file, content in [*files.items(), (MANIFEST_NAME, manifest)]:
            self._write(_path(writing, file), content)
        if self._has_renames:
            self.remove(name)
            for path in self._disk.names(_path(writing)):
                self._disk.rename(path, path.replace(writing, name))

    def _write(self, path: str, content: bytes) -> None:
        """An object appears whole; a file is there in part before it is synced."""
        if self._has_renames:
            self._disk.append(path, content)
            self._process.crash_point(Fault.CRASH_IN_SNAPSHOT)
            self._disk.sync(path)
        else:
            self._process.crash_point(Fault.CRASH_IN_SNAPSHOT)
            self._disk.replace(path, content)

    def remove(self, name: str) -> None:
        """See `Place`."""
        self._disk.remove(_path(name, MANIFEST_NAME))
        for path in self._disk.names(_path(name)):
            self._disk.remove(path)

    def sweep(self) -> None:
        """See `Place`."""
        for path in self._disk.names(FOLDER):
            name = path.removeprefix(FOLDER).split("/")[0]
            if name.startswith(_WRITING) or not self._disk.has(_path(name, MANIFEST_NAME)):
                self._disk.remove(path)


def _path(name: str, file: str = "") -> str:
    return f"{FOLDER}{name}/{file}"
