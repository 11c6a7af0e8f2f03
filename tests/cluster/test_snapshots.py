"""Snapshots appear whole, verify byte for byte, and damage is passed over but kept."""

from pathlib import Path

import pytest

from cluster.snapshots import SnapshotStore

FRAME_HASH = bytes(range(32))
PARTS = {"shard/0": b"columns" * 1000, "shard/1": b"", "pool": b"nav", "outbox": b"legs"}


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 0x10
    path.write_bytes(content)


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path / "snapshots")
    assert store.latest() is None
    assert store.heights() == []
    store.write(7, FRAME_HASH, PARTS)
    snapshot = SnapshotStore(tmp_path / "snapshots").latest()
    assert snapshot is not None
    assert (snapshot.height, snapshot.frame_hash, dict(snapshot.parts)) == (7, FRAME_HASH, PARTS)


def test_the_newest_at_or_below_a_height_is_chosen(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    for height in (5, 100, 20):
        store.write(height, FRAME_HASH, {"pool": str(height).encode()})
    assert store.heights() == [5, 20, 100]
    found = [store.latest(at_most) for at_most in (None, 100, 99, 5, 4)]
    assert [snapshot and snapshot.height for snapshot in found] == [100, 100, 20, 5, None]


def test_damage_in_any_file_is_noticed_and_the_one_before_is_used(tmp_path: Path) -> None:
    notices: list[str] = []
    store = SnapshotStore(tmp_path, notice=notices.append)
    store.write(1, FRAME_HASH, PARTS)
    newest = tmp_path / store.write(2, FRAME_HASH, PARTS)
    files = [path for path in sorted(newest.iterdir()) if path.stat().st_size]
    assert len(files) == 4
    for path in files:
        for offset in (0, path.stat().st_size // 2, path.stat().st_size - 1):
            notices.clear()
            flip(path, offset)
            snapshot = store.latest()
            assert snapshot is not None
            assert snapshot.height == 1
            assert len(notices) == 1
            assert newest.name in notices[0]
            flip(path, offset)
    snapshot = store.latest()
    assert snapshot is not None
    assert snapshot.height == 2
    files[0].unlink()
    snapshot = store.latest()
    assert snapshot is not None
    assert snapshot.height == 1
    assert newest.exists()


def test_prune_keeps_the_newest_whole_ones_and_never_removes_a_broken_one(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path, keep=2, notice=lambda _: None)
    paths = {height: tmp_path / store.write(height, FRAME_HASH, PARTS) for height in (1, 2, 3, 4, 5)}
    (paths[5] / "part-00000").unlink()
    assert store.prune() == [1, 2]
    assert store.heights() == [3, 4, 5]
    assert store.prune() == []


def test_one_height_has_one_snapshot_and_the_same_content_is_not_written_twice(tmp_path: Path) -> None:
    store = SnapshotStore(tmp_path)
    first = tmp_path / store.write(3, FRAME_HASH, PARTS)
    inode = first.stat().st_ino
    assert store.write(3, FRAME_HASH, PARTS) == first.name
    assert first.stat().st_ino == inode
    second = tmp_path / store.write(3, FRAME_HASH, {"shard/0": b"another layout"})
    assert [path.name for path in tmp_path.iterdir()] == [second.name]


def test_an_incomplete_snapshot_is_replaced_and_half_written_ones_are_swept(tmp_path: Path) -> None:
    notices: list[str] = []
    store = SnapshotStore(tmp_path, notice=notices.append)
    path = tmp_path / store.write(3, FRAME_HASH, PARTS)
    (path / "part-00000").unlink()
    (tmp_path / ".writing-of-a-crashed-process").mkdir()
    assert store.heights() == [3]
    store.write(3, FRAME_HASH, PARTS)
    snapshot = store.latest()
    assert snapshot is not None
    assert dict(snapshot.parts) == PARTS
    assert "incomplete" in notices[0]
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_a_store_that_keeps_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        SnapshotStore(tmp_path, keep=0)
