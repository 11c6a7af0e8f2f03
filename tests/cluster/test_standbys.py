"""Standbys follow the calls, take over without a rebuild, and never hurt the actors they stand by."""

from collections.abc import Callable, Iterator, Sequence
from threading import Event

import pytest

from actors.contract import Actor
from cluster import standbys
from cluster.chain_state import ChainState
from cluster.placement import even
from cluster.replica import CARRY, take_cut
from cluster.standbys import Standbys
from cluster.supervisor import Supervisor
from cluster.topology import ORACLE, REGISTRY, build
from cluster.transport.transport import ActorLost
from tests.cluster.deadly import Clockwork, Mortal, play_upto
from tests.cluster.story import PATIENCE_S, story
from tests.waiting import wait

SHARDS = 2


class Second:
    """A follower in this process; `dies_at` counts the messages it survives."""

    def __init__(self, actor: str, dies_at: int, gate: Event) -> None:
        self.name = actor
        self.actor: Actor = build(actor, even(SHARDS))
        self.ended = False
        self.restored = 0
        self._left = dies_at
        self._gate = gate

    def _survive(self) -> None:
        self._left -= 1
        if self._left == 0 or self.ended:
            raise ActorLost(self.name)

    def restore(self, parts: Sequence[bytes]) -> None:
        self._survive()
        self.actor = build(self.name, even(SHARDS))
        self.actor.restore(parts)
        self.restored += 1

    def replay(self, payloads: Sequence[bytes]) -> None:
        assert self._gate.wait(PATIENCE_S)
        for payload in payloads:
            self._survive()
            self.actor.apply(payload)

    def end(self) -> None:
        self.ended = True


class Crewed(Mortal):
    """A transport that makes followers."""

    def __init__(self, dies_at: Callable[[], int] = lambda: -1) -> None:
        super().__init__(SHARDS)
        self._dies_at = dies_at
        self.made: list[Second] = []
        self.promoted: list[str] = []
        self.gate = Event()
        self.gate.set()

    def can_stand_by(self, actor: str) -> bool:
        return actor not in (REGISTRY, ORACLE)

    def follower(self, actor: str) -> Second:
        self.made.append(Second(actor, self._dies_at(), self.gate))
        return self.made[-1]

    def promote(self, actor: str, follower: Second) -> None:
        self.inner._actors[actor] = follower.actor
        self._dead.discard(actor)
        self.promoted.append(actor)


class Node:
    """A supervised transport with standbys, and the chain it is on."""

    def __init__(self, kind: str, crew: Crewed, settle_s: float) -> None:
        self.crew = crew
        self.noticed: list[str] = []
        self.standbys = Standbys(kind, crew, self.noticed.append, settle_s=settle_s)
        self.supervisor = Supervisor(crew, self.noticed.append, self.standbys, Clockwork())
        self.state = play_upto(self.supervisor, SHARDS, 1)

    def play(self, last: int) -> None:
        """The story up to a height, with its roots."""
        self.state = play_upto(self.supervisor, SHARDS, last, self.state)

    def take_cut(self) -> dict[str, bytes]:
        """As the node does between two blocks."""
        parts = take_cut(self.state, self.supervisor)
        self.supervisor.take_cut(parts)
        return parts

    def await_standbys(self, *actors: str) -> None:
        """Until these could take over."""
        wait(lambda: set(self.supervisor.standby_names()) >= set(actors), self.supervisor.degraded)


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Node]]:
    """Makes nodes and closes them; a standby's thread may be slow to hand it over."""
    monkeypatch.setattr(standbys, "_HAND_OVER_S", PATIENCE_S)
    nodes: list[Node] = []

    def make(kind: str = "all", dies_at: Callable[[], int] = lambda: -1, settle_s: float = 0.02) -> Node:
        nodes.append(Node(kind, Crewed(dies_at), settle_s))
        return nodes[-1]

    yield make
    for node in nodes:
        node.supervisor.close()
        assert all(second.ended or second.name in node.crew.promoted for second in node.crew.made)


def test_a_standby_takes_over_without_a_rebuild(opened: Callable[..., Node]) -> None:
    node = opened()
    for height in range(2, len(story().blocks) + 1):
        if height % 5 == 0:
            node.take_cut()
        if height in (4, 9, 13):
            node.await_standbys("shard/0", "shard/1", "coordinator")
            node.crew.dead.update(("shard/0", "coordinator"))
        node.play(height)
    assert node.crew.promoted.count("shard/0") == 3
    assert not any("rebuilding" in line for line in node.noticed)
    assert any(line == "actor shard/0 is gone; its standby has taken over" for line in node.noticed)


def test_only_those_asked_for_have_one(opened: Callable[..., Node]) -> None:
    not_yet = opened("shards", settle_s=PATIENCE_S)
    assert sorted(line.split()[3] for line in not_yet.supervisor.degraded()) == ["shard/0", "shard/1"]
    node = opened("shards")
    node.await_standbys("shard/0", "shard/1")
    node.play(6)
    node.await_standbys("shard/0", "shard/1")
    assert {second.name for second in node.crew.made} == {"shard/0", "shard/1"}
    assert node.supervisor.degraded() == []


def test_one_that_is_not_ready_leaves_the_actor_to_a_rebuild(opened: Callable[..., Node]) -> None:
    node = opened(settle_s=PATIENCE_S)
    node.crew.dead.add("shard/1")
    node.play(5)
    assert node.crew.promoted == []
    assert any("actor shard/1 is gone; rebuilding it from the cut" in line for line in node.noticed)


def test_a_rollback_reaches_the_standbys(opened: Callable[..., Node]) -> None:
    node = opened("shards")
    node.play(6)
    before = node.take_cut()
    node.play(8)
    node.await_standbys("shard/0", "shard/1")
    followed = [(second, second.restored) for second in node.crew.made]
    node.supervisor.reset(before)
    node.state = ChainState.load(before[CARRY], even(SHARDS))
    wait(
        lambda: all(second.restored > times for second, times in followed),
        lambda: "they still follow what was rolled back",
    )
    node.await_standbys("shard/0", "shard/1")
    node.crew.dead.update(("shard/0", "shard/1"))
    node.play(len(story().blocks))
    assert node.crew.promoted == ["shard/0", "shard/1"]


def test_one_that_dies_is_made_again_and_nobody_else_notices(opened: Callable[..., Node]) -> None:
    lives = iter([3])
    node = opened("shards", lambda: next(lives, -1))
    node.play(10)
    wait(lambda: any("making another" in line for line in node.noticed), lambda: node.noticed)
    wait(lambda: len(node.crew.made) == 3, lambda: node.crew.made)  # until then the dead one may pass for ready
    node.await_standbys("shard/0", "shard/1")
    assert node.supervisor.rebuilds == 0
    node.crew.dead.update(("shard/0", "shard/1"))
    node.play(len(story().blocks))
    assert sorted(node.crew.promoted) == ["shard/0", "shard/1"]


def test_one_that_is_far_behind_starts_from_the_newest_cut(opened: Callable[..., Node]) -> None:
    node = opened("shards")
    node.await_standbys("shard/0", "shard/1")
    node.crew.gate.clear()
    for height in range(2, 12):
        node.play(height)
        node.take_cut()
    node.crew.gate.set()
    wait(lambda: all(second.restored for second in node.crew.made), lambda: "they went through every cut")
    node.await_standbys("shard/0", "shard/1")
    node.crew.dead.add("shard/0")
    node.play(len(story().blocks))
    assert node.crew.promoted == ["shard/0"]
