"""Digests of the accounts of a shard, bucket by bucket; rows changed since the last root are digested anew, not all.

An account's digest covers its row, positions, orders and pending withdrawals, under cross margin the ladder's row too,
each by number; a bucket's covers the digests of its accounts in (venue, account) order. Slots, free lists and the shard
count cannot show.
"""

import struct
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
from blake3 import blake3

from actors.columns import BUCKETS
from actors.ledger.account_marks import AccountMarks
from actors.ledger.accounts import Accounts
from actors.ledger.table import Owned
from breakwater.v1 import snapshots_pb2 as snapshots

DIGEST_BYTES = 32
EMPTY_BUCKET = bytes(DIGEST_BYTES)
# What a digest covers, and how: another number where that changes, so that no digest of before is taken over.
LAYOUT = 1


class DigestedRows(Protocol):
    """A table as digests see it."""

    def row(self, key: int, /) -> Sequence[int]:
        """The cells of a row, in column order."""


class DigestedBook(Protocol):
    """A venue's book, whatever its rulebook: accounts, and which rows of which tables are an account's."""

    venue: int
    touched: AccountMarks
    accounts: Accounts

    def rows_of_account(self, account: int) -> Iterable[tuple[DigestedRows, Sequence[int], int | None]]:
        """Tables beside the account's own, in a fixed order: table, keys ascending, leading columns (None: all)."""


class BucketDigester:
    """Keeps the digest of every account and says which buckets changed."""

    def __init__(self) -> None:
        self._accounts: dict[int, dict[int, bytes]] = {}
        self._members: dict[int, list[tuple[int, int]]] = {}

    def changed(self, books: Mapping[int, DigestedBook]) -> dict[int, bytes]:
        """New digests of the buckets touched since the last call, by bucket."""
        buckets: set[int] = set()
        for venue in sorted(books):
            book = books[venue]
            for account in book.touched.take().tolist():
                self._digest_account(book, account, buckets)
        return {bucket: self._bucket(bucket) for bucket in sorted(buckets)}

    def _digest_account(self, book: DigestedBook, account: int, buckets: set[int]) -> None:
        known = self._accounts.setdefault(book.venue, {})
        bucket = account % BUCKETS
        if account not in book.accounts:  # touched while staging an open that was dropped
            return
        if account not in known:
            insort(self._members.setdefault(bucket, []), (book.venue, account))
        known[account] = blake3(_account_image(book, account)).digest()
        buckets.add(bucket)

    def _bucket(self, bucket: int) -> bytes:
        members = self._members.get(bucket)
        if not members:
            return EMPTY_BUCKET
        return blake3(b"".join(self._accounts[venue][account] for venue, account in members)).digest()

    def save(self, books: Mapping[int, DigestedBook]) -> list[snapshots.AccountDigests]:
        """The digests that still hold, by venue; accounts ascending."""
        saved = []
        for venue in sorted(books):
            known, touched = self._accounts.get(venue, {}), books[venue].touched
            accounts = sorted(known.keys() - set(touched))
            saved.append(
                snapshots.AccountDigests(
                    venue=venue,
                    layout=LAYOUT,
                    accounts=np.array(accounts, dtype="<i8").tobytes(),
                    digests=b"".join([known[account] for account in accounts]),
                )
            )
        return saved

    def load(self, book: DigestedBook, saved: snapshots.AccountDigests, owned: Owned) -> None:
        """Takes the digests of owned accounts, whose rows the book has been given: they need none anew."""
        if saved.layout != LAYOUT:
            return
        accounts = np.frombuffer(saved.accounts, dtype="<i8")
        digests = np.frombuffer(saved.digests, dtype=np.uint8).reshape(-1, DIGEST_BYTES)
        mine = owned[accounts % BUCKETS]
        listed, text = accounts[mine].tolist(), digests[mine].tobytes()
        known = self._accounts.setdefault(book.venue, {})
        known.update(zip(listed, _pieces(text), strict=True))
        book.touched.discard_many(accounts[mine])
        for account in listed:
            self._members.setdefault(account % BUCKETS, []).append((book.venue, account))
        for members in self._members.values():
            members.sort()


def _pieces(text: bytes) -> Iterable[bytes]:
    return (text[place : place + DIGEST_BYTES] for place in range(0, len(text), DIGEST_BYTES))


def _account_image(book: DigestedBook, account: int) -> bytes:
    """The account's rows in a defined order: venue, row, then the rows of each table with their count."""
    cells = [book.venue, *book.accounts.table.row(account)]
    for table, keys, width in book.rows_of_account(account):
        cells.append(len(keys))
        for key in keys:
            cells.append(key)
            cells += table.row(key) if width is None else table.row(key)[:width]
    return struct.pack(f"<{len(cells)}q", *cells)
