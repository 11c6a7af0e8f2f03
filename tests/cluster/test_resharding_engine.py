"""An engine between whose turns buckets move: what is rolled back or voided after it is on the new shards."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.placement import Owners
from cluster.recovery import replay
from cluster.replica import Replica
from cluster.resharding import add_shards, move_buckets, sizes
from tests.cluster.test_void import POISON, poison
from tests.cluster.trouble import Turned


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Turned]:
    turned = Turned(tmp_path)
    turned.start()
    yield turned
    turned.close()


def reshard(node: Turned) -> Owners:
    """Accounts 1 to 4 on a third shard, account 5 where account 2 was."""
    engine, kept = node.engine, []
    add_shards(engine.state, engine.supervisor, kept.append, 1, empty=True)
    move_buckets(engine.state, engine.supervisor, kept.append, [1, 2, 3, 4], 2)
    move_buckets(engine.state, engine.supervisor, kept.append, [5], 0)
    assert kept[-1] == engine.state.owners
    return engine.state.owners


def check(node: Turned, owners: Owners) -> None:
    """The placement is the new one; every shard has its accounts; a replica of the journal finds the same roots."""
    state = node.engine.state
    assert state.owners == owners
    held = [size.accounts for size in sizes(state, node.engine.supervisor)]
    assert held[2] == 4 and sum(held) == sum(held[:2]) + 4
    replica = Replica(1)
    for _ in replay(node.journal, replica, 1):
        pass
    assert (replica.state.height, replica.state.events_root) == (state.height, state.events_root)
    for account in range(1, 6):
        shown = replica.accounts(1, [account]).accounts[0].deposited_atoms
        assert node.deposited(account) == shown


def full_disk(node: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that was executed ahead of its append, and is rolled back."""
    node.journal.full = True
    node.send(node.maker.amounts("deposits", a2=5))
    node.turn()
    node.journal.full = False
    node.turn(20)


def poisoned(node: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that nobody can execute until a command of it is voided."""
    poison(monkeypatch)
    node.send(node.maker.amounts("deposits", a2=POISON), node.maker.amounts("deposits", a3=8))
    node.turn()
    assert node.engine.voided == 1


def snapshot(node: Turned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut in the new placement."""
    node.engine.take_snapshot()


Trouble = Callable[[Turned, pytest.MonkeyPatch], None]


@pytest.mark.parametrize(
    "troubles",
    [(full_disk,), (poisoned,), (snapshot, full_disk), (snapshot, poisoned), (full_disk, snapshot, poisoned)],
)
def test_whatever_befalls_the_engine_after_a_move_the_placement_stays(
    node: Turned, troubles: tuple[Trouble, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    node.do(node.maker.amounts("deposits", a2=11, a5=12))
    owners = reshard(node)
    node.do(node.maker.amounts("deposits", a1=13, a4=14))
    for trouble in troubles:
        trouble(node, monkeypatch)
        node.do(node.maker.amounts("deposits", a2=15, a5=16))
        check(node, owners)


def test_a_block_executed_ahead_of_a_lost_answer_is_on_the_new_shards_too(node: Turned) -> None:
    owners = reshard(node)
    for where in ("in", "out"):
        node.journal.lose_answer = where
        (answer,) = node.send(node.maker.amounts("deposits", a2=15, a5=16))
        node.turn(30)
        assert answer.done()
        check(node, owners)
