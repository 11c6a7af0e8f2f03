"""Start is recovery: damage is named or passed over, what is derived is made again."""

from contextlib import closing
from pathlib import Path

import pytest

from breakwater.v1 import commands_pb2 as commands
from cluster.archive import Archive
from cluster.host import Host, outcome_key
from cluster.journal import JournalCorrupted, SqliteJournal
from cluster.recovery import ReplayMismatch
from tests.cluster.journal_cases import flip_column, opened
from tests.cluster.story import config, play, seal, story, until_validated, without_snapshots

PLAYED = 10


def played(directory: Path, last: int = PLAYED) -> None:
    """A node that played the story's first blocks and was closed."""
    with closing(Host.open(config(directory))) as host:
        play(host, last=last)


def goes_on(directory: Path, **options: object) -> list[str]:
    """Opens the node again, plays the rest, compares its roots; what it noticed."""
    noticed: list[str] = []
    with closing(Host.open(config(directory, notice=noticed.append, **options))) as host:
        height = host.height()
        assert height == PLAYED
        assert play(host, height + 1) == story().roots[height:]
    return noticed


@pytest.mark.parametrize("column", ["payload", "hash", "epoch"])
def test_a_corrupted_frame_keeps_the_node_from_starting_and_its_height_is_named(tmp_path: Path, column: str) -> None:
    played(tmp_path)
    without_snapshots(tmp_path)
    flip_column(tmp_path, 6, column)
    with pytest.raises(JournalCorrupted) as caught:
        Host.open(config(tmp_path))
    assert caught.value.height == 6
    with pytest.raises(JournalCorrupted):  # the lease was let go: the second look finds the same
        Host.open(config(tmp_path))


def forge(directory: Path, wrong: int, root: str) -> None:
    """A journal whose chain is whole but where frame `wrong` carries another root of the block before."""
    with closing(opened(directory)) as journal:
        journal.take_lease()
        for number, block in enumerate(story().blocks):
            payload = commands.BlockInput()
            payload.CopyFrom(block)
            if number:
                payload.previous_events_root, payload.previous_state_root = story().roots[number - 1]
            if block.height == wrong:
                setattr(payload, root, bytes(32))
            append(journal, payload)


def append(journal: SqliteJournal, block: commands.BlockInput) -> None:
    journal.append(journal.tip().next_frame(journal.epoch, block.SerializeToString(deterministic=True)))


@pytest.mark.parametrize("root", ["previous_events_root", "previous_state_root"])
def test_replay_stops_where_the_roots_of_the_journal_are_not_those_of_re_execution(tmp_path: Path, root: str) -> None:
    forge(tmp_path, 8, root)
    with pytest.raises(ReplayMismatch, match="height 7") as caught:
        Host.open(config(tmp_path))
    assert caught.value.height == 7


def test_a_journal_alone_is_enough(tmp_path: Path) -> None:
    forge(tmp_path, 0, "")
    with closing(Host.open(config(tmp_path, shards=4))) as host:
        assert host.height() == len(story().blocks)
        assert host.status().state_root == story().roots[-1][1]
        until_validated(host)


def test_a_frame_of_another_height_is_no_frame_of_this_chain(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as journal:
        journal.take_lease()
        append(journal, story().blocks[1])
    with pytest.raises(JournalCorrupted, match="payload is of height 2") as caught:
        Host.open(config(tmp_path))
    assert caught.value.height == 1


def test_a_damaged_snapshot_is_passed_over_and_noticed(tmp_path: Path) -> None:
    with closing(Host.open(config(tmp_path, snapshot_every=4))) as host:
        play(host, last=PLAYED)
    newest = max((tmp_path / "snapshots").iterdir())
    assert newest.name.startswith(f"{PLAYED:020d}")
    part = max(newest.glob("part-*"))
    part.write_bytes(part.read_bytes()[:-1] + b"\x7f")
    noticed = goes_on(tmp_path)
    assert any("damaged and passed over" in line for line in noticed)


def outcomes(directory: Path) -> dict[bytes, bytes]:
    """Stored answers of every batch of the story's first blocks."""
    found = {}
    with closing(Archive(directory)) as archive:
        for block in story().blocks[:PLAYED]:
            for batch in block.batches:
                key = outcome_key(batch.principal, batch.request_key)
                stored = archive.outcome(key)
                assert stored is not None
                found[key] = stored.outcome
    return found


def test_a_deleted_archive_is_made_again_with_its_answers(tmp_path: Path) -> None:
    played(tmp_path)
    before = outcomes(tmp_path)
    for path in tmp_path.glob("archive.sqlite*"):
        path.unlink()
    with closing(Host.open(config(tmp_path, shards=1))) as host:
        assert host.height() == PLAYED
        assert host.archive.tip() == PLAYED
        for result in story().results[:PLAYED]:
            assert [event.bytes for event in host.archive.events(result.height)] == result.events
        assert seal(host, story().blocks[4]).repeated_batches
    assert outcomes(tmp_path) == before
    assert not goes_on(tmp_path)


def test_an_archive_ahead_of_the_journal_proves_that_the_journal_lost_blocks(tmp_path: Path) -> None:
    played(tmp_path)
    without_snapshots(tmp_path)
    for path in tmp_path.glob("journal*"):
        path.unlink()
    forge_first(tmp_path, 6)
    with pytest.raises(JournalCorrupted, match="height 7: blocks up to 10 were acknowledged"):
        Host.open(config(tmp_path))


def forge_first(directory: Path, count: int) -> None:
    """A journal of the story's first blocks."""
    with closing(opened(directory)) as journal:
        journal.take_lease()
        for block in story().blocks[:count]:
            append(journal, block)
