"""Snapshots of shards with cross books: any number of shards takes any cut; what was staged is gone after a drop."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ledger.bucket_digests import EMPTY_BUCKET
from actors.position_book import PositionBook
from breakwater.v1 import batches_pb2 as batches
from cluster.placement import even
from tests.actors.calling import frame_hash
from tests.actors.cross.shard import (
    ACCOUNTS,
    ADMIT,
    DROP,
    FIRST,
    MARKETS,
    PAY_OUT,
    PRICE,
    VENUE,
    CrossShard,
    order_row,
    trade,
)
from tests.actors.shard_calls import rows_alone
from tests.building import venue as twilight_venue

DERIVED = ("buy_lots", "buy_value", "buy_adverse", "sell_lots", "sell_value", "sell_adverse", "resting", "reduce_only")


def sharded(count: int) -> list[CrossShard]:
    shards = [CrossShard(shard, count) for shard in range(count)]
    trade(shards)
    return shards


def restored(parts: list[bytes], number: int, count: int) -> PositionBook:
    copy = PositionBook(even(count).buckets(number))
    copy.restore(parts)
    return copy


def derived(actor: Any) -> list[Any]:
    """What a snapshot does not keep and a restored shard must have again, by key."""
    book = actor.cross_book(VENUE)
    columns = [book.positions.table.column(name)[book.positions.table.slots()].tolist() for name in DERIVED]
    return [book.positions.table.keys(), columns, book.sums(), book.open_interest(), book.orders.armed(1)]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (4, 2), (3, 1), (2, 2)])
def test_a_cut_may_be_taken_by_another_number_of_shards(before: int, after: int) -> None:
    parts = [shard.actor.snapshot() for shard in sharded(before)]
    for number, shard in enumerate(sharded(after)):
        copy = restored(parts, number, after)
        assert copy.save() == shard.actor.save()
        assert derived(copy) == derived(shard.actor)


def test_the_shard_count_does_not_show_in_the_digests() -> None:
    (one,) = sharded(1)
    assert sorted(one.buckets) == [0, *ACCOUNTS]
    assert len({*one.buckets.values(), EMPTY_BUCKET}) == 6
    many: dict[int, bytes] = {}
    for shard in sharded(3):
        many |= shard.buckets
    assert many == one.buckets


def test_a_restored_shard_digests_what_the_first_one_did() -> None:
    (one,) = sharded(1)
    copy = restored([rows_alone(one.actor.snapshot())], 0, 1)
    header = batches.CallHeader(
        height=one.height + 1,
        frame_hash=frame_hash(one.height + 1),
        previous_height=one.height,
        previous_frame_hash=frame_hash(one.height),
        root=True,
    )
    reply = batches.ShardReply.FromString(copy.apply(batches.ShardCall(header=header).SerializeToString()))
    assert dict(zip(reply.digests.bucket, reply.digests.digest, strict=True)) == one.buckets


def test_every_part_of_an_account_is_in_its_digest() -> None:
    (one,) = sharded(1)
    before = dict(one.buckets)
    for changed, rows in (
        (1, {"book_cancels": [(0, VENUE, 1, 2, 0, 0)]}),
        (2, {"deposits": [(0, VENUE, 2, 1)]}),
        (3, {"leverages": [(0, VENUE, 3, 2, 3)]}),
        (4, {"withdrawals": [(0, VENUE, 4, 1)]}),
    ):
        one.run(**rows)
        assert [bucket for bucket, digest in one.buckets.items() if digest != before[bucket]] == [changed]
        before = dict(one.buckets)


def test_isolated_and_cross_venues_stand_side_by_side() -> None:
    (alone,), (shard,) = sharded(1), sharded(1)
    shard.changes.venues.append(twilight_venue(1))
    shard.run(deposits=[(1, VENUE, 2, 5)])
    reply = shard.run(
        opened=[(0, 1, 1, 0)],
        deposits=[(1, 1, 1, 70), (2, VENUE, 1, 30)],
        withdrawals=[(3, 1, 1, 20), (4, VENUE, 1, 10)],
    )
    alone.run(deposits=[(1, VENUE, 2, 5)])
    alone.run(deposits=[(2, VENUE, 1, 30)], withdrawals=[(4, VENUE, 1, 10)])
    assert shard.view(1) == alone.view(1)
    assert list(reply.staged_outcomes.command) == [3, 4]
    assert [row[:3] for row in zip(reply.sums.venue, reply.sums.free_atoms, reply.sums.held_atoms, strict=True)] == [
        (1, 50, 0),
        (VENUE, alone.actor.cross_book(VENUE).sums()[1], 0),
    ]
    copy = restored([shard.actor.snapshot()], 0, 1)
    assert copy.save() == shard.actor.save()


accounts, numbers, sides = st.sampled_from(ACCOUNTS), st.sampled_from(MARKETS), st.sampled_from((1, -1))
orders = st.tuples(
    accounts,
    numbers,
    sides,
    st.integers(900, 1_100),
    st.integers(1, 2_000),
    st.sampled_from((0, 1, 2)),
    st.integers(0, 3),
)
staged = st.fixed_dictionaries(
    {
        "orders": st.lists(orders, max_size=8),
        "amends": st.lists(
            st.tuples(accounts, st.integers(1, 3), st.integers(1, 30), st.integers(0, 1_100)), max_size=3
        ),
        "leverages": st.lists(st.tuples(accounts, numbers, st.integers(1, 10)), max_size=3),
        "withdrawals": st.lists(st.tuples(accounts, st.integers(1, 2 * 10**9)), max_size=3),
        "liquidity": st.lists(st.tuples(accounts, st.sampled_from((1, -1)), st.integers(1, 10**8)), max_size=3),
    }
)


def rows_of(drawn: dict[str, list[Any]]) -> dict[str, list[Any]]:
    command = iter(range(1_000))
    made: dict[str, list[Any]] = {name: [(next(command), VENUE, *row) for row in drawn[name]] for name in drawn}
    made["orders"] = [
        order_row(next(command), account, number, side, limit, size, flags=flags, client=client)
        for account, number, side, limit, size, flags, client in drawn["orders"]
    ]
    made["amends"] = [(next(command), VENUE, account, 0, client, *rest) for account, client, *rest in drawn["amends"]]
    return made


@settings(max_examples=40)
@given(staged, staged, st.integers(950, 1_150))
def test_what_was_staged_is_gone_after_a_drop(kept: dict[str, Any], dropped: dict[str, Any], price: int) -> None:
    shards = [CrossShard(), CrossShard()]
    before_staging = tuple(phase for phase in FIRST if phase not in (PAY_OUT, ADMIT))
    for shard, phases in zip(shards, (FIRST, before_staging), strict=True):
        trade([shard])
        shard.run(**rows_of(kept))
        shard.prices[1] = price
        shard.run(phases=phases, **rows_of(dropped))
        shard.again(phases=(DROP,))
    speculated, plain = shards
    assert speculated.actor.save() == plain.actor.save()
    assert derived(speculated.actor) == derived(plain.actor)
    assert speculated.buckets == plain.buckets
    speculated.prices[1] = plain.prices[1] = PRICE
    assert speculated.run(**rows_of(dropped)) == plain.run(**rows_of(dropped))
    assert speculated.actor.save() == plain.actor.save()
