"""A journal loses its beginning behind a whole snapshot and nothing else: nodes start, audits hold, archives rejoin."""

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from cluster import pruning
from cluster.archive import Archive
from cluster.archive_export import export
from cluster.audit import NothingToAudit, audit
from cluster.frame_archive import FrameArchive, Rejoined
from cluster.host import Host
from cluster.journal import (
    GENESIS_HASH,
    Frame,
    FramesPruned,
    Journal,
    JournalCorrupted,
    LeaseHeld,
    open_journal,
    open_reader,
)
from cluster.pruning import Pruned, prune
from cluster.snapshots import SnapshotStore
from tests.cluster.story import config, play, story

BLOCKS = len(story().blocks)
STOP = 14


@dataclass
class Kept:
    """A node's directory, and where its journal is."""

    directory: Path
    url: str | None

    @property
    def frames(self) -> Path:
        return self.directory / "frames"

    def play(self, first: int, last: int) -> list[tuple[bytes, bytes]]:
        with closing(Host.open(config(self.directory, journal=self.url, snapshot_every=4))) as host:
            return play(host, first, last)

    def snapshots(self, keep: int = 3) -> SnapshotStore:
        return SnapshotStore(self.directory / "snapshots", keep=keep, notice=lambda text: None)

    def open(self) -> Journal:
        newest = self.snapshots().latest()
        assert newest is not None
        journal = open_journal(self.url, self.directory, holder="test", verify_after=newest.place)
        journal.take_lease()
        return journal

    def prune(self, keep_blocks: int = 1, archive: bool = True) -> Pruned:
        with closing(self.open()) as journal:
            return prune(journal, self.snapshots(), keep_blocks, self.frames if archive else None)

    def read(self) -> list[Frame]:
        with closing(open_reader(self.url, self.directory)) as reader:
            reader.verify()
            return list(reader.frames())


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_database()
    made = Kept(tmp_path, url)
    made.play(1, STOP)
    return made


def test_a_pruned_node_goes_on_and_its_audit_says_where_it_began(kept: Kept) -> None:
    whole, before = audit(kept.directory, kept.url), kept.read()
    assert (whole.heights, whole.first_height, whole.on_trust, whole.ok) == (STOP, 1, "", True)
    heights = kept.snapshots().heights()
    assert heights == [8, 12, STOP]
    done = kept.prune()
    assert (done.frames, done.start_height, done.snapshot_height, done.kept_because) == (8, 8, 8, "")
    assert kept.read() == before[8:]
    report = audit(kept.directory, kept.url)
    assert (report.heights, report.first_height, report.ok) == (STOP - 8, 9, True)
    assert report.final_state_root == whole.final_state_root
    assert "state after block 8" in report.on_trust
    assert "not executed again" in report.on_trust
    roots = kept.play(STOP + 1, BLOCKS)
    assert roots == story().roots[STOP:]
    again = kept.prune(keep_blocks=3)
    assert again.start_height == min(kept.snapshots().heights()[0], BLOCKS - 3) > 8
    rejoined = audit(kept.directory, kept.url, frames=kept.frames)
    assert (rejoined.heights, rejoined.first_height, rejoined.on_trust, rejoined.ok) == (BLOCKS, 1, "", True)
    with closing(open_reader(kept.url, kept.directory)) as reader:
        chain = Rejoined(FrameArchive(kept.frames), reader)
        assert list(chain.frames())[:STOP] == before
        for height in (2, 8, 9, again.start_height, again.start_height + 1, BLOCKS):
            assert [frame.height for frame in chain.frames(height)] == list(range(height, BLOCKS + 1))
        assert chain.verify() == chain.tip() == reader.tip()


def test_the_last_blocks_stay_and_nothing_is_pruned_twice(kept: Kept) -> None:
    assert kept.prune(keep_blocks=STOP - 5).start_height == 5
    done = kept.prune(keep_blocks=STOP - 5)
    assert (done.frames, done.files) == (0, ())
    assert "heights 6 to 14; the oldest snapshot that verifies is of 8 and the last 9 blocks stay" in done.kept_because
    assert [frame.height for frame in kept.read()] == list(range(6, STOP + 1))


def test_without_a_whole_snapshot_nothing_is_pruned(kept: Kept) -> None:
    with closing(kept.open()) as journal:
        for manifest in kept.directory.glob("snapshots/*/manifest.json"):
            manifest.write_bytes(manifest.read_bytes().replace(b"blake3", b"blake4", 1))
        done = prune(journal, kept.snapshots(), 1, kept.frames)
    assert done.frames == 0
    assert "no snapshot verifies" in done.kept_because
    assert len(kept.read()) == STOP
    assert not kept.frames.exists()


def test_only_what_a_whole_snapshot_covers_goes(kept: Kept) -> None:
    (oldest, _, _) = sorted(kept.directory.glob("snapshots/*"))
    (oldest / "part-00000").unlink()
    assert kept.prune().start_height == 12
    with pytest.raises(FramesPruned, match="begins at height 13"):
        open_journal(kept.url, kept.directory, holder="test")


def test_snapshots_of_another_journal_prune_nothing(kept: Kept) -> None:
    newest = kept.snapshots().latest()
    assert newest is not None
    with closing(kept.open()) as journal:
        foreign = SnapshotStore(kept.directory / "foreign")
        foreign.write(9, bytes(32), newest.parts)
        with pytest.raises(JournalCorrupted, match="height 9: it is not the frame the snapshot was taken at"):
            prune(journal, foreign, 1)
    assert len(kept.read()) == STOP


def test_an_audit_without_a_snapshot_to_begin_at_says_so(kept: Kept) -> None:
    kept.prune()
    for part in kept.directory.glob("snapshots/*/part-00000"):
        part.unlink()
    with pytest.raises(NothingToAudit, match=r"begins at height 9 and no whole snapshot of 8 to 14 .*--frames"):
        audit(kept.directory, kept.url)
    assert audit(kept.directory, kept.url, frames=kept.frames).heights == STOP


@pytest.mark.parametrize("cuts", [0, 1, 3])
def test_a_pruning_that_is_broken_off_is_taken_up_again(kept: Kept, monkeypatch: pytest.MonkeyPatch, cuts: int) -> None:
    monkeypatch.setattr(pruning, "_AT_ONCE", 2)
    before = kept.read()
    with closing(kept.open()) as journal:
        monkeypatch.setattr(journal, "cut_before", breaking_off(journal.cut_before, cuts))
        with pytest.raises(InterruptedError):
            prune(journal, kept.snapshots(), 1, kept.frames)
    assert kept.read() == before[2 * cuts :]
    assert audit(kept.directory, kept.url, frames=kept.frames).heights == STOP
    assert kept.prune().start_height == 8
    assert audit(kept.directory, kept.url, frames=kept.frames).ok
    assert len(list(kept.frames.iterdir())) == 1


def breaking_off(real: Callable[[int], int], after: int) -> Callable[[int], int]:
    calls = 0

    def cut(height: int) -> int:
        nonlocal calls
        calls += 1
        if calls > after:
            raise InterruptedError
        return real(height)

    return cut


def test_a_journal_on_a_server_is_audited_and_exported_beside_its_node(kept: Kept, tmp_path: Path) -> None:
    with closing(Host.open(config(kept.directory, journal=kept.url, journal_keep_blocks=2, snapshot_every=4))) as host:
        if kept.url is None:
            with pytest.raises(LeaseHeld):
                audit(kept.directory)
        else:
            assert audit(kept.directory, kept.url).heights == STOP
        play(host, STOP + 1)
        with closing(Archive(kept.directory)) as archive:
            assert STOP <= export(archive, tmp_path / "out").last_height <= BLOCKS  # it follows the acknowledgements
    # The node itself pruned behind its snapshots.
    with closing(open_reader(kept.url, kept.directory)) as reader:
        assert 0 < reader.start().height <= BLOCKS - 2
    assert audit(kept.directory, kept.url).ok


# The archive of frames


def archived(directory: Path, *runs: tuple[int, int]) -> tuple[FrameArchive, list[Frame]]:
    """An archive of files with the runs of heights of one chain."""
    frames: list[Frame] = []
    for height in range(1, 61):
        before = frames[-1].tip if frames else None
        prev = before.hash if before else GENESIS_HASH
        frames.append(Frame.seal(height, 1 + height // 20, prev, random.Random(height).randbytes(3_000)))
    archive = FrameArchive(directory)
    for first, last in runs:
        archive.add(frames[first - 1 : last])
    return FrameArchive(directory), frames


def test_an_archive_reads_as_a_journal(tmp_path: Path) -> None:
    archive, frames = archived(tmp_path, (1, 20), (21, 21), (22, 60))
    assert list(archive.frames()) == frames
    for height in (1, 7, 20, 21, 22, 60, 61):
        assert list(archive.frames(height)) == frames[height - 1 :]
    assert archive.verify() == archive.tip() == frames[-1].tip
    late, _ = archived(tmp_path / "late", (31, 40))
    assert late.start().height == 30
    assert late.start().hash == frames[29].hash
    with pytest.raises(FramesPruned, match="begins at height 31"):
        list(late.frames(30))


def test_frames_that_do_not_follow_are_not_archived(tmp_path: Path) -> None:
    archive, frames = archived(tmp_path, (1, 20))
    for wrong in ([frames[21]], [frames[19]], [frames[20], frames[22]]):
        with pytest.raises(JournalCorrupted):
            archive.add(wrong)
    assert FrameArchive(tmp_path).tip() == frames[19].tip


def test_a_lost_file_and_flipped_bits_are_noticed(tmp_path: Path) -> None:
    _, frames = archived(tmp_path, (1, 20), (21, 40), (41, 60))
    middle = sorted(tmp_path.iterdir())[1]
    whole = middle.read_bytes()
    unnoticed = 0
    for offset in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[offset] ^= 1 << offset % 8
        middle.write_bytes(damaged)
        try:
            archive = FrameArchive(tmp_path)
            assert list(archive.frames()) == frames
            unnoticed += 1  # what nobody reads: statistics, padding
        except JournalCorrupted as refusal:
            assert 21 <= refusal.height <= 41
    assert unnoticed < 10
    middle.unlink()
    with pytest.raises(JournalCorrupted, match="no frames between 20 and"):
        FrameArchive(tmp_path)


def test_an_archive_of_another_chain_is_refused(tmp_path: Path, kept: Kept) -> None:
    kept.prune(archive=False)
    archived(tmp_path / "longer", (1, 40))
    archived(tmp_path / "other", (1, 12))
    archived(tmp_path / "short", (1, 5))
    for name, reason in (
        ("longer", "another chain"),
        ("other", "another chain"),
        ("short", "ends at height 5 and the journal begins at 9"),
    ):
        with pytest.raises(JournalCorrupted, match=reason):
            audit(kept.directory, kept.url, frames=tmp_path / name)
    kept.play(STOP + 1, BLOCKS)
    with closing(kept.open()) as journal:
        for name, reason in (
            ("longer", "another journal"),
            ("other", "another journal"),
            ("short", "frames between are in neither"),
        ):
            with pytest.raises(JournalCorrupted, match=reason):
                prune(journal, kept.snapshots(), 1, tmp_path / name)
