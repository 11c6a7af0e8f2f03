"""Where snapshots are kept: a directory, or anything fsspec has a URL for. An entry appears whole or not at all.

A directory is synced and appears by a rename. An object store has no rename: parts are put first and the manifest last,
and an entry without its manifest is not there. What is in it is vouched for by hashes (cluster/snapshots.py) wherever
it is kept, so a place needs to be no more than this.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

MANIFEST_NAME: Final = "manifest.json"
_TEMPORARY_PREFIX: Final = ".writing-"
_LOCAL: Final = ("file", "local")


class BadSnapshotsUrl(ValueError):
    """A URL that names no place for snapshots, or one whose driver is not installed."""

    def __init__(self, url: str, reason: object) -> None:
        super().__init__(f"{_shown(url)} is no place for snapshots: {reason}")


class Place(Protocol):
    """Named entries of files. One process writes: the one that holds the journal.

    Every method raises OSError where the place does not answer or has no room.
    """

    def names(self) -> list[str]:
        """Entries that have appeared and what they may be mistaken for, ascending."""

    def read(self, name: str, file: str) -> bytes:
        """The content of one file of an entry; raises FileNotFoundError where it is missing."""

    def size(self, name: str, file: str) -> int:
        """How long a file is; raises FileNotFoundError."""

    def put(self, name: str, files: Mapping[str, bytes], manifest: bytes) -> None:
        """Let an entry appear, durable when this returns; one of the name that is there is replaced."""

    def remove(self, name: str) -> None:
        """Take an entry away; broken off half-way it is away all the same."""

    def sweep(self) -> None:
        """Clear away what was broken off while it was put or removed."""


class DirectoryPlace:
    """A directory of this machine."""

    def __init__(self, directory: Path) -> None:
        """It is made when the first entry is put."""
        self._directory = directory

    def names(self) -> list[str]:
        """See `Place`."""
        return sorted(path.name for path in self._directory.iterdir()) if self._directory.is_dir() else []

    def read(self, name: str, file: str) -> bytes:
        """See `Place`."""
        return (self._directory / name / file).read_bytes()

    def size(self, name: str, file: str) -> int:
        """See `Place`."""
        return (self._directory / name / file).stat().st_size

    def put(self, name: str, files: Mapping[str, bytes], manifest: bytes) -> None:
        """See `Place`: written and synced under another name, then renamed."""
        final, temporary = self._directory / name, self._directory / f"{_TEMPORARY_PREFIX}{name}"
        self._directory.mkdir(parents=True, exist_ok=True)
        self.sweep()
        temporary.mkdir()
        for file, content in files.items():
            _write_durably(temporary / file, content)
        _write_durably(temporary / MANIFEST_NAME, manifest)
        _sync_directory(temporary)
        if final.exists():
            shutil.rmtree(final)
        temporary.rename(final)
        _sync_directory(self._directory)

    def remove(self, name: str) -> None:
        """See `Place`: renamed first, so that nothing half-removed keeps the name."""
        doomed = self._directory / f"{_TEMPORARY_PREFIX}{name}"
        (self._directory / name).rename(doomed)
        shutil.rmtree(doomed)

    def sweep(self) -> None:
        """See `Place`."""
        for path in self._directory.glob(f"{_TEMPORARY_PREFIX}*"):
            shutil.rmtree(path)


class ObjectPlace:
    """A prefix of an object store, or of any file system fsspec knows."""

    def __init__(self, url: str) -> None:
        """Raises BadSnapshotsUrl."""
        # Imported here: a node with a directory needs no drivers.
        import fsspec  # type: ignore[import-untyped]

        self._url = _shown(url)
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError, TypeError) as error:
            raise BadSnapshotsUrl(url, error) from error

    def names(self) -> list[str]:
        """See `Place`: what has no manifest has not appeared."""
        return sorted(name for name, files in self._entries().items() if MANIFEST_NAME in files)

    def read(self, name: str, file: str) -> bytes:
        """See `Place`."""
        with self._spoken():
            content: bytes = self._files.cat_file(self._path(name, file))
        return content

    def size(self, name: str, file: str) -> int:
        """See `Place`."""
        with self._spoken():
            return int(self._files.info(self._path(name, file))["size"])

    def put(self, name: str, files: Mapping[str, bytes], manifest: bytes) -> None:
        """See `Place`: the manifest comes last, so until then the entry is not there."""
        self.sweep()
        if name in self.names():
            self.remove(name)
        with self._spoken():
            self._files.makedirs(self._path(name), exist_ok=True)
            for file, content in files.items():
                self._files.pipe_file(self._path(name, file), content)
            self._files.pipe_file(self._path(name, MANIFEST_NAME), manifest)

    def remove(self, name: str) -> None:
        """See `Place`: the manifest goes first."""
        with self._spoken():
            self._files.rm_file(self._path(name, MANIFEST_NAME))
            self._files.rm(self._path(name), recursive=True)

    def sweep(self) -> None:
        """See `Place`."""
        for name, files in self._entries().items():
            if MANIFEST_NAME not in files:
                with self._spoken():
                    self._files.rm(self._path(name), recursive=True)

    def _entries(self) -> dict[str, set[str]]:
        """Files by entry, as they are now: other machines write here, too."""
        with self._spoken():
            self._files.invalidate_cache()
            try:
                found = self._files.find(self._root)
            except FileNotFoundError:
                found = []
        entries: dict[str, set[str]] = {}
        for path in found:
            name, _, file = str(path)[len(self._root) :].lstrip("/").partition("/")
            entries.setdefault(name, set()).add(file)
        return entries

    def _path(self, *names: str) -> str:
        return "/".join((self._root.rstrip("/"), *names))

    @contextmanager
    def _spoken(self) -> Iterator[None]:
        """Drivers raise what they like: whoever waits for a snapshot shall know where it was to go, and why not."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as error:
            raise OSError(f"snapshots at {self._url}: {type(error).__name__}: {error}") from error


def place_of(where: Path | str) -> Place:
    """The place a path or a URL names; `file://` is a directory. Raises BadSnapshotsUrl."""
    scheme, separator, path = str(where).partition("://")
    if isinstance(where, Path) or not separator:
        return DirectoryPlace(Path(where))
    return DirectoryPlace(Path(path)) if scheme in _LOCAL else ObjectPlace(str(where))


def _shown(url: str) -> str:
    """The URL without what may be a password."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
