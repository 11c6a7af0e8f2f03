"""Snapshots: the state of all actors after one block, immutable and content-hashed, one entry of a place a height.

An entry is named `<height>-<hash of its manifest>`; the manifest lists every part with its size and BLAKE3 hash, so the
name vouches for each byte inside. It appears whole or not at all (cluster/snapshot_places.py).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blake3 import blake3

from cluster.journal.frame import Tip
from cluster.journal.journal import NoticeSink
from cluster.snapshot_places import MANIFEST_NAME, Place, place_of

_log = logging.getLogger(__name__)
_FORMAT = "breakwater/snapshot/v1"
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
    """The snapshots of one node. One process writes; it is the one that holds the journal."""

    def __init__(self, where: Path | str | Place, keep: int = 3, notice: NoticeSink = _log.warning) -> None:
        """`where` is a directory, a URL or a place. `keep` is how many heights prune leaves; `notice` is told of every
        damaged snapshot that was passed over. Raises BadSnapshotsUrl."""
        if keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self._place = place_of(where) if isinstance(where, Path | str) else where
        self._keep = keep
        self._notice = notice

    def write(self, height: int, frame_hash: bytes, parts: Mapping[str, bytes]) -> str:
        """Make a snapshot durable and return its name. The same content again is left as it is; other content for the
        same height (another shard count, say) replaces it once it is safe. Raises OSError."""
        manifest = _manifest(height, frame_hash, parts)
        name = f"{height:020d}-{blake3(manifest).hexdigest()}"
        known = self._names()
        if name in known and _is_complete(self._place, name):
            return name
        if name in known:  # damaged: the same name promises the same bytes, so nothing is lost by replacing it
            self._notice(f"snapshot {name} was incomplete and is written again")
        self._place.put(name, {_part_file(index): parts[part] for index, part in enumerate(sorted(parts))}, manifest)
        for other in known:
            if _height(other) == height and other != name:
                self._place.remove(other)
        return name

    def latest(self, at_most: int | None = None) -> Snapshot | None:
        """Return the newest snapshot that verifies, not above height `at_most`; None when there is none.

        Damaged ones are reported and passed over, and stay for whoever wants to know why. Raises OSError.
        """
        return self._first_whole(
            name for name in reversed(self._names()) if at_most is None or _height(name) <= at_most
        )

    def oldest(self, at_least: int = 0) -> Snapshot | None:
        """Return the oldest snapshot that verifies, not below height `at_least`: before it no frame is needed."""
        return self._first_whole(name for name in self._names() if _height(name) >= at_least)

    def heights(self) -> list[int]:
        """Return the heights that have a snapshot, ascending, whether or not they verify."""
        return sorted({_height(name) for name in self._names()})

    def prune(self) -> list[int]:
        """Remove all but the newest `keep` complete snapshots; return the heights removed.

        Incomplete ones neither count nor go.
        """
        complete = [name for name in self._names() if _is_complete(self._place, name)]
        old = complete[: -self._keep]
        for name in old:
            self._place.remove(name)
        return [_height(name) for name in old]

    def _names(self) -> list[str]:
        return [name for name in self._place.names() if _NAME.fullmatch(name)]

    def _first_whole(self, names: Iterable[str]) -> Snapshot | None:
        for name in names:
            try:
                return load_snapshot(self._place, name)
            except SnapshotDamaged as error:
                self._notice(f"snapshot {name} is damaged and passed over: {error}")
        return None


def load_snapshot(place: Place, name: str) -> Snapshot:
    """Read one snapshot and verify every byte of it; raises SnapshotDamaged naming the part."""
    manifest, digest = _read_manifest(place, name)
    parts: dict[str, bytes] = {}
    for index, entry in enumerate(manifest["parts"]):
        try:
            content = place.read(name, _part_file(index))
        except OSError as error:
            raise SnapshotDamaged(f"part {entry['name']} cannot be read ({error.strerror or error})") from error
        if blake3(content, max_threads=blake3.AUTO).hexdigest() != entry["blake3"]:
            raise SnapshotDamaged(f"part {entry['name']} does not match its hash")
        parts[entry["name"]] = content
    return Snapshot(_height(name), bytes.fromhex(manifest["frame_hash"]), parts, digest)


def _manifest(height: int, frame_hash: bytes, parts: Mapping[str, bytes]) -> bytes:
    entries = [
        {"blake3": blake3(parts[name], max_threads=blake3.AUTO).hexdigest(), "bytes": len(parts[name]), "name": name}
        for name in sorted(parts)
    ]
    content = {"format": _FORMAT, "frame_hash": frame_hash.hex(), "height": height, "parts": entries}
    return json.dumps(content, sort_keys=True, indent=1).encode()


def _read_manifest(place: Place, name: str) -> tuple[dict[str, Any], bytes]:
    try:
        raw = place.read(name, MANIFEST_NAME)
    except OSError as error:
        raise SnapshotDamaged(f"its manifest cannot be read ({error.strerror or error})") from error
    digest = blake3(raw).digest()
    if not name.endswith(digest.hex()):
        raise SnapshotDamaged("its manifest does not match its name")
    manifest: dict[str, Any] = json.loads(raw)
    if manifest["format"] != _FORMAT or manifest["height"] != _height(name):
        raise SnapshotDamaged("its manifest is of another format or height")
    return manifest, digest


def _is_complete(place: Place, name: str) -> bool:
    """A cheap look: the manifest is whole and every part has its size. Contents are verified when loaded."""
    try:
        manifest, _ = _read_manifest(place, name)
        return all(
            place.size(name, _part_file(index)) == entry["bytes"] for index, entry in enumerate(manifest["parts"])
        )
    except (SnapshotDamaged, OSError):
        return False


def _height(name: str) -> int:
    return int(name[:20])


def _part_file(index: int) -> str:
    return f"part-{index:05d}"
