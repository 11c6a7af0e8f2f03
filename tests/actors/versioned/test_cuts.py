"""A Perennial book through a cut: any number of shards takes the parts of any other, the dust of its buckets too."""

from collections.abc import Iterator

import numpy as np

from actors.columns import BUCKETS
from actors.ledger.bucket_digests import BucketDigester
from actors.ledger.table import StagingLog
from actors.versioned.book import VersionedBook
from tests.actors.versioned.shard import (
    ACCOUNTS,
    CASH,
    LONG,
    MARKET,
    MOVED,
    SHORT,
    VENUE,
    Shard,
    market,
    op_leg,
    record,
    terms,
    version_leg,
)

NUMBERS = (3, 1, 2, 5)


def worked() -> Shard:
    """Four accounts in two buckets that share one and two that do not; each realised with some dust."""
    shard = Shard()
    shard.hold(1, LONG, 400_001, 90)
    shard.hold(2, SHORT, 700_003, 80, basis=-4)
    shard.hold(1025, SHORT, 11, -7)
    shard.block(versions=[record(100, (5, 17, -23))])
    legs = [op_leg(account, MOVED, 3, held=0, command=account) for account in ACCOUNTS]
    shard.block([*legs, version_leg(2, (0, 0, 9), (5, 18, -24))], versions=[record(100, (5, 21, -25))])
    shard.block(withdrawals=[(1, VENUE, 1, 70)], changes=[(2, VENUE, 2, MARKET, 0, 0, 0, 500)])
    shard.log.keep()
    return shard


def dealt(parts: list[list[bytes]], shards: int) -> Iterator[VersionedBook]:
    """The books of so many shards, filled from the parts of a cut."""
    for shard in range(shards):
        book = VersionedBook(VENUE, StagingLog())
        book.set_terms(terms())
        book.set_market(market())
        book.take_version(record(100, (5, 21, -25)))
        for part in parts:
            book.fill(part, np.arange(BUCKETS) % shards == shard)
        yield book


def holdings(books: list[VersionedBook]) -> list[int]:
    """Sums over the shards, amounts with a rest in 1e-6 atoms."""
    rows = [book.holdings()[0][2:] for book in books]
    whole = [(row[0], row[1] * 10**6 + row[2], row[3] * 10**6 + row[4], *row[5:]) for row in rows]
    return [sum(column) for column in zip(*whole, strict=True)]


def digests(books: list[VersionedBook]) -> dict[int, bytes]:
    found = {}
    for book in books:
        book.touched.add_many(np.array(book.accounts.table.keys(), dtype=np.int64))
        found |= BucketDigester().changed({VENUE: book})
    return found


def test_any_number_of_shards_takes_the_parts_of_any_other():
    book = worked().book
    assert book.dust_e6[MARKET] > 0 and len(book.positions.table) == 4
    parts, first = [book.dump()], digests([book])
    for shards in NUMBERS:
        books = list(dealt(parts, shards))
        assert holdings(books) == holdings([book]) and digests(books) == first
        assert sum(one.sums()[1] for one in books) == 4 * CASH - 570
        parts = [one.dump() for one in books]
    (alone,) = dealt(parts, 1)
    assert alone.dump() == book.dump() and alone.sums() == book.sums()
    assert [alone.accounts.withdrawals_of(account) for account in (1, 2)] == [book.accounts.withdrawals_of(1), []]


def test_a_shard_made_again_has_the_dust_it_had():
    three = list(dealt([worked().book.dump()], 3))
    again = list(dealt([one.dump() for one in three], 3))
    assert [one.dust_e6 for one in again] == [one.dust_e6 for one in three]
    assert sum(bool(one.dust_e6) for one in three) > 1


def test_no_digest_knows_dust():
    shard = worked()
    before = digests([shard.book])
    shard.book.positions.leave_dust(1, MARKET, 5)
    assert digests([shard.book]) == before
