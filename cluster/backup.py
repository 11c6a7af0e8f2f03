"""A copy of everything a node is made of, taken while it serves: a directory a node can be started on.

Archive first, then the newest snapshot the copied archive reaches up to, then keys, then the journal's frames to its
tip of that moment: so nothing in the copy is ahead of its journal, and what keys came to own meanwhile a start finds in
the frames after the snapshot. Frames are read a few at a time and between blocks, checked, and put into a journal file
of their own, whatever the store of the node is. A manifest with a hash of every file is written last, and the directory
gets its name when all of it was read again and found whole: there is no half backup.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

from blake3 import blake3

from cluster import placement
from cluster.archive import ARCHIVE_NAME, Archive
from cluster.archiving.copying import copy_archive
from cluster.journal import GENESIS_TIP, FramesPruned, JournalError, ReadableJournal, SqliteJournal, Tip, open_read_only
from cluster.journal.frame import Frame
from cluster.journal.lock import LOCK_NAME
from cluster.journal.sqlite_reader import JOURNAL_NAME
from cluster.snapshots import SnapshotStore
from cluster.stores import SNAPSHOTS, Snapshots
from cluster.validation import KEY_NAME

# Puts the frames of a journal, which begins at the place given, into another; returns its tip.
Fill = Callable[[Iterator[Frame], Tip], Tip]

MANIFEST: Final = "backup.json"
_FORMAT: Final = "breakwater/backup/v1"
_HOLDER: Final = "a backup"
# After so many frames the copying pauses a moment: blocks are made on the same processor.
_FRAMES_AT_A_TIME: Final = 16
_PAUSE_S: Final = 0.001
_BUFFER_BYTES: Final = 1 << 20
# So often the journal may be cut under a backup: it happens behind snapshots, which come more seldom than a copy takes.
_PRUNINGS: Final = 3


class BackupError(Exception):
    """A backup that cannot be taken, is not whole, or has no place to go; one sentence says why."""


@dataclass(frozen=True)
class Backup:
    """What a copy holds: frames after `start_height` up to `height`, and the snapshot a start begins from (0: none)."""

    height: int
    hash: str
    start_height: int
    snapshot_height: int
    archive_height: int
    made_ms: int
    bytes: int


def back_up(
    journal: ReadableJournal, snapshots: Snapshots, data_dir: Path, target: Path, private: Sequence[str]
) -> Backup:
    """Copies a node of this data directory into `target`, which must not exist or be empty.

    `private` names further files, copied where they are and readable for their owner only. Where the journal is pruned
    meanwhile it begins again. Raises BackupError, JournalError, OSError; then `target` is as it was.
    """
    for _ in range(_PRUNINGS):
        with suppress(FramesPruned):
            return _copied(journal, snapshots, data_dir, target, private)
    return _copied(journal, snapshots, data_dir, target, private)


def _copied(
    journal: ReadableJournal, snapshots: Snapshots, data_dir: Path, target: Path, private: Sequence[str]
) -> Backup:
    with _appearing(target) as folder:
        archive_height = _copy_archive(data_dir, folder)
        start = journal.start()
        reach = archive_height if archive_height is not None else journal.tip().height
        snapshot = snapshots.latest(at_most=reach)
        if start.height and (snapshot is None or snapshot.height < start.height):
            raise BackupError(
                f"the journal begins at height {start.height + 1} and no snapshot from {start.height} to {reach} "
                "is whole: nothing could be started from a copy; take a snapshot first"
            )
        if snapshot is not None:
            SnapshotStore(folder / SNAPSHOTS).write(snapshot.height, snapshot.frame_hash, snapshot.parts)
        for name in (KEY_NAME, placement.NAME, *private):
            _copy_private(data_dir / name, folder / name)
        tip = journal.tip()
        if tip.height == GENESIS_TIP.height:
            raise BackupError(f"the journal of {data_dir} is empty: there is nothing to copy")
        _copy_frames(journal, start, tip, folder)
        _write_manifest(
            folder,
            Backup(
                height=tip.height,
                hash=tip.hash.hex(),
                start_height=start.height,
                snapshot_height=snapshot.height if snapshot is not None else 0,
                archive_height=archive_height or 0,
                made_ms=time.time_ns() // 1_000_000,
                bytes=sum(path.stat().st_size for path in _files(folder)),
            ),
        )
        return verify_backup(folder)


def verify_backup(directory: Path) -> Backup:
    """Reads every byte of a backup: hashes of its files, chain of its journal, its snapshot. Raises BackupError."""
    backup, hashes = _read_manifest(directory)
    found = {str(path.relative_to(directory)) for path in _files(directory)}
    if missing := sorted(hashes.keys() - found):
        raise BackupError(f"{directory}: {', '.join(missing)} of the backup is missing")
    for name, expected in hashes.items():
        if _hash_of(directory / name) != expected:
            raise BackupError(f"{directory}: {name} is not the file that was written")
    try:
        with closing(open_read_only(directory)) as journal:
            tip, start = journal.verify(), journal.start()
            if (tip.height, tip.hash.hex(), start.height) != (backup.height, backup.hash, backup.start_height):
                raise BackupError(f"{directory}: the journal ends at {tip.height}, the manifest says {backup.height}")
            _check_snapshot(directory, backup, journal)
    except JournalError as error:
        raise BackupError(f"{directory}: {error}") from error
    return backup


def restore(
    directory: Path, data_dir: Path, fill: Fill | None = None, snapshots: SnapshotStore | None = None
) -> Backup:
    """Makes a data directory, which must not exist or be empty, from a verified backup.

    `fill` puts the frames into another store than the file (`fill_stream`), `snapshots` takes the snapshot where they
    are not in the directory; both before the directory appears, and both may be filled again after a restore that was
    broken off. Raises BackupError, JournalError, OSError.
    """
    backup = verify_backup(directory)
    with _appearing(data_dir) as folder:
        _, hashes = _read_manifest(directory)
        for name in sorted(hashes):
            if name == JOURNAL_NAME and fill is not None:
                continue
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            _copy_private(directory / name, folder / name)
        if fill is not None:
            with closing(open_read_only(directory)) as journal:
                _require_tip(fill(journal.frames(), journal.start()), backup)
        snapshot = SnapshotStore(folder / SNAPSHOTS).latest()
        if snapshots is not None and snapshot is not None:
            snapshots.write(snapshot.height, snapshot.frame_hash, snapshot.parts)
            shutil.rmtree(folder / SNAPSHOTS)
        for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            _sync(path)
    return backup


def fill_stream(url: str) -> Fill:
    """What puts frames into a stream of a PostgreSQL server, empty or left by a restore that was broken off.

    Raises BackupError where the stream holds another journal, JournalError.
    """

    def fill(frames: Iterator[Frame], start: Tip) -> Tip:
        from cluster.journal.postgres import PostgresJournal

        try:
            journal = PostgresJournal.open(url, holder="a restore")
        except FramesPruned:
            journal = PostgresJournal.open(url, holder="a restore", verify_after=start)
        with closing(journal):
            journal.take_lease()
            there = journal.tip()
            if there not in (GENESIS_TIP, start):
                frames = _after(frames, there)
            return journal.fill(frames, start)

    return fill


def _after(frames: Iterator[Frame], place: Tip) -> Iterator[Frame]:
    """The frames after a place that must be one of them."""
    for frame in frames:
        if frame.height == place.height and frame.hash == place.hash:
            return frames
        if frame.height >= place.height:
            break
    raise BackupError(f"the stream holds another journal, up to height {place.height}: restore into an empty one")


def _copy_archive(data_dir: Path, folder: Path) -> int | None:
    """Copies the archive as it stands at one moment; its last height, None where there is none."""
    if not copy_archive(data_dir, folder):
        return None
    with closing(Archive(folder)) as archive:
        return archive.tip() or 0


def _copy_frames(journal: ReadableJournal, start: Tip, tip: Tip, folder: Path) -> None:
    def frames() -> Iterator[Frame]:
        for count, frame in enumerate(takewhile(lambda one: one.height <= tip.height, journal.frames())):
            if count % _FRAMES_AT_A_TIME == 0:
                time.sleep(_PAUSE_S)
            yield frame

    with closing(SqliteJournal.open(folder, holder=_HOLDER)) as copy:
        copy.take_lease()
        reached = copy.fill(frames(), start)
        if reached.hash != tip.hash:
            raise BackupError(f"the copy ends at height {reached.height}, the journal at {tip.height}: try again")


def _check_snapshot(directory: Path, backup: Backup, journal: ReadableJournal) -> None:
    if not backup.snapshot_height:
        return
    complaints: list[str] = []
    store = SnapshotStore(directory / SNAPSHOTS, notice=lambda text, *_: complaints.append(str(text)))
    snapshot = store.latest()
    if snapshot is None or snapshot.height != backup.snapshot_height:
        raise BackupError(f"{directory}: {'; '.join(complaints) or 'its snapshot is missing'}")
    at = next(journal.frames(snapshot.height), None) if snapshot.height > backup.start_height else None
    if at is not None and at.hash != snapshot.frame_hash:
        raise BackupError(f"{directory}: the snapshot of height {snapshot.height} is of another journal")


def _require_tip(reached: Tip, backup: Backup) -> None:
    if reached.hash.hex() != backup.hash:
        raise BackupError(f"the journal ends at height {reached.height}, the backup at {backup.height}")


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A folder beside `target` to work in, which gets that name at the end, and goes away when anything fails."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise BackupError(f"{target} exists and is not an empty directory")
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.parent / f".{target.name}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
        with suppress(FileNotFoundError):
            (folder / LOCK_NAME).unlink()
        _sync(folder)
        folder.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _copy_private(source: Path, target: Path) -> None:
    """Copies a file, readable for its owner only and durable; nothing where there is none."""
    try:
        content = source.open("rb")
    except FileNotFoundError:
        return
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with content, os.fdopen(descriptor, "wb") as copy:
        shutil.copyfileobj(content, copy, _BUFFER_BYTES)
        copy.flush()
        os.fsync(copy.fileno())


def _files(folder: Path) -> list[Path]:
    """Everything a manifest names: not itself, nor what SQLite and the lock leave beside their files."""
    beside = [f"{name}{end}" for name in (JOURNAL_NAME, ARCHIVE_NAME) for end in ("-wal", "-shm")]
    passing = (MANIFEST, LOCK_NAME, *beside)
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in passing)


def _write_manifest(folder: Path, backup: Backup) -> None:
    for path in _files(folder):
        _sync(path)
    hashes = {str(path.relative_to(folder)): _hash_of(path) for path in _files(folder)}
    content = {"format": _FORMAT, **asdict(backup), "blake3": hashes}
    path = folder / MANIFEST
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    _sync(path)


def _read_manifest(directory: Path) -> tuple[Backup, dict[str, str]]:
    try:
        content: dict[str, Any] = json.loads((directory / MANIFEST).read_bytes())
        if content.pop("format") != _FORMAT:
            raise BackupError(f"{directory / MANIFEST} is of another format than {_FORMAT}")
        hashes = {str(name): str(value) for name, value in content.pop("blake3").items()}
        return Backup(**content), hashes
    except FileNotFoundError:
        raise BackupError(f"{directory} is no backup: it has no {MANIFEST}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackupError(f"{directory / MANIFEST} cannot be read: {error}") from error


def _hash_of(path: Path) -> str:
    hasher = blake3(max_threads=blake3.AUTO)
    with path.open("rb") as file:
        while block := file.read(_BUFFER_BYTES):
            hasher.update(block)
    return hasher.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
