"""Margin Trade, sharded and in columns, against the naive engine: events to the byte, answers, views, any shards."""

import pytest

from actors.ways import Way
from tests.properties.agreement import WAYS, agree, go_on_after_a_cut
from tests.properties.comparison import compare_cross_views
from tests.properties.margin_streams import MarginStream, MixedStream

SHARD_COUNTS = (1, 2, 4)
BLOCKS = 40
MIXED_BLOCKS = 25
RESHARDED_BLOCKS = 20

SEEDS = (
    # One of every mood.
    *range(10),
    # Where a fee of a lot, the pair kept from a partial, or the order of two venues' rounds decides.
    16,
    18,
)
SOAK_SEEDS = range(1_000, 1_200)


@pytest.mark.parametrize("seed", SEEDS)
def test_fixed_seeds_agree(seed: int) -> None:
    way = WAYS[seed % 4]
    shards = (SHARD_COUNTS[seed % 3],) if way is Way.BY_ROW else (SHARD_COUNTS[seed % 3], SHARD_COUNTS[seed % 3 - 1])
    agree(MarginStream(seed), BLOCKS, shards, way, compare_cross_views)


# 3089 found caps of the block before in the naive engine.
@pytest.mark.parametrize("seed", [1, 4, 3089])
def test_both_rulebooks_agree_in_the_same_blocks(seed: int) -> None:
    agree(
        MixedStream(seed),
        MIXED_BLOCKS,
        (SHARD_COUNTS[seed % 3],),
        way=Way.BY_COLUMNS,
        compare_views=compare_cross_views,
    )


@pytest.mark.parametrize(("seed", "before", "after"), [(3, 1, 4), (5, 4, 2)])
def test_a_cut_taken_by_another_shard_count_goes_on_the_same(seed: int, before: int, after: int) -> None:
    go_on_after_a_cut(MarginStream(seed), before, after, RESHARDED_BLOCKS, compare_cross_views)


@pytest.mark.parametrize("seed", [5, 8])
def test_who_fails_margin_cannot_flip(seed: int) -> None:
    agree(MarginStream(seed, {"flips": 1.0}), BLOCKS, (2,), way=Way.BY_COLUMNS, compare_views=compare_cross_views)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
def test_many_seeds_agree(seed: int) -> None:
    stream = MixedStream(seed) if seed % 5 == 0 else MarginStream(seed)
    agree(stream, 2 * BLOCKS, (SHARD_COUNTS[seed % 3],), way=WAYS[seed % 4], compare_views=compare_cross_views)
