"""A shard's rows outlive staging, snapshots and the number of shards: what is dropped or moved leaves no trace."""

from typing import Any

import pytest

from actors.ledger.bucket_digests import EMPTY_BUCKET
from actors.position_book import PositionBook
from breakwater.v1 import batches_pb2 as batches
from cluster.placement import even
from tests.actors.shard_calls import DROP, STAGED, Shard, leg, open_row, order, rows_alone
from tests.building import LIMIT, LONG, MARKET, SHORT

BUSY: dict[str, Any] = {
    "withdrawals": [(0, 1, 2, 1_000)],
    "opens": [open_row(1, 2), open_row(2, 3, SHORT, LIMIT, 60_000)],
    "liquidity": [(3, 1, 4, 1, 500)],
}


def test_staging_that_was_dropped_shows_neither_in_answers_nor_in_digests() -> None:
    plain, dropped, twice = Shard(), Shard(), Shard()
    position = plain.hold()
    assert (dropped.hold(), twice.hold()) == (position, position)
    closes = [(4, 1, 1, position, MARKET, 0)]
    once = plain.run(**BUSY, closes=closes)
    first = twice.run(**BUSY, closes=closes)
    assert first == once
    second = twice.again(phases=(DROP, *STAGED), commands=twice.commands(**BUSY, closes=closes), speculative=True)
    for column in ("staged_events", "staged_outcomes", "closes", "opens", "liquidity", "sums"):
        assert getattr(second, column) == getattr(once, column)
    dropped.run(**BUSY, closes=closes)
    dropped.again(phases=(DROP,), speculative=True)
    plain_state, twice_state = plain.actor.save(), twice.actor.save()
    assert plain_state == twice_state != dropped.actor.save()
    untouched = Shard()
    untouched.hold()
    untouched.run()
    assert untouched.actor.save() == dropped.actor.save()
    # What the root covers is the same, whatever was staged on the way, and it is what the rows alone give.
    assert dropped.buckets == untouched.buckets == digests(untouched)
    assert twice.buckets == plain.buckets == digests(plain)


def digests(*shards: Shard) -> dict[int, bytes]:
    """Digests of all buckets of the shards: those of copies that know nothing but the rows."""
    found: dict[int, bytes] = {}
    parts = [rows_alone(shard.actor.snapshot()) for shard in shards]
    for number in range(len(shards)):
        copy = PositionBook(even(len(shards)).buckets(number))
        copy.restore(parts)
        call = batches.ShardCall(
            header=batches.CallHeader(
                height=shards[0].height + 1,
                frame_hash=b"next",
                previous_height=shards[0].height,
                previous_frame_hash=parts[0][8:40],
                root=True,
            )
        )
        reply = batches.ShardReply.FromString(copy.apply(call.SerializeToString()))
        found |= dict(zip(reply.digests.bucket, reply.digests.digest, strict=True))
    return found


def sharded(shards: int) -> list[Shard]:
    """The same history on this many shards."""
    made = [Shard(shard, shards) for shard in range(shards)]
    for account, side in ((1, LONG), (2, SHORT), (3, LONG)):
        for shard in made:
            mine = account in shard.owned
            shard.run(opens=[open_row(0, account, side)] if mine else [])
            shard.run(legs=[leg(0, account, order(shard.height - 1, 0), side)] if mine else [])
    return made


@pytest.mark.parametrize("shards", [2, 3, 4])
def test_digests_and_rows_do_not_depend_on_the_shard_count(shards: int) -> None:
    (one,), several = sharded(1), sharded(shards)
    assert digests(*several) == digests(one)


def test_a_digest_names_the_rows_of_its_bucket_and_no_others() -> None:
    (one,), (other,) = sharded(1), sharded(1)
    before = digests(one)
    assert sorted(before) == [1, 2, 3, 4]
    assert len({*before.values(), EMPTY_BUCKET}) == 5
    one.run(deposits=[(0, 1, 2, 1)])
    other.run()
    assert digests(other) == before
    assert [bucket for bucket, digest in digests(one).items() if digest != before[bucket]] == [2]


@pytest.mark.parametrize(("before", "after"), [(1, 3), (4, 2), (3, 1)])
def test_a_cut_may_be_taken_by_another_number_of_shards(before: int, after: int) -> None:
    parts = [shard.actor.snapshot() for shard in sharded(before)]
    (expected,) = sharded(1)
    query = batches.ShardQuery(accounts=batches.AccountQuery(venue=1, accounts=[1, 2, 3, 4])).SerializeToString()
    found = {}
    for number in range(after):
        copy = PositionBook(even(after).buckets(number))
        copy.restore(parts)
        for view in batches.AccountViews.FromString(copy.query(query)).accounts:
            assert view.account % after == number
            found[view.account] = view
    assert found == {account: expected.view(account) for account in (1, 2, 3, 4)}
