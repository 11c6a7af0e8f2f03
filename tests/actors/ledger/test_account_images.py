"""Digests of many accounts made from columns are those of their images, account by account, in every kind of book."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import BUCKETS
from actors.cross.book import CrossBook
from actors.isolated.book import IsolatedBook
from actors.ledger.account_images import account_image, account_images
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.bucket_digests import BucketDigester
from actors.ledger.isolated_positions import Position, RestingOpen
from actors.ledger.table import StagingLog
from actors.ledger.versioned_positions import VersionedPosition
from actors.ratio.book import RatioBook
from actors.versioned.book import VersionedBook
from actors.ways import Way
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

MARKETS = (1, 2, 700)
SEEDS = st.lists(st.integers(0, 1 << 30), min_size=1, max_size=4)


class Changes:
    """Changes of a book in its tables, drawn from a seed; a number is never given twice."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.made = 0

    def number(self) -> int:
        self.made += 1
        return self.made * 7_919 % 1_000_003

    def step(self, draw: random.Random) -> None:
        """Opens some accounts, in any order; then changes of all kinds."""
        for account in draw.sample(range(1, 6 * BUCKETS), 12):
            if account not in self.book.accounts:
                self.book.accounts.open(account)
                self.book.accounts.post(account, free=10**9, deposited=10**9)
        accounts = self.book.accounts.table.keys()
        kinds: list[Callable[[random.Random, int], None]] = [self.withdraw, self.order, self.hold, self.forget]
        for _ in range(60):
            draw.choice(kinds)(draw, draw.choice(accounts[:6] if draw.random() < 0.5 else accounts))

    def withdraw(self, draw: random.Random, account: int) -> None:
        self.book.accounts.request_withdrawal(account, self.number(), draw.randint(0, 9))

    def forget(self, draw: random.Random, account: int) -> None:
        """What came before goes again: a withdrawal, an order."""
        for withdrawal in self.book.accounts.withdrawals_of(account)[:1]:
            self.book.accounts.decide_withdrawal(withdrawal, draw.random() < 0.5)

    def order(self, draw: random.Random, account: int) -> None:
        """A kind of book without orders has none."""

    def hold(self, draw: random.Random, account: int) -> None:
        """A position comes, changes or goes."""


class IsolatedChanges(Changes):
    def hold(self, draw: random.Random, account: int) -> None:
        side = draw.choice((1, -1))
        row = Position(
            account, draw.choice(MARKETS), side, 100, 50, 5_000, 10, 9, 500, 7, 90, 0, 0, draw.choice((0, 5))
        )
        self.book.positions.insert(self.number(), row)
        for position in self.book.positions.of_account(account)[2:]:
            self.book.positions.remove(position)

    def order(self, draw: random.Random, account: int) -> None:
        self.book.orders.insert(
            self.number(), RestingOpen(account, draw.choice(MARKETS), 1, draw.randint(1, 99), 10, 100)
        )


class OrderedChanges(Changes):
    def hold(self, draw: random.Random, account: int) -> None:
        lots = draw.choice((0, 3, -4))
        self.book.positions.move(account, draw.choice(MARKETS), lots, draw.randint(-99, 99) if lots else 0)

    def order(self, draw: random.Random, account: int) -> None:
        flags = draw.choice((0, 0, REDUCE_ONLY))
        size, trigger = draw.randint(1, 99), draw.choice((0, 0, common.TRIGGER_KIND_STOP))
        words = (common.TIME_IN_FORCE_GTC, flags, 1, draw.choice((0, self.number())), trigger, 90 if trigger else 0)
        side, limit = draw.choice((1, -1)), draw.randint(50, 150)
        row = BookOrder(account, draw.choice(MARKETS), side, limit, size, draw.randint(1, size), *words)
        self.book.add_order(self.number(), row)

    def forget(self, draw: random.Random, account: int) -> None:
        super().forget(draw, account)
        for order in self.book.orders.of_account(account)[1:2]:
            self.book.remove_order(order)
        if isinstance(self.book, CrossBook) and account not in self.book.ladder:
            self.book.ladder.insert(account, account, *(draw.randint(0, 9) for _ in range(7)))
            self.book.touch(account)
        elif isinstance(self.book, RatioBook):
            self.book.reservations.add(self.number(), account, draw.choice(MARKETS), draw.randint(1, 9))
            self.book.touch(account)


class VersionedChanges(Changes):
    def hold(self, draw: random.Random, account: int) -> None:
        lots = draw.choice((0, 5))
        row = VersionedPosition(
            account, draw.choice(MARKETS), draw.randint(-5, 5), 2 * (lots > 0), lots, 3 * (lots > 0)
        )
        self.book.positions.write(row)


def cross(venue: int) -> Changes:
    book = CrossBook(venue, StagingLog(), Way.BY_COLUMNS, owns_vault=True)
    book.set_terms(parameters.VenueParameters(venue=venue, version=1))
    for market in MARKETS:
        tier = parameters.MarginTier(lower_notional_atoms=0, max_leverage=10)
        rules = parameters.MarginTradeMarket(quote_atoms_per_tick_lot=1, tiers=[tier])
        book.set_market(parameters.MarketParameters(venue=venue, market=market, margin_trade=rules))
    return OrderedChanges(book)


def ratio(venue: int) -> Changes:
    book = RatioBook(venue, StagingLog(), Way.BY_COLUMNS)
    for market in MARKETS:
        rules = parameters.SpinMarket(quote_atoms_per_tick_lot=1)
        book.set_market(parameters.MarketParameters(venue=venue, market=market, spin=rules))
    return OrderedChanges(book)


def isolated(venue: int) -> Changes:
    return IsolatedChanges(IsolatedBook(venue, StagingLog(), Way.BY_COLUMNS))


def versioned(venue: int) -> Changes:
    return VersionedChanges(VersionedBook(venue, StagingLog()))


KINDS = (isolated, cross, versioned, ratio)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20)
@given(SEEDS)
def test_images_from_columns_are_the_images(kind: Callable[[int], Changes], seeds: list[int]) -> None:
    changes = kind(3)
    for seed in seeds:
        changes.step(random.Random(seed))
    accounts = np.array(changes.book.accounts.table.keys(), dtype=np.int64)
    data, bounds = account_images(changes.book, accounts)
    for account, (begin, end) in zip(accounts.tolist(), bounds.tolist(), strict=True):
        assert data[begin:end].tobytes() == account_image(changes.book, account)


@pytest.mark.parametrize("kind", KINDS)
def test_no_account_has_no_image(kind: Callable[[int], Changes]) -> None:
    data, bounds = account_images(kind(3).book, np.empty(0, dtype=np.int64))
    assert data.size == 0 and bounds.shape == (0, 2)


class Naive:
    """The digests as they are defined: every account that was ever touched, bucket by bucket."""

    def __init__(self) -> None:
        self.digests: dict[tuple[int, int], bytes] = {}

    def changed(self, books: dict[int, Any], touched: dict[int, list[int]]) -> dict[int, bytes]:
        """Of the buckets of these accounts."""
        for venue, book in books.items():
            for account in touched[venue]:
                self.digests[venue, account] = blake3(account_image(book, account)).digest()
        return {bucket: self.bucket(bucket) for bucket in {a % BUCKETS for own in touched.values() for a in own}}

    def bucket(self, bucket: int) -> bytes:
        members = sorted(key for key in self.digests if key[1] % BUCKETS == bucket)
        return blake3(b"".join([self.digests[key] for key in members])).digest()


@settings(max_examples=20)
@given(st.lists(SEEDS, min_size=1, max_size=4), st.integers(0, 3))
def test_buckets_of_several_venues_come_to_their_definition(rounds: list[list[int]], cut: int) -> None:
    changes = {venue: kind(venue) for venue, kind in zip((9, 2, 5, 7), KINDS, strict=True)}
    books = {venue: one.book for venue, one in changes.items()}
    digester, naive = BucketDigester(), Naive()
    for place, seeds in enumerate(rounds):
        for seed in seeds:
            draw = random.Random(seed)
            changes[draw.choice(list(changes))].step(draw)
        if place == cut:
            digester = carried(digester, books)
        touched = {venue: list(book.touched) for venue, book in books.items()}
        found = digester.changed(books)
        assert found == naive.changed(books, touched) and list(found) == sorted(found)
        assert not any(book.touched for book in books.values())


def carried(digester: BucketDigester, books: dict[int, Any]) -> BucketDigester:
    """Another digester with what a snapshot carries; what was touched since the last root is digested by it anew."""
    other = BucketDigester()
    for saved in digester.save(books):
        touched = list(books[saved.venue].touched)
        other.load(books[saved.venue], saved, np.ones(BUCKETS, dtype=np.bool_))
        assert list(books[saved.venue].touched) == touched
    return other
