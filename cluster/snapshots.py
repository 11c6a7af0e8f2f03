"""Snapshots: the state of all actors after one block, immutable and content-hashed, one directory a height.

A directory is named `<height>-<hash of its manifest>`; the manifest lists every part with its size and BLAKE3 hash,
so the name vouches for each byte inside. It appears by a rename, whole or not at all.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from cluster.journal.frame import Tip
from cluster.journal.journal import NoticeSink

_log = logging.getLogger(__name__)
_MANIFEST_NAME = "manifest.json"
_FORMAT = "breakwater/snapshot/v1"
_TEMPORARY_PREFIX = ".writing-"
_NAME = re.compile(r"(\d{20})-([0-9a-f]{64})")


class SnapshotDamaged(Exception):
    """A snapshot's bytes are not those its name vouches for."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A verified cut: `frame_hash` is the journal frame of `height`, `parts` the bytes of each actor by name."""

    height: int
    frame_hash: bytes
    parts: Mapping[str, bytes]
    digest: bytes

    @property
    def place(self) -> Tip:
        """The frame it was taken at: where the journal is to be checked from."""
        return Tip(self.height, self.frame_hash)


class SnapshotStore:
    """The snapshots of one data directory. One process writes; it is the one that holds the journal."""

    def __init__(self, directory: Path, keep: int = 3, notice: NoticeSink = _log.warning) -> None:
        """`keep` is how many heights prune leaves; `notice` is told of every damaged snapshot that was passed over."""
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self._directory = directory
        self._keep = keep
        self._notice = notice

    def write(self, height: int, frame_hash: bytes, parts: Mapping[str, bytes]) -> Path:
        """Make a snapshot durable and return its directory. The same content again is left as it is; other content
        for the same height (another shard count, say) replaces it once it is safe on disk."""
        manifest = _manifest(height, frame_hash, parts)
        final = self._directory / f"{height:020d}-{blake3(manifest).hexdigest()}"
        if _is_complete(final):
            return final
        self._directory.mkdir(parents=True, exist_ok=True)
        self._sweep()
        temporary = self._directory / f"{_TEMPORARY_PREFIX}{final.name}"
        temporary.mkdir()
        for index, name in enumerate(sorted(parts)):
            _write_durably(temporary / _part_file(index), parts[name])
        _write_durably(temporary / _MANIFEST_NAME, manifest)
        _sync_directory(temporary)
        if final.exists():  # damaged: the same name promises the same bytes, so nothing is lost by replacing it
            self._notice(f"snapshot {final.name} was incomplete and is written again")
            shutil.rmtree(final)
        temporary.rename(final)
        _sync_directory(self._directory)
        for other in self._paths(height):
            if other != final:
                shutil.rmtree(other)
        return final

    def latest(self, at_most: int | None = None) -> Snapshot | None:
        """Return the newest snapshot that verifies, not above height `at_most`; None when there is none.

        Damaged ones are reported and passed over, and stay on disk for whoever wants to know why.
        """
        for path in reversed(list(self._paths())):
            if at_most is not None and _height(path) > at_most:
                continue
            try:
                return load_snapshot(path)
            except SnapshotDamaged as error:
                self._notice(f"snapshot {path.name} is damaged and passed over: {error}")
        return None

    def heights(self) -> list[int]:
        """Return the heights that have a snapshot, ascending, whether or not they verify."""
        return sorted({_height(path) for path in self._paths()})

    def prune(self) -> list[int]:
        """Remove all but the newest `keep` complete snapshots; return the heights removed.

        Incomplete ones neither count nor go.
        """
        complete = [path for path in self._paths() if _is_complete(path)]
        old = complete[: -self._keep]
        for path in old:
            # Renamed first, so that a crash half-way leaves no snapshot with parts missing.
            doomed = path.with_name(f"{_TEMPORARY_PREFIX}{path.name}")
            path.rename(doomed)
            shutil.rmtree(doomed)
        return [_height(path) for path in old]

    def _paths(self, height: int | None = None) -> Iterator[Path]:
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.iterdir()):
            if _NAME.fullmatch(path.name) and (height is None or _height(path) == height):
                yield path

    def _sweep(self) -> None:
        """Remove what a crash left half written or half removed."""
        for path in self._directory.glob(f"{_TEMPORARY_PREFIX}*"):
            shutil.rmtree(path)


def load_snapshot(path: Path) -> Snapshot:
    """Read one snapshot directory and verify every byte of it; raises SnapshotDamaged naming the part."""
    manifest, digest = _read_manifest(path)
    parts: dict[str, bytes] = {}
    for index, entry in enumerate(manifest["parts"]):
        try:
            content = (path / _part_file(index)).read_bytes()
        except OSError as error:
            raise SnapshotDamaged(f"part {entry['name']} cannot be read ({error.strerror})") from error
        if blake3(content, max_threads=blake3.AUTO).hexdigest() != entry["blake3"]:
            raise SnapshotDamaged(f"part {entry['name']} does not match its hash")
        parts[entry["name"]] = content
    return Snapshot(_height(path), bytes.fromhex(manifest["frame_hash"]), parts, digest)


def _manifest(height: int, frame_hash: bytes, parts: Mapping[str, bytes]) -> bytes:
    entries = [
        {"blake3": blake3(parts[name], max_threads=blake3.AUTO).hexdigest(), "bytes": len(parts[name]), "name": name}
        for name in sorted(parts)
    ]
    content = {"format": _FORMAT, "frame_hash": frame_hash.hex(), "height": height, "parts": entries}
    return json.dumps(content, sort_keys=True, indent=1).encode()


def _read_manifest(path: Path) -> tuple[dict[str, Any], bytes]:
    try:
        raw = (path / _MANIFEST_NAME).read_bytes()
    except OSError as error:
        raise SnapshotDamaged(f"its manifest cannot be read ({error.strerror})") from error
    digest = blake3(raw).digest()
    if not path.name.endswith(digest.hex()):
        raise SnapshotDamaged("its manifest does not match its name")
    manifest: dict[str, Any] = json.loads(raw)
    if manifest["format"] != _FORMAT or manifest["height"] != _height(path):
        raise SnapshotDamaged("its manifest is of another format or height")
    return manifest, digest


def _is_complete(path: Path) -> bool:
    """A cheap look: the manifest is whole and every part has its size. Contents are verified when loaded."""
    try:
        manifest, _ = _read_manifest(path)
        return all(
            (path / _part_file(index)).stat().st_size == entry["bytes"] for index, entry in enumerate(manifest["parts"])
        )
    except (SnapshotDamaged, OSError):
        return False


def _height(path: Path) -> int:
    return int(path.name[:20])


def _part_file(index: int) -> str:
    return f"part-{index:05d}"


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
