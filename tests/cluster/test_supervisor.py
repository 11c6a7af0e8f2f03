"""Supervision: actors may die before, during and after any call; the results are those of actors that never did."""

import random
from collections.abc import Sequence

import pytest
from blake3 import blake3

from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.pipeline import run_block
from cluster.placement import Owners, even
from cluster.replica import Replica, drive, read_accounts, read_pool, take_cut
from cluster.supervisor import DEATHS_A_CALL, Supervisor
from cluster.topology import standing_actors
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import ActorCrashed, ActorLost, Call
from tests.cluster.story import story


class Clockwork:
    """Time that passes when somebody sleeps."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._now_s = 0.0

    def now_s(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._now_s += seconds


class Deadly:
    """A transport whose actors die by chance: before a call reaches them, or after it, with the answer."""

    def __init__(self, shards: int, seed: int, chance: float) -> None:
        self._inner = InlineTransport(shards)
        self._draw = random.Random(seed)
        self._chance = chance
        self._dead: set[str] = set()
        self.deaths = 0

    def place(self, owners: Owners) -> None:
        self._inner.place(owners)

    def make(self, actor: str) -> None:
        self._inner.make(actor)
        self._dead.discard(actor)

    def has(self, actor: str) -> bool:
        return self._inner.has(actor)

    def _dies(self, actor: str) -> bool:
        if actor not in self._dead and self._draw.random() < self._chance:
            self._dead.add(actor)
            self.deaths += 1
        return actor in self._dead

    def _each(self, actors: Sequence[str], ask: Sequence[object]) -> list[bytes]:
        answers, lost = [], ""
        for actor, question in zip(actors, ask, strict=True):
            if not self._dies(actor):
                answers.append(question() if callable(question) else b"")
            if self._dies(actor):
                lost = lost or actor
        if lost:
            raise ActorLost(lost)
        return answers

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        return self._each([call.actor for call in calls], [lambda c=call: self._inner.call([c])[0] for call in calls])

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        return self._each([call.actor for call in calls], [lambda c=call: self._inner.query([c])[0] for call in calls])

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        return self._each(actors, [lambda a=actor: self._inner.snapshot([a])[0] for actor in actors])

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        self._each([actor], [lambda: self._inner.restore(actor, parts)])

    def replay(self, actor: str, payloads: Sequence[bytes]) -> None:
        self._each([actor] * len(payloads), [lambda p=each: self._inner.replay(actor, [p]) for each in payloads])

    def pids(self) -> dict[str, int]:
        return self._inner.pids()

    def close(self) -> None:
        self._inner.close()


def play(supervisor: Supervisor, shards: int, cut_every: int) -> tuple[ChainState, list[BlockResult]]:
    """The story on a supervised transport, with a cut now and then."""
    state, results = ChainState(even(shards)), []
    for actor in standing_actors(shards):
        supervisor.make(actor)
    for block in story().blocks:
        name = blake3(block.SerializeToString(deterministic=True)).digest()
        results.append(drive(run_block(state, block, name, 0), supervisor))
        if cut_every and block.height % cut_every == 0:
            supervisor.take_cut(take_cut(state, supervisor))
            assert supervisor.logged_bytes == 0
    return state, results


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cut_every", [0, 5])
def test_actors_that_die_at_any_moment_change_nothing(seed: int, cut_every: int) -> None:
    shards = 1 + seed % 3
    noticed: list[str] = []
    transport = Deadly(shards, seed, chance=0.012)
    supervisor = Supervisor(transport, noticed.append, clock=Clockwork())
    state, results = play(supervisor, shards, cut_every)
    assert [(result.events_root, result.state_root) for result in results] == story().roots
    assert [result.outcomes for result in results] == [result.outcomes for result in story().results]
    # Only who is asked again is rebuilt: who died after the last call of all is not missed.
    assert transport.deaths >= supervisor.rebuilds == len(noticed) > 0
    assert all("rebuilding it from the cut" in line for line in noticed)
    replica = Replica(1)
    for block in story().blocks:
        replica.apply(block)
    assert read_accounts(supervisor, state, 1, range(1, 9)) == replica.accounts(1, range(1, 9))
    assert read_pool(supervisor, 1, [1]) == replica.pool(1, [1])


def test_an_actor_that_always_dies_is_given_up_and_named() -> None:
    clock = Clockwork()
    supervisor = Supervisor(Deadly(1, 0, chance=1.0), lambda text: None, clock=clock)
    with pytest.raises(ActorCrashed, match="registry died 4 times in the same call") as crashed:
        play(supervisor, 1, 0)
    assert (crashed.value.actor, crashed.value.times) == ("registry", DEATHS_A_CALL)
    assert supervisor.rebuilds == DEATHS_A_CALL - 1
    assert clock.slept == [0.0, 0.05, 0.1]


def test_a_cut_taken_from_dying_actors_is_the_cut_of_healthy_ones() -> None:
    healthy = Replica(2)
    for block in story().blocks:
        healthy.apply(block)
    supervisor = Supervisor(Deadly(2, 3, chance=0.012), lambda text: None, clock=Clockwork())
    state, _ = play(supervisor, 2, 4)
    parts = take_cut(state, supervisor)
    assert parts == healthy.cut()
    moved = Replica(3)
    moved.restore(parts)
    assert moved.accounts(1, range(1, 9)) == healthy.accounts(1, range(1, 9))
