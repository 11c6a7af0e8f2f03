"""Spin, sharded and in columns, against the naive engine: events to the byte, answers, views, any shards; and all four
rulebooks in the same blocks."""

import pytest

from actors.ways import Way
from cluster.replica import Replica
from tests.properties.agreement import WAYS, agree, go_on_after_a_cut
from tests.properties.comparison import (
    apply_and_compare,
    compare_cross_views,
    compare_ratio_views,
    compare_versioned_views,
)
from tests.properties.spin_streams import FourStream, SpinStream

SHARD_COUNTS = (1, 2, 4)
BLOCKS = 36
FOUR_BLOCKS = 22
RESHARDED_BLOCKS = 18

# One of every mood, and one more of those in which most happens.
SEEDS = range(10)
SOAK_SEEDS = range(1_000, 1_200)


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_seeds_agree(seed: int) -> None:
    way = WAYS[seed % 4]
    shards = (SHARD_COUNTS[seed % 3],) if way is Way.BY_ROW else (SHARD_COUNTS[seed % 3], SHARD_COUNTS[seed % 3 - 1])
    agree(SpinStream(seed), BLOCKS, shards, way, compare_ratio_views)


@pytest.mark.parametrize("seed", [1, 4])
def test_all_four_rulebooks_agree_in_the_same_blocks(seed: int) -> None:
    shards = SHARD_COUNTS[seed % 3]
    replica, stream = Replica(shards), FourStream(seed)
    for play in stream.play(FOUR_BLOCKS):
        where = f"seed {seed} height {play.block.height} shards {shards}"
        apply_and_compare(replica, play.block, play.voided, play.result, where)
        assert play.result.conserved, where
    for compare in (compare_cross_views, compare_ratio_views, compare_versioned_views):
        compare(replica, stream.engine, f"seed {seed} at the end")


@pytest.mark.parametrize(("seed", "before", "after"), [(1, 1, 4), (2, 4, 2)])
def test_a_cut_taken_by_another_shard_count_goes_on_the_same(seed: int, before: int, after: int) -> None:
    go_on_after_a_cut(SpinStream(seed), before, after, RESHARDED_BLOCKS, compare_ratio_views)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
def test_many_seeds_agree(seed: int) -> None:
    stream = FourStream(seed) if seed % 5 == 0 else SpinStream(seed)
    agree(stream, 2 * BLOCKS, (SHARD_COUNTS[seed % 3],), way=WAYS[seed % 4], compare_views=compare_ratio_views)
