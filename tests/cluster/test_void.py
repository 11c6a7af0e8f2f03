"""A poison command stops the node, is voided on the stopped directory, and the chain goes on without it."""

from contextlib import closing
from pathlib import Path

import pytest

from actors.ledger.accounts import Accounts
from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import answers_pb2 as answers
from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from cluster.host import Host, Refused, outcome_key
from cluster.journal import LeaseHeld
from cluster.recovery import BlockFailed
from cluster.stores import DirectoryStores
from cluster.void import NothingToVoid, void_command
from tests.building import Maker
from tests.cluster.story import (
    HOUR_MS,
    PATIENCE_S,
    config,
    play,
    request,
    seal,
    story,
    until_validated,
    without_snapshots,
)

PLAYED = 10
POISON = 666


def void(directory: Path, height: int, index: int) -> int:
    return void_command(DirectoryStores(directory, "an operator", lambda text: None), height, index)


def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on a deposit of 666 atoms breaks an assertion in the middle of its block."""
    post = Accounts.post

    def brittle(self: Accounts, account: int, **deltas: int) -> None:
        assert deltas.get("deposited") != POISON, "the number of the beast"
        post(self, account, **deltas)

    monkeypatch.setattr(Accounts, "post", brittle)


def poisonous(doses: int = 1) -> commands.BlockInput:
    """The block after the played ones, a funding boundary later; all commands but the first cannot be executed."""
    maker = Maker()
    maker.now_ms = story().blocks[PLAYED].block_time_ms + HOUR_MS
    batches = [maker.amounts("deposits", a1=5), *(maker.amounts("deposits", a2=POISON) for _ in range(doses))]
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
    assert status.state == admin.NODE_STATE_STOPPED
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
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        play(host, last=PLAYED)
        money = host.accounts(1, [1, 2]).result(PATIENCE_S).accounts
        poison(monkeypatch)
        stopped(host, block)
    assert void(tmp_path, PLAYED + 1, 1) == PLAYED + 2
    # The command is as poisonous as before: it is refused before anybody carries it out.
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        assert (host.height(), host.status().block_time_ms) == (PLAYED + 2, block.block_time_ms)
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
    with closing(Host.open(config(tmp_path, shards=3, void_poison=False))) as host:
        assert host.height() == PLAYED + 3


def test_a_node_that_was_stopped_by_a_poison_command_does_not_start_before_it_is_voided(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        play(host, last=PLAYED)
        poison(monkeypatch)
        stopped(host, poisonous())
    for _ in range(2):
        with pytest.raises(BlockFailed, match="the number of the beast"):
            Host.open(config(tmp_path, void_poison=False))
    monkeypatch.undo()  # a node that was mended can do it
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        assert host.height() == PLAYED + 1
        deposited = host.accounts(1, [2]).result(PATIENCE_S).accounts[0].deposited_atoms
        assert deposited == 10**8 + POISON


def test_a_void_that_was_sequenced_like_any_command_voids_nothing(tmp_path: Path) -> None:
    maker = Maker()
    maker.now_ms = story().blocks[PLAYED - 1].block_time_ms
    void = maker.batch("void_command", venue=0, height=3, index=0)
    void.request_key = b"void"
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        play(host, last=PLAYED)
        root = seal(host, commands.BlockInput(block_time_ms=maker.now_ms, batches=[void], root=True)).header.state_root
    without_snapshots(tmp_path)
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        assert host.height() == PLAYED + 1
        assert host.status().state_root == root


def test_every_poison_command_of_a_block_is_voided_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = poisonous(doses=2)
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        play(host, last=PLAYED)
        poison(monkeypatch)
        stopped(host, block)
        with pytest.raises(LeaseHeld):
            void(tmp_path, PLAYED + 1, 1)
    for height in (PLAYED, PLAYED + 2):
        with pytest.raises(NothingToVoid, match=f"the block that fails is {PLAYED + 1}"):
            void(tmp_path, height, 1)
    assert void(tmp_path, PLAYED + 1, 1) == PLAYED + 2
    with pytest.raises(BlockFailed):  # there is another
        Host.open(config(tmp_path, void_poison=False))
    assert void(tmp_path, PLAYED + 1, 2) == PLAYED + 3
    with closing(Host.open(config(tmp_path, shards=4))) as host:
        assert host.height() == PLAYED + 3
        until_validated(host)
    with pytest.raises(NothingToVoid, match=f"all {PLAYED + 3} blocks"):
        void(tmp_path, PLAYED + 1, 1)


def test_a_block_that_was_executed_once_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = poisonous()
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        play(host, last=PLAYED)
        seal(host, block)
        seal(host, commands.BlockInput(block_time_ms=block.block_time_ms))
    without_snapshots(tmp_path)
    poison(monkeypatch)  # code that cannot do any more what was done
    with pytest.raises(BlockFailed):
        Host.open(config(tmp_path, void_poison=False))
    with pytest.raises(NothingToVoid, match="was executed"):
        void(tmp_path, PLAYED + 1, 1)
    monkeypatch.undo()
    with closing(Host.open(config(tmp_path, void_poison=False))) as host:
        assert host.height() == PLAYED + 2
