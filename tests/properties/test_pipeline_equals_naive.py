"""The fused, sharded pipeline against the naive engine: the same events to the byte, answers and state, any shards."""

from itertools import zip_longest

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings

from breakwater.v1.batches_pb2 import AccountView, Outcomes, PoolView
from breakwater.v1.events_pb2 import Event
from cluster.replica import Replica
from tests.engine.naive import NaiveResult
from tests.engine.state import Outcome
from tests.properties.streams import Play, Stream, streams

SHARD_COUNTS = (1, 2, 4)
SEEDS = range(12)
BLOCKS = 60
SHORT = 25


def run(seed: int, appetite: dict[str, float], blocks: int, shard_counts: tuple[int, ...]) -> None:
    """Plays a stream on replicas of these shard counts beside the naive engine."""
    replicas = [(shards, Replica(shards=shards)) for shards in shard_counts]
    for play in Stream(seed, appetite).play(blocks):
        roots = set()
        for shards, replica in replicas:
            where = f"seed {seed} {appetite} height {play.block.height} shards {shards}"
            result = replica.apply(play.block, voided=play.voided)
            assert result.events == play.result.events, f"{where}: {first_difference(play, result.events)}"
            assert answers(result.outcomes) == play.result.outcomes, where
            for ours, theirs in zip_longest(expected_views(play.result), views(replica, play.result)):
                assert ours == theirs, f"{where}: naive {ours} pipeline {theirs}"
            roots.add((result.events_root, result.state_root))
        assert len(roots) == 1, f"seed {seed} {appetite} height {play.block.height}: roots differ by shard count"
        assert play.result.conserved, f"seed {seed} {appetite} height {play.block.height}"


def first_difference(play: Play, events: list[bytes]) -> str:
    """The first event that differs, as text."""
    for index, (ours, theirs) in enumerate(zip_longest(play.result.events, events, fillvalue=b"")):
        if ours != theirs:
            return f"event {index}: naive {Event.FromString(ours)} pipeline {Event.FromString(theirs)}"
    return "none"


def answers(outcomes: Outcomes) -> dict[int, Outcome]:
    """The columns by command, in the naive engine's shape."""
    columns = (
        outcomes.status,
        outcomes.refusal,
        outcomes.required,
        outcomes.actual,
        outcomes.reference,
        outcomes.price_ticks,
        outcomes.amount_atoms,
    )
    return dict(zip(outcomes.command, zip(*columns, strict=True), strict=True))


def views(replica: Replica, naive: NaiveResult) -> list[Message]:
    """What the replica shows of every account and pool the naive engine knows."""
    shown: list[Message] = []
    for pool in naive.pools:
        accounts = [view.account for view in naive.accounts if view.venue == pool.venue]
        found = replica.accounts(pool.venue, accounts)
        assert found.height == naive.height
        shown += found.accounts
        view = replica.pool(pool.venue, [holding.account for holding in pool.holdings])
        # A market's totals may be there or not before its first position and after its last.
        open_totals = [totals for totals in view.totals if totals.positions]
        del view.totals[:]
        view.totals.extend(open_totals)
        shown.append(view)
    return shown


def expected_views(naive: NaiveResult) -> list[AccountView | PoolView]:
    """The same of the naive engine, in the same order."""
    expected: list[AccountView | PoolView] = []
    for pool in naive.pools:
        expected += [view for view in naive.accounts if view.venue == pool.venue]
        expected.append(pool)
    return expected


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_seeds_agree(seed: int) -> None:
    first = seed % len(SHARD_COUNTS)
    run(seed, {}, BLOCKS, (SHARD_COUNTS[first], SHARD_COUNTS[first - 1]))


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(streams())
def test_drawn_streams_agree(drawn: tuple[int, dict[str, float]]) -> None:
    seed, appetite = drawn
    run(seed, appetite, SHORT, (SHARD_COUNTS[seed % len(SHARD_COUNTS)],))
