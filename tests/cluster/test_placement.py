"""Which shard owns which bucket: moved, spread, saved and read back; everything that cannot be is named."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.columns import BUCKETS
from cluster import placement
from cluster.placement import NAME, Owners, PlacementError, buckets_in, changed_shards, even, moved, ranges, with_more

SHARDS = st.integers(1, 9)
BUCKET_SETS = st.lists(st.integers(0, BUCKETS - 1), min_size=1, max_size=40, unique=True)


@st.composite
def placements(draw: st.DrawFn) -> Owners:
    shards = draw(SHARDS)
    given_away = draw(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(0, shards - 1), max_size=40))
    return Owners(shards, tuple(given_away.get(bucket, bucket % shards) for bucket in range(BUCKETS)))


@given(SHARDS)
def test_an_even_placement_is_that_of_bucket_modulo_shards(shards: int) -> None:
    owners = even(shards)
    assert list(owners.of_bucket) == owners.array.tolist() == [bucket % shards for bucket in range(BUCKETS)]
    assert sorted(bucket for shard in range(shards) for bucket in owners.buckets(shard)) == list(range(BUCKETS))


@given(placements(), BUCKET_SETS, st.data())
def test_named_buckets_move_and_no_others(owners: Owners, buckets: list[int], data: st.DataObject) -> None:
    to = data.draw(st.integers(0, owners.shards - 1))
    going = [bucket for bucket in buckets if owners.of_bucket[bucket] != to]
    if not going:
        return
    after = moved(owners, going, to)
    assert [after.of_bucket[bucket] for bucket in going] == [to] * len(going)
    assert all(after.of_bucket[one] == owners.of_bucket[one] for one in range(BUCKETS) if one not in going)
    assert changed_shards(owners, after) == tuple(sorted({to, *(owners.of_bucket[bucket] for bucket in going)}))


@given(placements(), st.integers(1, 4))
def test_new_shards_get_an_even_part_and_nobody_else_gains(owners: Owners, count: int) -> None:
    after = with_more(owners, count, empty=False)
    shards = owners.shards + count
    assert after.shards == shards
    assert all(
        BUCKETS // shards <= len(after.buckets(shard)) <= -(-BUCKETS // shards)
        for shard in range(owners.shards, shards)
    )
    for shard in range(owners.shards):
        assert set(after.buckets(shard)) <= set(owners.buckets(shard))


@given(SHARDS, st.integers(1, 4))
def test_growing_an_even_placement_keeps_it_even(shards: int, count: int) -> None:
    sizes = [len(one) for one in map(with_more(even(shards), count, empty=False).buckets, range(shards + count))]
    assert max(sizes) - min(sizes) <= 1


def test_new_shards_may_stay_empty() -> None:
    after = with_more(even(2), 3, empty=True)
    assert (after.shards, after.of_bucket) == (5, even(2).of_bucket)
    assert changed_shards(even(2), after) == (2, 3, 4)


@given(placements())
def test_what_is_saved_is_read_back(tmp_path_factory: pytest.TempPathFactory, owners: Owners) -> None:
    folder = tmp_path_factory.mktemp("placement")
    placement.save(owners, folder)
    assert placement.load(folder, owners.shards) == owners
    assert [path.name for path in folder.iterdir()] == [NAME]


def test_without_a_file_or_with_another_number_of_shards_buckets_are_spread_evenly(tmp_path: Path) -> None:
    assert placement.load(tmp_path, 3) == even(3)
    placement.save(moved(even(3), [0], 1), tmp_path)
    assert placement.load(tmp_path, 4) == even(4)


def test_the_file_can_be_read_by_a_person(tmp_path: Path) -> None:
    placement.save(moved(even(2), [1, 7], 0), tmp_path)
    listed = json.loads((tmp_path / NAME).read_text())
    assert listed == [
        {"shard": 0, "buckets": "0-2,4,6-8,10-1022/2"},
        {"shard": 1, "buckets": "3,5,9-1023/2"},
    ]


@given(st.sets(st.integers(0, BUCKETS - 1), max_size=60))
def test_ranges_say_what_they_were_made_of(buckets: set[int]) -> None:
    assert buckets_in(ranges(buckets)) == sorted(buckets)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("x", "'x' is no bucket and no range of buckets, such as 7, 0-7 or 0-30/2"),
        ("1-", "'1-' is no bucket"),
        ("-1", "'-1' is no bucket"),
        ("3-1", "'3-1' is no range of buckets: they are numbered 0 to 1023, and ascend"),
        ("0-10/0", "'0-10/0' is no range"),
        ("1024", "'1024' is no range of buckets: they are numbered 0 to 1023"),
        ("0-99999999999", "'0-99999999999' is no bucket"),
    ],
)
def test_what_is_no_range_is_named(words: str, complaint: str) -> None:
    with pytest.raises(PlacementError, match=complaint):
        buckets_in(words)


@pytest.mark.parametrize(
    ("buckets", "to", "complaint"),
    [
        ([], 1, "no bucket was named"),
        ([0], 2, "there is no shard 2: they are numbered 0 to 1"),
        ([0], -1, "there is no shard -1"),
        ([1024], 1, "there is no bucket 1024: they are numbered 0 to 1023"),
        ([0, 2, 0], 1, "bucket 0 is named 2 times"),
        ([0, 1], 1, "bucket 1 is at shard 1 already"),
    ],
)
def test_a_move_that_cannot_be_is_refused_whole(buckets: list[int], to: int, complaint: str) -> None:
    with pytest.raises(PlacementError, match=complaint):
        moved(even(2), buckets, to)


@pytest.mark.parametrize(
    ("count", "complaint"),
    [
        (0, "at least one shard is added, not 0"),
        (1_023, "2 shards and 1,023 more are more than there are buckets, 1,024"),
    ],
)
def test_so_many_shards_cannot_be_added(count: int, complaint: str) -> None:
    with pytest.raises(PlacementError, match=complaint):
        with_more(even(2), count, empty=True)
    assert with_more(even(2), 1_022, empty=False).shards == BUCKETS


@pytest.mark.parametrize("shards", [0, BUCKETS + 1])
def test_so_many_shards_there_are_not(shards: int) -> None:
    with pytest.raises(PlacementError, match=f"there are 1 to 1,024 shards, not {shards}"):
        even(shards)


@pytest.mark.parametrize(
    ("saved", "complaint"),
    [
        ("{", "is no placement"),
        ([{"shard": 0}], "is no placement"),
        ([{"shard": 1, "buckets": "0-1023"}], "shard 1 stands where shard 0 belongs"),
        ([{"shard": 0, "buckets": "0-1022"}], "bucket 1023 has no shard"),
        ([{"shard": 0, "buckets": "0-1023"}, {"shard": 1, "buckets": "5"}], "bucket 5 has two shards, 0 and 1"),
        ([{"shard": 0, "buckets": "0-1024"}], "is no range of buckets"),
    ],
)
def test_a_file_that_is_no_placement_is_named(tmp_path: Path, saved: Any, complaint: str) -> None:
    (tmp_path / NAME).write_text(saved if isinstance(saved, str) else json.dumps(saved))
    with pytest.raises(PlacementError, match=complaint):
        placement.load(tmp_path, 1)
