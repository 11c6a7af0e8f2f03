"""A transport whose actors die by chance, a clock that stands still, and the story played on a supervised transport."""

import random
from collections.abc import Callable, Sequence
from typing import TypeVar

from blake3 import blake3

from breakwater.v1 import commands_pb2 as commands
from cluster.chain_state import ChainState
from cluster.commit import BlockResult
from cluster.pipeline import run_block
from cluster.placement import Owners, even
from cluster.replica import drive, take_cut
from cluster.supervisor import Supervisor
from cluster.topology import standing_actors
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import ActorLost, Call
from tests.cluster.story import story

T = TypeVar("T")


def frame_hash(block: commands.BlockInput) -> bytes:
    """A block's name where there is no journal, as `Replica` has it."""
    return blake3(block.SerializeToString(deterministic=True)).digest()


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
        self.inner = InlineTransport(shards)
        self._draw = random.Random(seed)
        self._chance = chance
        self._dead: set[str] = set()
        self.deaths = 0

    def place(self, owners: Owners) -> None:
        self.inner.place(owners)

    def make(self, actor: str) -> None:
        self.inner.make(actor)
        self._dead.discard(actor)

    def has(self, actor: str) -> bool:
        return self.inner.has(actor)

    def _dies(self, actor: str) -> bool:
        if actor not in self._dead and self._draw.random() < self._chance:
            self._dead.add(actor)
            self.deaths += 1
        return actor in self._dead

    def _each(self, actors: Sequence[str], ask: Sequence[Callable[[], T]]) -> list[T]:
        answers: list[T] = []
        lost = ""
        for actor, question in zip(actors, ask, strict=True):
            if not self._dies(actor):
                answers.append(question())
            if self._dies(actor):
                lost = lost or actor
        if lost:
            raise ActorLost(lost)
        return answers

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        return self._each([call.actor for call in calls], [lambda c=call: self.inner.call([c])[0] for call in calls])

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        return self._each([call.actor for call in calls], [lambda c=call: self.inner.query([c])[0] for call in calls])

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        return self._each(actors, [lambda a=actor: self.inner.snapshot([a])[0] for actor in actors])

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        self._each([actor], [lambda: self.inner.restore(actor, parts)])

    def replay(self, actor: str, payloads: Sequence[bytes]) -> None:
        self._each([actor] * len(payloads), [lambda p=each: self.inner.replay(actor, [p]) for each in payloads])

    def pids(self) -> dict[str, int]:
        return self.inner.pids()

    def nodes(self) -> dict[str, str]:
        return self.inner.nodes()

    def close(self) -> None:
        self.inner.close()


class Mortal(Deadly):
    """One whose actors die when they are told to: who is in `dead` is gone until it is made again."""

    def __init__(self, shards: int) -> None:
        super().__init__(shards, 0, chance=0.0)

    @property
    def dead(self) -> set[str]:
        return self._dead

    def _each(self, actors: Sequence[str], ask: Sequence[Callable[[], T]]) -> list[T]:
        lost = [actor for actor in actors if actor in self._dead]
        if lost:
            raise ActorLost(lost[0], lost[1:])
        return [question() for question in ask]


def play_upto(supervisor: Supervisor, shards: int, last: int, state: ChainState | None = None) -> ChainState:
    """The story's blocks up to a height, each with its roots; from the beginning or from where `state` is."""
    if state is None:
        state = ChainState(even(shards))
        for actor in standing_actors(shards):
            supervisor.make(actor)
    for block in story().blocks[state.height : last]:
        result = drive(run_block(state, block, frame_hash(block), 0), supervisor)
        assert (result.events_root, result.state_root) == story().roots[block.height - 1]
    return state


def play(supervisor: Supervisor, shards: int, cut_every: int) -> tuple[ChainState, list[BlockResult]]:
    """The story on a supervised transport, with a cut now and then."""
    state, results = ChainState(even(shards)), []
    for actor in standing_actors(shards):
        supervisor.make(actor)
    for block in story().blocks:
        results.append(drive(run_block(state, block, frame_hash(block), 0), supervisor))
        if cut_every and block.height % cut_every == 0:
            supervisor.take_cut(take_cut(state, supervisor))
            assert supervisor.logged_bytes == 0
    return state, results
