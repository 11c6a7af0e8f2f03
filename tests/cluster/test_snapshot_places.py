"""Snapshots in a directory, under a URL and in an object store: the same content, the same verification."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pytest

from cluster.host import Host
from cluster.snapshot_places import MANIFEST_NAME, BadSnapshotsUrl, DirectoryPlace, ObjectPlace, Place, place_of
from cluster.snapshots import Snapshot, SnapshotStore
from tests.cluster.story import config, play, story

FRAME_HASH = bytes(range(32))
PARTS: Mapping[str, bytes] = {"shard/0": b"columns" * 1000, "shard/1": b"", "pool": b"nav", "outbox": b"legs"}


@pytest.fixture(params=["directory", "file://", "memory://", "a file system of fsspec"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SnapshotStore]:
    where: Path | str = tmp_path / "snapshots"
    if request.param == "file://":
        where = f"file://{where}"
    elif request.param == "memory://":
        where = "memory://bucket/of/a-test"
    made = SnapshotStore(where, notice=notices.append)
    if request.param == "a file system of fsspec":
        made._place = ObjectPlace(f"file://{where}")
    notices.clear()
    yield made
    fsspec.filesystem("memory").store.clear()


notices: list[str] = []


def change(place: Place, name: str, file: str, content: bytes | None) -> None:
    """Put other bytes into a file, or take it away."""
    if isinstance(place, DirectoryPlace):
        path = place._directory / name / file
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    else:
        assert isinstance(place, ObjectPlace)
        place._files.rm_file(place._path(name, file))
        if content is not None:
            place._files.pipe_file(place._path(name, file), content)


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def height_of(snapshot: Snapshot | None) -> int | None:
    return snapshot.height if snapshot else None


def test_what_was_written_is_read_back(store: SnapshotStore) -> None:
    assert (store.latest(), store.oldest(), store.heights(), store.prune()) == (None, None, [], [])
    for height in (5, 100, 20):
        store.write(height, FRAME_HASH, {**PARTS, "pool": str(height).encode()})
    assert store.heights() == [5, 20, 100]
    snapshot = store.latest()
    assert snapshot is not None
    assert (snapshot.height, snapshot.frame_hash, dict(snapshot.parts)) == (100, FRAME_HASH, {**PARTS, "pool": b"100"})
    assert [height_of(store.latest(at_most)) for at_most in (100, 99, 5, 4)] == [100, 20, 5, None]
    assert height_of(store.oldest()) == 5
    assert notices == []


def test_every_flipped_bit_is_noticed_and_the_one_before_is_used(store: SnapshotStore) -> None:
    store.write(1, FRAME_HASH, PARTS)
    name = store.write(2, FRAME_HASH, PARTS)
    place = store._place
    for file in (MANIFEST_NAME, "part-00000", "part-00001", "part-00002"):
        whole = place.read(name, file)
        for bit in (0, len(whole) * 4, len(whole) * 8 - 1):
            notices.clear()
            change(place, name, file, flipped(whole, bit))
            assert height_of(store.latest()) == 1
            assert len(notices) == 1
            assert name in notices[0]
        for content in (whole[:-1], whole + b"\0", b"", None):
            change(place, name, file, content)
            assert height_of(store.latest()) == 1
            if content is None:
                break
        if isinstance(place, DirectoryPlace):
            (place._directory / name / file).write_bytes(whole)
        else:
            place._files.pipe_file(place._path(name, file), whole)  # type: ignore[attr-defined]
        assert height_of(store.latest()) == 2


def test_prune_keeps_the_newest_whole_ones(store: SnapshotStore) -> None:
    names = [store.write(height, FRAME_HASH, PARTS) for height in (1, 2, 3, 4, 5)]
    change(store._place, names[-1], "part-00000", None)
    assert store.prune() == [1]
    assert store.heights() == [2, 3, 4, 5]
    assert store.prune() == []
    assert height_of(store.latest()) == 4


def test_other_content_replaces_and_incomplete_ones_are_written_again(store: SnapshotStore) -> None:
    first = store.write(3, FRAME_HASH, PARTS)
    assert store.write(3, FRAME_HASH, PARTS) == first
    second = store.write(3, FRAME_HASH, {"shard/0": b"another layout"})
    assert store._place.names() == [second]
    change(store._place, second, "part-00000", None)
    assert store.write(3, FRAME_HASH, {"shard/0": b"another layout"}) == second
    assert "incomplete" in notices[0]
    snapshot = store.latest()
    assert snapshot is not None
    assert dict(snapshot.parts) == {"shard/0": b"another layout"}


class Interrupted(Exception):
    """The process died here."""


def interrupt(place: Place, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let the process die when it has written so many files."""
    written = 0

    def writing(real: Any) -> Any:
        def write(*arguments: Any) -> None:
            nonlocal written
            if written == after:
                raise Interrupted
            written += 1
            real(*arguments)

        return write

    if isinstance(place, DirectoryPlace):
        real = "cluster.snapshot_places._write_durably"
        from cluster import snapshot_places

        monkeypatch.setattr(real, writing(snapshot_places._write_durably))
    else:
        monkeypatch.setattr(place._files, "pipe_file", writing(place._files.pipe_file))  # type: ignore[attr-defined]


@pytest.mark.parametrize("after", range(5))
def test_what_was_broken_off_never_appears_and_is_swept(
    store: SnapshotStore, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    store.write(1, FRAME_HASH, PARTS)
    with monkeypatch.context() as patch:
        interrupt(store._place, patch, after)
        with pytest.raises((Interrupted, OSError)):
            store.write(2, FRAME_HASH, PARTS)
    assert store.heights() == [1]
    assert height_of(store.latest()) == 1
    store.write(3, FRAME_HASH, PARTS)
    assert store.heights() == [1, 3]
    assert notices == []


def test_a_node_comes_back_from_snapshots_under_a_url(tmp_path: Path) -> None:
    with closing(Host.open(config(tmp_path, snapshots="memory://node/a", snapshot_every=4))) as host:
        assert play(host, 1, 14) == story().roots[:14]
    assert not (tmp_path / "snapshots").exists()
    assert SnapshotStore("memory://node/a").heights() == [8, 12, 14]
    with closing(Host.open(config(tmp_path, snapshots="memory://node/a", shards=5))) as host:
        assert host.status().snapshot_height == 14
        assert play(host, 15) == story().roots[14:]
    fsspec.filesystem("memory").store.clear()


# URLs


def test_a_url_that_names_no_place_is_refused() -> None:
    fsspec.register_implementation("absent", "no_such_driver.Files", clobber=True, errtxt="install no_such_driver")
    for url, reason in [("nowhere://user:secret@bucket/x", "nowhere"), ("absent://bucket/x", "install no_such_driver")]:
        with pytest.raises(BadSnapshotsUrl, match=reason) as refusal:
            place_of(url)
        assert "secret" not in str(refusal.value)


def test_a_place_that_does_not_answer_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of("memory://bucket/out-of-reach")
    assert isinstance(place, ObjectPlace)

    def away(*arguments: Any, **options: Any) -> None:
        raise RuntimeError("no route to host")

    for name in ("find", "cat_file", "pipe_file"):
        monkeypatch.setattr(place._files, name, away)
    store = SnapshotStore("memory://bucket/out-of-reach")
    store._place = place
    for use in (store.latest, store.heights, lambda: store.write(1, FRAME_HASH, PARTS)):
        with pytest.raises(OSError, match=r"snapshots at memory://bucket/out-of-reach: .*no route to host"):
            use()
