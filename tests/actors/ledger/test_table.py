"""Staging: whatever is done to the tables of a shard and rolled back leaves no trace, kept it stays."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import BUCKETS
from actors.isolated.book import IsolatedBook
from actors.ledger.bucket_digests import BucketDigester
from actors.ledger.isolated_positions import LEVELS, Position, RestingOpen
from actors.ledger.table import StagingLog, Table, dumped_rows
from actors.ways import Way

ACCOUNTS = range(1, 6)
MARKS = range(90, 111, 5)
STEPS = st.lists(st.integers(0, 2**32), max_size=40)


class Actions:
    """Draws changes of a book that are possible in its state."""

    def __init__(self, book: IsolatedBook, seed: int) -> None:
        self.book = book
        self.draw = random.Random(seed)
        self.made = 0

    def step(self, seed: int) -> None:
        """One change; which one the seed says."""
        self.draw.seed(seed)
        choices: list[Callable[[], None]] = [self._move_money, self._withdraw, self._open, self._rest]
        choices += [self._close, self._level, self._cancel]
        self.draw.choice(choices)()

    def _number(self) -> int:
        self.made += 1
        return self.made

    def _move_money(self) -> None:
        account = self.draw.choice(ACCOUNTS)
        amount = self.draw.randint(0, self.book.accounts.free(account))
        self.book.accounts.hold(account, amount)
        if self.draw.random() < 0.5:
            self.book.accounts.release(account, amount // 2)

    def _withdraw(self) -> None:
        account = self.draw.choice(ACCOUNTS)
        self.book.accounts.request_withdrawal(account, self._number(), self.book.accounts.free(account) // 3)

    def _open(self) -> None:
        levels = [self.draw.choice((0, *MARKS)) for _ in range(4)]
        row = (self.draw.choice(ACCOUNTS), self.draw.choice((1, 2)), self.draw.choice((1, -1)), 100, 50, 5_000)
        money = (10, self.draw.randint(1, 10), 500, 7)
        self.book.positions.insert(self._number(), Position(*row, *money, levels[0] or 100, *levels[1:]))

    def _rest(self) -> None:
        row = (self.draw.choice(ACCOUNTS), self.draw.choice((1, 2)), self.draw.choice((1, -1)))
        self.book.orders.insert(self._number(), RestingOpen(*row, self.draw.choice(MARKS), 10, 100))

    def _close(self) -> None:
        if numbers := self.book.positions.numbers():
            self.book.positions.remove(self.draw.choice(numbers))

    def _level(self) -> None:
        if numbers := self.book.positions.numbers():
            kind = self.draw.choice(sorted(LEVELS))
            self.book.positions.set_level(self.draw.choice(numbers), kind, self.draw.choice((0, *MARKS)))

    def _cancel(self) -> None:
        if orders := self.book.orders.table.keys():
            self.book.orders.remove(self.draw.choice(orders))


def new_book() -> tuple[IsolatedBook, StagingLog]:
    log = StagingLog()
    book = IsolatedBook(1, log, Way.BY_COLUMNS)
    for account in ACCOUNTS:
        book.accounts.open(account)
        book.accounts.post(account, free=1_000, deposited=1_000)
    return book, log


def image(book: IsolatedBook) -> tuple[object, ...]:
    """Everything the book answers with: rows, sums, owners, and whom each mark meets."""
    met = [
        (
            market,
            mark,
            book.positions.liquidatable(market, mark),
            [book.positions.triggered(market, kind, mark) for kind in sorted(LEVELS)],
            book.orders.triggered(market, mark),
        )
        for market in (1, 2)
        for mark in MARKS
    ]
    owned = [
        (book.positions.of_account(a), book.orders.of_account(a), book.accounts.withdrawals_of(a)) for a in ACCOUNTS
    ]
    return book.dump(), book.sums(), owned, met


@settings(max_examples=60)
@given(STEPS, STEPS, STEPS)
def test_staged_changes_that_are_rolled_back_leave_no_trace(
    before: list[int], staged: list[int], after: list[int]
) -> None:
    book, log = new_book()
    actions, digester = Actions(book, 0), BucketDigester()
    for seed in before:
        actions.step(seed)
    known = digester.changed({1: book})
    expected = image(book)
    log.open()
    for seed in staged:
        actions.step(seed)
    log.roll_back()
    assert image(book) == expected
    assert digester.changed({1: book}).items() <= known.items()
    log.open()
    for seed in after:
        actions.step(seed)
    kept = image(book)
    log.keep()
    log.roll_back()
    assert image(book) == kept


@settings(max_examples=30)
@given(STEPS)
def test_a_book_filled_from_its_dump_answers_the_same_whatever_its_slots(steps: list[int]) -> None:
    book, _ = new_book()
    actions = Actions(book, 0)
    for seed in steps:
        actions.step(seed)
    other = IsolatedBook(1, StagingLog(), Way.BY_COLUMNS)
    other.fill(book.dump(), np.ones(BUCKETS, dtype=np.bool_))
    assert image(other) == image(book)
    assert BucketDigester().changed({1: other}) == BucketDigester().changed({1: book})


def test_a_part_of_a_dump_holds_the_owned_accounts_alone() -> None:
    book, _ = new_book()
    other = IsolatedBook(1, StagingLog(), Way.BY_COLUMNS)
    other.fill(book.dump(), np.arange(BUCKETS) % 2 == 0)
    assert [account for account in ACCOUNTS if account in other.accounts] == [2, 4]
    assert other.accounts.sums.free == 2_000


def test_a_table_reuses_slots_and_never_shows_them() -> None:
    one, other = Table(("account", "amount"), StagingLog()), Table(("account", "amount"), StagingLog())
    for key in (3, 1, 2):
        one.insert(key, key, 10 * key)
    one.remove(1)
    one.insert(7, 7, 70)
    for key in (7, 2, 3):
        other.insert(key, key, 10 * key)
    assert one.slot(7) != other.slot(7)
    assert one.dump() == other.dump()
    assert list(dumped_rows(one.dump(), 2, np.arange(BUCKETS) > 2)) == [(3, [3, 30]), (7, [7, 70])]
    with pytest.raises(AssertionError, match="row 7 exists"):
        one.insert(7, 7, 1)


def test_a_table_grows_beyond_its_first_capacity() -> None:
    table = Table(("account",), StagingLog())
    for key in range(3_000):
        table.insert(key, key * 2)
    assert table.row(2_999) == (5_998,)
    assert np.array_equal(table.column("account")[table.slots()], np.arange(3_000) * 2)


def test_money_never_leaves_its_range() -> None:
    book, _ = new_book()
    with pytest.raises(AssertionError, match="free would be -1"):
        book.accounts.hold(1, 1_001)
    with pytest.raises(AssertionError, match="free would be"):
        book.accounts.post(2, free=1 << 60)
