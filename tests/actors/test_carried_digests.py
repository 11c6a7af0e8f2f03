"""A part of a cut carries the digests that still hold: who takes it digests what changed since, to the same."""

import numpy as np
import pytest

from actors.columns import BUCKETS
from actors.isolated.book import IsolatedBook
from actors.ledger.bucket_digests import LAYOUT, BucketDigester
from actors.ledger.table import StagingLog
from actors.ways import Way
from breakwater.v1 import snapshots_pb2 as snapshots

VENUE = 1
ALL = np.ones(BUCKETS, dtype=np.bool_)
# Three of one bucket, two of another.
ACCOUNTS = (5, 5 + BUCKETS, 5 + 2 * BUCKETS, 6, 6 + BUCKETS)


def opened() -> IsolatedBook:
    book = IsolatedBook(VENUE, StagingLog(), Way.BY_COLUMNS)
    for account in ACCOUNTS:
        book.accounts.open(account)
        book.accounts.post(account, free=account, deposited=account)
    return book


def copied(
    book: IsolatedBook, digester: BucketDigester, owned: np.ndarray = ALL
) -> tuple[IsolatedBook, BucketDigester]:
    """Another book with the rows and the digests of the first."""
    (saved,) = digester.save({VENUE: book})
    other, taken = IsolatedBook(VENUE, StagingLog(), Way.BY_COLUMNS), BucketDigester()
    other.fill(book.dump(), owned)
    taken.load(other, snapshots.AccountDigests.FromString(saved.SerializeToString()), owned)
    return other, taken


def test_nothing_is_digested_anew_until_it_changes_and_then_its_bucket_comes_to_the_same() -> None:
    book, digester = opened(), BucketDigester()
    assert sorted(digester.changed({VENUE: book})) == [5, 6]
    other, taken = copied(book, digester)
    assert taken.changed({VENUE: other}) == {}
    for one in (book, other):
        one.accounts.post(5 + BUCKETS, free=-1, held=1)
    changed = digester.changed({VENUE: book})
    assert list(changed) == [5] and taken.changed({VENUE: other}) == changed


def test_what_changed_since_the_last_root_is_not_carried() -> None:
    book, digester = opened(), BucketDigester()
    digester.changed({VENUE: book})
    book.accounts.post(6, free=1, deposited=1)
    other, taken = copied(book, digester)
    assert list(other.touched) == [6]
    assert taken.changed({VENUE: other}) == digester.changed({VENUE: book})


def test_only_owned_buckets_are_taken_and_new_accounts_join_theirs() -> None:
    book, digester = opened(), BucketDigester()
    digester.changed({VENUE: book})
    other, taken = copied(book, digester, np.arange(BUCKETS) == 6)
    assert not other.touched and 5 not in other.accounts
    for one in (book, other):
        one.accounts.open(6 + 5 * BUCKETS)
    assert taken.changed({VENUE: other}) == digester.changed({VENUE: book})


def test_digests_of_another_layout_are_left() -> None:
    book, digester = opened(), BucketDigester()
    expected = digester.changed({VENUE: book})
    (saved,) = digester.save({VENUE: book})
    saved.layout = LAYOUT + 1
    other, taken = IsolatedBook(VENUE, StagingLog(), Way.BY_COLUMNS), BucketDigester()
    other.fill(book.dump(), ALL)
    taken.load(other, saved, ALL)
    assert taken.changed({VENUE: other}) == expected


def test_digests_that_do_not_belong_to_their_accounts_are_no_part_of_a_snapshot() -> None:
    book, digester = opened(), BucketDigester()
    digester.changed({VENUE: book})
    (saved,) = digester.save({VENUE: book})
    saved.digests += b"more"
    with pytest.raises(ValueError, match="cannot reshape"):
        BucketDigester().load(book, saved, ALL)
