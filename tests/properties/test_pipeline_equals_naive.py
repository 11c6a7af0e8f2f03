"""The fused, sharded pipeline against the naive engine: the same events to the byte, answers and state, any shards."""

import pytest
from hypothesis import HealthCheck, given, settings

from actors.ways import Way
from cluster.replica import Replica
from tests.properties.agreement import WAYS
from tests.properties.comparison import apply_and_compare
from tests.properties.streams import Stream, streams

SHARD_COUNTS = (1, 2, 4)
BLOCKS = 60
DRAWN_BLOCKS = 25
RESHARDED_BLOCKS = 30

SEEDS = (
    *range(20),
    # Found, each in its first version of a stream: a mark that never moved again after tick_interval_ms was raised
    # (0, 2, 9), boundaries off a changed interval (3, 6, 8), credits of two venues in the order of the shards (0, 7),
    # a halted market that refused liquidity with the numbers of another state (16, 18, 23).
    23,
    # Found two claims paid by one inflow that both told what was outstanding after the second.
    1131,
)


def run(seed: int, appetite: dict[str, float], blocks: int, shard_counts: tuple[int, ...], way: Way) -> None:
    """Plays a stream on replicas of these shard counts beside the naive engine; `scalar`: as a validator runs it."""
    replicas = [(shards, Replica(shards, way)) for shards in shard_counts]
    for play in Stream(seed, appetite).play(blocks):
        where = f"seed {seed} {appetite} height {play.block.height}"
        roots = {
            apply_and_compare(replica, play.block, play.voided, play.result, f"{where} shards {shards}")
            for shards, replica in replicas
        }
        assert len(roots) == 1, f"{where}: roots differ by shard count"
        assert play.result.conserved, where


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_seeds_agree(seed: int) -> None:
    first = seed % len(SHARD_COUNTS)
    run(seed, {}, BLOCKS, (SHARD_COUNTS[first], SHARD_COUNTS[first - 1]), way=WAYS[seed % 4])


@settings(max_examples=12, suppress_health_check=list(HealthCheck))
@given(streams())
def test_drawn_streams_agree(drawn: tuple[int, dict[str, float]]) -> None:
    seed, appetite = drawn
    run(seed, appetite, DRAWN_BLOCKS, (SHARD_COUNTS[seed % len(SHARD_COUNTS)],), way=Way.BY_COLUMNS)


@pytest.mark.parametrize(("seed", "before", "after"), [(5, 1, 4), (11, 4, 2), (20, 2, 1)])
def test_a_cut_taken_by_another_shard_count_goes_on_the_same(seed: int, before: int, after: int) -> None:
    staying = Replica(before)
    moved = staying
    for play in Stream(seed).play(2 * RESHARDED_BLOCKS):
        where = f"seed {seed} height {play.block.height} from {before} to {after} shards"
        roots = {apply_and_compare(staying, play.block, play.voided, play.result, where)}
        if moved is not staying:
            roots.add(apply_and_compare(moved, play.block, play.voided, play.result, where))
        assert len(roots) == 1, f"{where}: roots differ"
        if play.block.height == RESHARDED_BLOCKS:
            moved = Replica(after)
            moved.restore(staying.cut())
