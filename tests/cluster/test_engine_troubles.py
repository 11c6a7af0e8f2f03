"""An engine whose journal refuses, falls silent or belongs to somebody else, and one that is given poison."""

from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from breakwater.v1 import admin_pb2 as admin
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from cluster.journal import SqliteJournal
from cluster.refused import Refused
from cluster.transport.inline import InlineTransport
from tests.cluster.test_void import POISON, poison
from tests.cluster.trouble import Turned

READ_ONLY, FENCED = refusals.REFUSAL_READ_ONLY, refusals.REFUSAL_FENCED


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Turned]:
    turned = Turned(tmp_path)
    turned.start()
    yield turned
    turned.close()


def refusal(answer: "Future[Any]") -> int:
    with pytest.raises(Refused) as caught:
        answer.result(0)
    return caught.value.refusal


def reopened(node: Turned, directory: Path) -> Turned:
    """The same data directory after the process died."""
    node.engine.close()
    return Turned(directory)


def test_a_full_disk_makes_the_node_read_only_and_space_makes_it_take_blocks_again(node: Turned) -> None:
    before, root = node.engine.height, node.engine.state.events_root
    node.journal.full = True
    first, second = node.send(node.maker.amounts("deposits", a2=5), node.maker.amounts("deposits", a2=7))
    node.turn()
    assert (refusal(first), refusal(second)) == (READ_ONLY, READ_ONLY)
    assert node.node_state == admin.NODE_STATE_READ_ONLY
    assert "no space is left" in node.engine.node_state()[1][0]
    # What was executed ahead of the append is gone: readers see the last durable block.
    assert (node.engine.height, node.engine.state.height, node.engine.state.events_root) == (before, before, root)
    assert node.deposited(2) == 10**8
    (late,) = node.send(node.maker.amounts("deposits", a2=9))
    assert refusal(late) == READ_ONLY  # at the door, before any block
    node.turn(20)
    assert node.engine.height == before
    node.journal.full = False
    node.turn(20)
    assert node.node_state == admin.NODE_STATE_READY
    (outcome,) = node.do(node.maker.amounts("deposits", a2=11))
    assert outcome.status[0] == common.OUTCOME_STATUS_DONE
    assert node.deposited(2) == 10**8 + 11


def test_a_request_refused_read_only_may_be_sent_again_under_its_key(node: Turned) -> None:
    node.journal.full = True
    batch = node.maker.amounts("deposits", a2=5)
    (answer,) = node.send(batch)
    node.turn()
    assert refusal(answer) == READ_ONLY
    node.journal.full = False
    node.turn(20)
    (outcome,) = node.do(batch)
    assert outcome.status[0] == common.OUTCOME_STATUS_DONE
    assert node.do(batch) == [outcome]
    assert node.deposited(2) == 10**8 + 5


@pytest.mark.parametrize("where", ["in", "out"])
def test_an_append_without_an_answer_is_settled_by_the_journal(node: Turned, where: str, tmp_path: Path) -> None:
    height = node.engine.height
    node.journal.lose_answer, node.journal.silent = where, True
    (answer,) = node.send(node.maker.amounts("deposits", a2=5))
    node.turn(20)
    assert not answer.done()  # nobody knows, so nobody is told
    assert node.engine.height == height
    assert node.node_state == admin.NODE_STATE_READ_ONLY
    (late,) = node.send(node.maker.amounts("deposits", a2=7))
    assert refusal(late) == READ_ONLY
    node.journal.silent = False
    node.turn(40)
    outcome = answer.result(0).outcome()
    # In the journal: that block. Not in it: the same request is in the next one, under a later epoch.
    assert outcome.height == height + 1
    assert node.deposited(2) == 10**8 + 5
    assert node.node_state == admin.NODE_STATE_READY
    again = reopened(node, tmp_path)
    assert again.deposited(2) == 10**8 + 5
    again.close()


def test_a_store_that_takes_nothing_and_cannot_be_read_is_waited_for(node: Turned) -> None:
    height = node.engine.height
    node.journal.full = node.journal.silent = True  # a connection that was lost between two blocks
    (answer,) = node.send(node.maker.amounts("deposits", a2=5))
    node.turn(20)
    assert not answer.done()
    assert (node.engine.height, node.node_state) == (height, admin.NODE_STATE_READ_ONLY)
    node.journal.full = node.journal.silent = False
    node.turn(40)
    assert answer.result(0).height == height + 1
    assert node.deposited(2) == 10**8 + 5
    assert node.node_state == admin.NODE_STATE_READY


def test_who_was_overtaken_acknowledges_nothing_any_more(node: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = node.send(node.maker.amounts("deposits", a2=5))
    # Another process took the lease: on one host only by a broken lock, so the epoch is raised beneath the journal.
    node.journal._connection.execute("UPDATE lease SET epoch = epoch + 1")
    node.turn()
    assert [refusal(answer) for answer in waiting] == [FENCED]
    assert node.node_state == admin.NODE_STATE_FENCED
    (late,) = node.send(node.maker.amounts("deposits", a2=7))
    assert refusal(late) == FENCED
    height = node.engine.height
    node.turn(20)
    assert node.engine.height == height
    node.engine.finish()  # as the thread that turned it does at its end: the reason stays the same
    (later,) = node.send(node.maker.amounts("deposits", a2=9))
    assert refusal(later) == FENCED


def test_an_idle_node_hears_that_it_was_overtaken(node: Turned) -> None:
    node.journal._connection.execute("UPDATE lease SET epoch = epoch + 1")
    node.turn(30)
    assert node.node_state == admin.NODE_STATE_FENCED
    assert isinstance(node.journal._inner, SqliteJournal)


def test_a_poison_command_is_voided_and_everybody_else_is_answered(
    node: Turned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    poison(monkeypatch)
    height = node.engine.height
    bodies = [{"a1": 3}, {"a2": POISON}, {"a3": 4}, {"a4": POISON}, {"a5": 6}]
    answers = node.send(*(node.maker.amounts("deposits", **body) for body in bodies))
    node.turn()
    told = [(answer.result(0).height, answer.result(0).refusal[0]) for answer in answers]
    voided = refusals.REFUSAL_VOIDED
    assert told == [(height + 1, code) for code in (0, voided, 0, voided, 0)]
    assert [node.deposited(account) - 10**8 for account in (2, 3, 4, 5)] == [0, 4, 0, 6]
    assert node.engine.voided == 2
    assert node.engine.height == height + 2  # the block, and the frame that voids
    assert node.node_state == admin.NODE_STATE_READY
    root = node.engine.state.events_root
    again = reopened(node, tmp_path)  # the command is as poisonous as before
    assert again.engine.state.events_root == root
    assert [again.deposited(account) - 10**8 for account in (2, 3, 4, 5)] == [0, 4, 0, 6]
    again.close()


def test_a_start_voids_the_command_its_predecessor_died_of(
    node: Turned, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Dead(BaseException):
        """The process is gone."""

    def die(self: InlineTransport, calls: Any) -> list[bytes]:
        raise Dead

    with monkeypatch.context() as patch:
        patch.setattr(InlineTransport, "call", die)
        node.send(node.maker.amounts("deposits", a3=4), node.maker.amounts("deposits", a2=POISON))
        with pytest.raises(Dead):
            node.turn()
    poison(monkeypatch)
    again = reopened(node, tmp_path)
    assert any("command 1 is voided" in notice for notice in again.notices)
    assert [again.deposited(account) - 10**8 for account in (2, 3)] == [0, 4]
    again.close()


def test_a_block_that_fails_without_its_commands_stops_the_node(node: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise AssertionError("no block can be made")

    monkeypatch.setattr("cluster.commit.check_conservation", broken)
    (answer,) = node.send(node.maker.amounts("deposits", a2=5))
    with pytest.raises(Exception, match="no block can be made") as caught:
        node.turn()
    node.engine.stop(caught.value)
    assert refusal(answer) == refusals.REFUSAL_UNAVAILABLE
    assert node.node_state == admin.NODE_STATE_STOPPED


def test_a_snapshot_that_cannot_be_written_degrades_and_is_tried_again(tmp_path: Path) -> None:
    node = Turned(tmp_path, snapshot_every=1)
    node.start()
    taken = node.engine.snapshot_height
    write = node.stores.snapshots.write

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    node.stores.snapshots.write = full  # type: ignore[method-assign]
    (outcome,) = node.do(node.maker.amounts("deposits", a2=5))
    assert outcome.status[0] == common.OUTCOME_STATUS_DONE
    assert node.node_state == admin.NODE_STATE_DEGRADED
    assert node.engine.snapshot_height == taken
    node.stores.snapshots.write = write  # type: ignore[method-assign]
    node.turn(110, step_ms=1_000)
    assert node.node_state == admin.NODE_STATE_READY
    assert node.engine.snapshot_height > taken
    node.close()


def test_the_journal_of_a_node_that_runs_for_long_is_pruned_behind_its_snapshots(tmp_path: Path) -> None:
    node = Turned(tmp_path, snapshot_every=5, journal_keep_blocks=4)
    node.start()
    node.turn(40, step_ms=1_000)
    first, tip = node.journal.start().height + 1, node.engine.height
    assert 1 < first <= tip - 4
    assert any("the journal was pruned" in notice for notice in node.notices)
    again = reopened(node, tmp_path)
    assert again.engine.height == tip
    assert again.deposited(2) == 10**8
    again.close()
