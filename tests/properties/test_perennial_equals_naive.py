"""Perennial, sharded and in columns, against the naive engine: events to the byte, answers, views, any shards."""

import pytest

from actors.ways import Way
from tests.properties.agreement import WAYS, agree, go_on_after_a_cut
from tests.properties.comparison import compare_versioned_views
from tests.properties.perennial_streams import PerennialStream

SHARD_COUNTS = (1, 2, 4)
BLOCKS = 40
RESHARDED_BLOCKS = 20

# One of every mood, twice.
SEEDS = range(16)
SOAK_SEEDS = range(1_000, 1_200)


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_seeds_agree(seed: int) -> None:
    way = WAYS[seed % 4]
    shards = (SHARD_COUNTS[seed % 3],) if way is Way.BY_ROW else (SHARD_COUNTS[seed % 3], SHARD_COUNTS[seed % 3 - 1])
    agree(PerennialStream(seed), BLOCKS, shards, way, compare_versioned_views)


@pytest.mark.parametrize(("seed", "before", "after"), [(1, 1, 4), (2, 4, 2)])
def test_a_cut_taken_by_another_shard_count_goes_on_the_same(seed: int, before: int, after: int) -> None:
    go_on_after_a_cut(PerennialStream(seed), before, after, RESHARDED_BLOCKS, compare_versioned_views)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
def test_many_seeds_agree(seed: int) -> None:
    agree(
        PerennialStream(seed),
        2 * BLOCKS,
        (SHARD_COUNTS[seed % 3],),
        way=WAYS[seed % 4],
        compare_views=compare_versioned_views,
    )
