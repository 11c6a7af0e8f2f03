"""Digests of the accounts of a shard, bucket by bucket; rows changed since the last root are digested anew, not all.

An account's digest covers its row, positions, orders and pending withdrawals, each by number; a bucket's covers the
digests of its accounts in (venue, account) order. Slots, free lists and the shard count cannot show.
"""

import struct
from bisect import insort

from blake3 import blake3

from actors.columns import BUCKETS
from actors.isolated.book import IsolatedBook

EMPTY_BUCKET = bytes(32)


class BucketDigester:
    """Keeps the digest of every account and says which buckets changed."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[int, int], bytes] = {}
        self._members: dict[int, list[tuple[int, int]]] = {}

    def changed(self, books: dict[int, IsolatedBook]) -> dict[int, bytes]:
        """New digests of the buckets touched since the last call, by bucket."""
        buckets: set[int] = set()
        for venue in sorted(books):
            book = books[venue]
            for account in book.touched:
                self._digest_account(book, account, buckets)
            book.touched.clear()
        return {bucket: self._bucket(bucket) for bucket in sorted(buckets)}

    def _digest_account(self, book: IsolatedBook, account: int, buckets: set[int]) -> None:
        key = (book.venue, account)
        bucket = account % BUCKETS
        if account not in book.accounts:  # touched while staging an open that was dropped
            return
        if key not in self._accounts:
            insort(self._members.setdefault(bucket, []), key)
        self._accounts[key] = blake3(_account_image(book, account)).digest()
        buckets.add(bucket)

    def _bucket(self, bucket: int) -> bytes:
        members = self._members.get(bucket)
        return blake3(b"".join(self._accounts[key] for key in members)).digest() if members else EMPTY_BUCKET


def _account_image(book: IsolatedBook, account: int) -> bytes:
    """The account's rows in a defined order: venue, row, then positions, orders and withdrawals with their counts."""
    cells = [book.venue, *book.accounts.table.row(account)]
    for table, keys in (
        (book.positions.table, book.positions.of_account(account)),
        (book.orders.table, book.orders.of_account(account)),
        (book.accounts.withdrawals, book.accounts.withdrawals_of(account)),
    ):
        cells.append(len(keys))
        for key in keys:
            cells.append(key)
            cells.extend(table.row(key))
    return struct.pack(f"<{len(cells)}q", *cells)
