"""The swarm on Margin Trade venues: what holds after every block; replicas crash, restore a cut and catch up."""

import random

import pytest

from actors.ways import Way
from cluster.replica import Replica
from tests.engine.margin.invariants import cross_breaches
from tests.properties.margin_streams import MarginStream, MixedStream
from tests.properties.streams import Play

BLOCKS = 30
SHARD_COUNTS = (1, 2, 3, 4)


@pytest.mark.parametrize("seed", range(20, 26))
def test_every_invariant_holds_after_every_block(seed: int) -> None:
    stream = MarginStream(seed)
    for play in stream.play(BLOCKS):
        assert not cross_breaches(stream.engine, play.result), f"seed {seed} height {play.block.height}"


class Crashing:
    """A node that takes cuts, crashes, and comes back from the last one with as many shards as it likes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.replica = Replica(self.random.choice(SHARD_COUNTS))
        self.cut: dict[str, bytes] = {}
        self.since: list[Play] = []
        self.crashes = 0

    def apply(self, play: Play, where: str) -> None:
        """One block; after it perhaps a cut, perhaps a crash."""
        self._run(play, where)
        self.since.append(play)
        if self.random.random() < 0.2:
            self.cut, self.since = self.replica.cut(), []
        if self.random.random() < 0.2:
            self._crash(where)

    def _run(self, play: Play, where: str) -> None:
        result = self.replica.apply(play.block, voided=play.voided)
        assert result.events == play.result.events, f"{where} height {play.block.height}"

    def _crash(self, where: str) -> None:
        """What was since the cut is played again from the journal."""
        self.crashes += 1
        self.replica = Replica(self.random.choice(SHARD_COUNTS), self.random.choice((*Way, Way.BY_COLUMNS)))
        if self.cut:
            self.replica.restore(self.cut)
        for play in self.since:
            self._run(play, f"{where}, again")


@pytest.mark.parametrize(("seed", "mixed"), [(35, False), (36, False), (33, True)])
def test_crashes_and_other_shard_counts_do_not_show(seed: int, mixed: bool) -> None:
    node = Crashing(seed)
    for play in (MixedStream(seed) if mixed else MarginStream(seed)).play(BLOCKS):
        node.apply(play, f"seed {seed} crash {node.crashes}")
    assert node.crashes >= 3
