"""Digests of the accounts of a shard, bucket by bucket; rows changed since the last root are digested anew, not all.

An account's digest covers its row, positions, orders and pending withdrawals, under cross margin the ladder's row too,
each by number; a bucket's covers the digests of its accounts in (venue, account) order. Slots, free lists and the shard
count cannot show.
"""

import struct
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from blake3 import blake3

from actors.columns import BUCKETS
from actors.ledger.accounts import Accounts

EMPTY_BUCKET = bytes(32)


class DigestedRows(Protocol):
    """A table as digests see it."""

    def row(self, key: int, /) -> Sequence[int]:
        """The cells of a row, in column order."""


class DigestedBook(Protocol):
    """A venue's book, whatever its rulebook: accounts, and which rows of which tables are an account's."""

    venue: int
    touched: set[int]
    accounts: Accounts

    def rows_of_account(self, account: int) -> Iterable[tuple[DigestedRows, Sequence[int], int | None]]:
        """Tables beside the account's own, in a fixed order: table, keys ascending, leading columns (None: all)."""


class BucketDigester:
    """Keeps the digest of every account and says which buckets changed."""

    def __init__(self) -> None:
        self._accounts: dict[tuple[int, int], bytes] = {}
        self._members: dict[int, list[tuple[int, int]]] = {}

    def changed(self, books: Mapping[int, DigestedBook]) -> dict[int, bytes]:
        """New digests of the buckets touched since the last call, by bucket."""
        buckets: set[int] = set()
        for venue in sorted(books):
            book = books[venue]
            for account in book.touched:
                self._digest_account(book, account, buckets)
            book.touched.clear()
        return {bucket: self._bucket(bucket) for bucket in sorted(buckets)}

    def _digest_account(self, book: DigestedBook, account: int, buckets: set[int]) -> None:
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


def _account_image(book: DigestedBook, account: int) -> bytes:
    """The account's rows in a defined order: venue, row, then the rows of each table with their count."""
    cells = [book.venue, *book.accounts.table.row(account)]
    for table, keys, width in book.rows_of_account(account):
        cells.append(len(keys))
        for key in keys:
            cells.append(key)
            cells += table.row(key) if width is None else table.row(key)[:width]
    return struct.pack(f"<{len(cells)}q", *cells)
