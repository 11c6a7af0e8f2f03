"""Digests of the accounts of a shard, bucket by bucket; rows changed since the last root are digested anew, not all.

An account's digest covers its row, positions, orders and pending withdrawals, under cross margin the ladder's row too,
each by number; a bucket's covers the digests of its accounts in (venue, account) order. Slots, free lists and the shard
count cannot show.
"""

from collections.abc import Mapping

import numpy as np
from blake3 import blake3
from numpy.typing import NDArray

from actors.chain.blake3_many import hash_many
from actors.columns import BUCKETS
from actors.ledger.account_images import DigestedBook, account_image, account_images
from actors.ledger.table import Owned
from breakwater.v1 import snapshots_pb2 as snapshots

Int64Array = NDArray[np.int64]
# A row of DIGEST_BYTES a digest.
Digests = NDArray[np.uint8]

DIGEST_BYTES = 32
EMPTY_BUCKET = bytes(DIGEST_BYTES)
# What a digest covers, and how: another number where that changes, so that no digest of before is taken over.
LAYOUT = 1
# Kernels and their arrays cost as much as so many accounts one by one.
_FEW = 4
# So many accounts are images in memory at once.
_TURN = 1 << 12


class BucketDigester:
    """Keeps the digest of every account and says which buckets changed."""

    def __init__(self) -> None:
        self._venues: dict[int, _VenueDigests] = {}

    def changed(self, books: Mapping[int, DigestedBook]) -> dict[int, bytes]:
        """New digests of the buckets touched since the last call, by bucket."""
        buckets: set[int] = set()
        for venue in sorted(books):
            book = books[venue]
            accounts = book.touched.take()
            # One without a row was touched while staging an open that was dropped.
            accounts = accounts[book.accounts.slots_of(accounts) >= 0]
            buckets.update(self._of(venue).put(accounts, account_digests(book, accounts)))
        return {bucket: self._bucket(bucket) for bucket in sorted(buckets)}

    def _of(self, venue: int) -> "_VenueDigests":
        known = self._venues.get(venue)
        if known is None:
            known = self._venues[venue] = _VenueDigests()
        return known

    def _bucket(self, bucket: int) -> bytes:
        digest = blake3()
        for venue in sorted(self._venues):
            digest.update(self._venues[venue].of_bucket(bucket))
        return digest.digest()

    def save(self, books: Mapping[int, DigestedBook]) -> list[snapshots.AccountDigests]:
        """The digests that still hold, by venue; accounts ascending."""
        saved = []
        for venue in sorted(books):
            accounts, digests = self._of(venue).listed()
            holds = ~np.isin(accounts, np.array(list(books[venue].touched), dtype=np.int64), assume_unique=True)
            saved.append(
                snapshots.AccountDigests(
                    venue=venue,
                    layout=LAYOUT,
                    accounts=accounts[holds].astype("<i8").tobytes(),
                    digests=digests[holds].tobytes(),
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
        self._of(book.venue).put(accounts[mine], digests[mine])
        book.touched.discard_many(accounts[mine])


def account_digests(book: DigestedBook, accounts: Int64Array) -> Digests:
    """The digests of accounts that are there, one a row; few are done one by one."""
    digests = np.empty((accounts.size, DIGEST_BYTES), dtype=np.uint8)
    if accounts.size <= _FEW:
        for row, account in enumerate(accounts.tolist()):
            digests[row] = np.frombuffer(blake3(account_image(book, account)).digest(), dtype=np.uint8)
        return digests
    for begin in range(0, accounts.size, _TURN):
        turn = accounts[begin : begin + _TURN]
        digests[begin : begin + _TURN] = hash_many(*account_images(book, turn))
    return digests


class _VenueDigests:
    """The digests of a venue's accounts, bucket by bucket in account order."""

    def __init__(self) -> None:
        self._accounts: dict[int, Int64Array] = {}
        self._digests: dict[int, Digests] = {}

    def put(self, accounts: Int64Array, digests: Digests) -> list[int]:
        """These accounts, ascending, have these digests; returns their buckets."""
        if not accounts.size:
            return []
        buckets = (accounts % BUCKETS).astype(np.uint16)
        order = np.argsort(buckets, kind="stable")
        buckets, accounts, digests = buckets[order], accounts[order], digests[order]
        begins = [0, *(np.flatnonzero(np.diff(buckets)) + 1).tolist()]
        listed: list[int] = buckets[begins].tolist()
        for bucket, begin, end in zip(listed, begins, [*begins[1:], accounts.size], strict=True):
            self._put(bucket, accounts[begin:end], digests[begin:end])
        return listed

    def _put(self, bucket: int, accounts: Int64Array, digests: Digests) -> None:
        known = self._accounts.get(bucket)
        if known is None:
            self._accounts[bucket], self._digests[bucket] = accounts.copy(), digests.copy()
            return
        places = known.searchsorted(accounts)
        is_new = known.take(places, mode="clip") != accounts
        if is_new.any():
            at = places[is_new]
            known = self._accounts[bucket] = np.insert(known, at, accounts[is_new])
            self._digests[bucket] = np.insert(self._digests[bucket], at, digests[is_new], axis=0)
            places = known.searchsorted(accounts)
        self._digests[bucket][places] = digests

    def of_bucket(self, bucket: int) -> memoryview:
        """The digests of a bucket's accounts in their order."""
        digests = self._digests.get(bucket)
        return memoryview(b"") if digests is None else digests.reshape(-1).data

    def listed(self) -> tuple[Int64Array, Digests]:
        """All accounts, ascending, and their digests."""
        if not self._accounts:
            return np.empty(0, dtype=np.int64), np.empty((0, DIGEST_BYTES), dtype=np.uint8)
        accounts = np.concatenate(list(self._accounts.values()))
        order = np.argsort(accounts)
        return accounts[order], np.concatenate(list(self._digests.values()))[order]
