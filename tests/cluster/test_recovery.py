"""Start is recovery: damage is named or passed over, what is derived is made again, a poison command is voided."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from actors.ledger.accounts import Accounts
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from cluster.archive import Archive
from cluster.host import Host, Refused, outcome_key
from cluster.journal import JournalCorrupted, SqliteJournal
from cluster.recovery import ReplayMismatch
from tests.building import Maker
from tests.cluster.journal_cases import flip_column, opened
from tests.cluster.story import PATIENCE_S, config, play, request, seal, story

PLAYED = 10
POISON = 666


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


def without_snapshots(directory: Path) -> None:
    shutil.rmtree(directory / "snapshots")


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


def until_validated(host: Host) -> None:
    """The validator signs what was replayed, too."""
    assert host._validator is not None
    assert host._validator.wait_for(host.height(), PATIENCE_S), host._validator.fault


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
    for path in tmp_path.glob("archive*"):
        path.unlink()
    with closing(Host.open(config(tmp_path, shards=1))) as host:
        assert host.height() == PLAYED
        assert host.archive.tip() == PLAYED
        for result in story().results[:PLAYED]:
            assert [event.bytes for event in host.archive.events(result.height)] == result.events
        assert seal(host, story().blocks[4]).repeated_batches
    assert outcomes(tmp_path) == before
    assert not goes_on(tmp_path)


def test_an_archive_that_is_ahead_of_the_journal_is_cut_back(tmp_path: Path) -> None:
    played(tmp_path)
    without_snapshots(tmp_path)
    for path in tmp_path.glob("journal*"):
        path.unlink()
    forge_first(tmp_path, 6)
    with closing(Host.open(config(tmp_path))) as host:
        assert (host.height(), host.archive.tip()) == (6, 6)
        assert play(host, 7) == story().roots[6:]


def forge_first(directory: Path, count: int) -> None:
    """A journal of the story's first blocks."""
    with closing(opened(directory)) as journal:
        journal.take_lease()
        for block in story().blocks[:count]:
            append(journal, block)


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on a deposit of 666 atoms breaks an assertion in the middle of its block."""
    post = Accounts.post

    def brittle(self: Accounts, account: int, **deltas: int) -> None:
        assert deltas.get("deposited") != POISON, "the number of the beast"
        post(self, account, **deltas)

    monkeypatch.setattr(Accounts, "post", brittle)


def poisonous() -> commands.BlockInput:
    """The block after the played ones; its second command cannot be executed."""
    maker = Maker()
    maker.now_ms = story().blocks[PLAYED].block_time_ms
    batches = [maker.amounts("deposits", a1=5), maker.amounts("deposits", a2=POISON)]
    for batch in batches:
        batch.request_key = b"poison/" + batch.request_key
    return commands.BlockInput(height=PLAYED + 1, block_time_ms=maker.now_ms, batches=batches)


def stopped(host: Host, block: commands.BlockInput) -> None:
    """Seals a block that stops the node."""
    with pytest.raises(Refused) as caught:
        host.seal(request(block)).result(PATIENCE_S)
    assert caught.value.refusal == refusals.REFUSAL_UNAVAILABLE
    host._thread.join(PATIENCE_S)
    status = host.status()
    assert status.state == "stopped"
    assert "the number of the beast" in status.stopped_because
    # Nobody waits for a node that makes no blocks: who comes now is told at once, and who was answered is again.
    late = Maker().amounts("deposits", a1=1)
    late.request_key = b"late"
    for answer in (host.submit(late), host.seal(request(block)), host.pool(1, [1])):
        with pytest.raises(Refused) as caught:
            answer.result(PATIENCE_S)
        assert caught.value.refusal == refusals.REFUSAL_UNAVAILABLE
    assert host.submit(story().blocks[0].batches[0]).result(PATIENCE_S).height == 1


def test_a_poison_command_stops_the_node_is_voided_and_the_chain_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    block = poisonous()
    with closing(Host.open(config(tmp_path))) as host:
        play(host, last=PLAYED)
        money = host.accounts(1, [1, 2]).result(PATIENCE_S).accounts
        with pytest.raises(Refused):
            host.void(PLAYED, 0).result(PATIENCE_S)  # a block that was acknowledged is not voided
        poison(monkeypatch)
        stopped(host, block)
        with pytest.raises(Refused):
            host.accounts(1, [1]).result(PATIENCE_S)
        with pytest.raises(Refused):
            host.void(PLAYED, 0).result(PATIENCE_S)
        assert host.void(PLAYED + 1, 1).result(PATIENCE_S).height == PLAYED + 2
    # The command is as poisonous as before: it is refused before anybody carries it out.
    with closing(Host.open(config(tmp_path))) as host:
        assert host.height() == PLAYED + 2
        key = block.batches[1].request_key
        stored = host.archive.outcome(outcome_key(1, key))
        assert stored is not None
        outcome = answers.BatchOutcome.FromString(stored.outcome)
        assert list(outcome.refusal) == [refusals.REFUSAL_VOIDED]
        assert seal(host, block).outcomes[0].status[0] == common.OUTCOME_STATUS_DONE
        after = host.accounts(1, [1, 2]).result(PATIENCE_S).accounts
        assert [new.deposited_atoms - old.deposited_atoms for new, old in zip(after, money, strict=True)] == [5, 0]
        until_validated(host)
        following = commands.BlockInput(block_time_ms=block.block_time_ms + 1_000, root=True)
        assert seal(host, following).height == PLAYED + 3
    without_snapshots(tmp_path)
    with closing(Host.open(config(tmp_path, shards=3))) as host:
        assert host.height() == PLAYED + 3


def test_a_void_that_was_sequenced_like_any_command_voids_nothing(tmp_path: Path) -> None:
    maker = Maker()
    maker.now_ms = story().blocks[PLAYED - 1].block_time_ms
    void = maker.batch("void_command", venue=0, height=3, index=0)
    void.request_key = b"void"
    with closing(Host.open(config(tmp_path))) as host:
        play(host, last=PLAYED)
        root = seal(host, commands.BlockInput(block_time_ms=maker.now_ms, batches=[void], root=True)).header.state_root
    without_snapshots(tmp_path)
    with closing(Host.open(config(tmp_path))) as host:
        assert host.height() == PLAYED + 1
        assert host.status().state_root == root
