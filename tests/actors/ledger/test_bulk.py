"""What tables do to many rows at once is what they do to each, staged or not."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.ledger.account_marks import AccountMarks
from actors.ledger.accounts import Accounts
from actors.ledger.cross_positions import CrossPositions
from actors.ledger.position_rows import COST, LOTS, MARKET_BITS
from actors.ledger.table import StagingLog

ACCOUNTS = range(1, 7)
MARKETS = range(3)
SOME = st.sampled_from((0, 1, 63, 64, 65, 127, 128, 4_095, 4_096, 70_000))
STEPS = st.lists(st.integers(0, 1 << 30), max_size=12)


class Ledger:
    """Accounts and positions of a venue; `bulk` works many rows in one go."""

    def __init__(self, bulk: bool) -> None:
        self.bulk = bulk
        self.log, self.marks = StagingLog(), AccountMarks()
        self.accounts = Accounts(self.log, self.marks, signed=True)
        self.positions = CrossPositions(self.log, self.marks, self.accounts.table)
        for account in ACCOUNTS:
            self.accounts.open(account)

    def step(self, seed: int) -> None:
        """Posts to some accounts and moves some of their positions, each once."""
        draw = random.Random(seed)
        some = draw.sample(list(ACCOUNTS), draw.randint(0, 6))
        free = [draw.randint(-50, 50) for _ in some]
        moved = [(account, draw.choice(MARKETS), draw.choice((0, 0, -3, 4)), draw.randint(-9, 9)) for account in some]
        if self.bulk:
            self.accounts.post_bulk(np.array(some, dtype=np.int64), np.array(free, dtype=np.int64))
            self._move(moved)
            return
        for account, atoms in zip(some, free, strict=True):
            self.accounts.post(account, free=atoms)
        for account, market, lots, cost in moved:
            self.positions.move(account, market, lots, cost if lots else 0)

    def _move(self, moved: list[tuple[int, int, int, int]]) -> None:
        accounts, markets, lots, cost = np.array(moved, dtype=np.int64).reshape(-1, 4).T
        keys, cost = accounts << MARKET_BITS | markets, np.where(lots == 0, 0, cost)
        slots = self.positions.ensure_bulk(keys)
        cells = self.positions.table.whole()
        self.positions.table.keep_for_undo(slots)
        before, cost_before = cells[LOTS, slots], cells[COST, slots]
        cells[LOTS, slots], cells[COST, slots] = lots, cost
        longs, shorts = (np.maximum(sign * lots, 0) - np.maximum(sign * before, 0) for sign in (1, -1))
        opened = np.count_nonzero(lots) - np.count_nonzero(before)
        self.positions.moved_bulk(accounts, markets, longs, shorts, int(opened), int((cost - cost_before).sum()))
        self.positions.drop_empty_bulk(keys)

    def image(self) -> tuple[object, ...]:
        """Everything but slots and marks."""
        positions = self.positions
        interest = {m: i for m, i in positions.interest.items() if i.long_lots or i.short_lots}
        rows = [[positions.read(account, market) for market in positions.of_account(account)] for account in ACCOUNTS]
        return (
            self.accounts.dump(),
            self.accounts.sums,
            positions.dump(),
            interest,
            positions.cost_atoms,
            positions.open_count,
            rows,
        )


@settings(max_examples=60)
@given(STEPS, STEPS, STEPS, st.booleans())
def test_many_rows_at_once_are_what_each_would_be(
    before: list[int], staged: list[int], mixed: list[int], undone: bool
) -> None:
    by_row, by_column = Ledger(bulk=False), Ledger(bulk=True)
    for ledger in (by_row, by_column):
        for seed in before:
            ledger.step(seed)
    assert by_row.image() == by_column.image()
    known = by_row.image()
    for ledger in (by_row, by_column):
        ledger.marks.clear()
        ledger.log.open()
        for seed in staged:
            ledger.step(seed)
    assert by_row.image() == by_column.image() and list(by_row.marks) == list(by_column.marks)
    for place, seed in enumerate(mixed):
        by_column.bulk = place % 2 == 0
        by_column.step(seed)
        by_row.step(seed)
    assert by_row.image() == by_column.image()
    for ledger in (by_row, by_column):
        told = set(ledger.marks)
        ledger.marks.clear()
        ledger.log.roll_back() if undone else ledger.log.keep()
        assert not undone or set(ledger.marks) == told
    assert by_row.image() == by_column.image() and (not undone or by_row.image() == known)


def test_balances_posted_together_keep_their_range() -> None:
    ledger = Ledger(bulk=True)
    with pytest.raises(AssertionError, match="deposits of 1152921504606846976 atoms in one block"):
        ledger.accounts.deposit_many(np.array([5, 5]), np.full(2, 1 << 59))
    ledger.accounts.deposit_many(np.array([5, 5]), np.full(2, 1 << 58))
    with pytest.raises(AssertionError, match="out of bounds"):
        ledger.accounts.deposit_many(np.array([5]), np.array([1 << 59]))
    with pytest.raises(AssertionError, match="out of bounds"):
        ledger.accounts.post_bulk(np.array([1, 2]), np.array([5, 1 << 60]))


def test_keys_of_rows_that_are_not_there_have_no_slot() -> None:
    ledger = Ledger(bulk=True)
    assert ledger.accounts.slots_of(np.array([7, 2, 9])).tolist() == [-1, ledger.accounts.table.slot(2), -1]


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(st.integers(0, 4), st.lists(SOME, max_size=8)),
        max_size=30,
    )
)
def test_marks_are_a_set_in_ascending_order(steps: list[tuple[int, list[int]]]) -> None:
    marks, known = AccountMarks(), set[int]()
    for kind, accounts in steps:
        if kind == 0:
            marks.add_many(np.array(accounts, dtype=np.int64))
            known.update(accounts)
        elif kind == 1:
            for account in accounts:
                marks.add(account)
                known.add(account)
        elif kind == 2:
            marks.discard_many(np.array(accounts, dtype=np.int64))
            known.difference_update(accounts)
        elif kind == 3:
            assert all((account in marks) == (account in known) for account in accounts)
        else:
            assert (list(marks), len(marks)) == (sorted(known), len(known))
    assert marks.take().tolist() == sorted(known)
    assert len(marks) == 0 and marks.take().tolist() == []


def test_who_follows_marks_is_told_of_new_ones_once_though_they_went() -> None:
    marks = AccountMarks()
    with pytest.raises(AssertionError, match="nobody follows"):
        marks.fresh()
    marks.follow()
    marks.add(7)
    marks.add_many(np.array([9_000, 3, 3]))
    assert marks.fresh().tolist() == [3, 7, 9_000] and marks.fresh().tolist() == []
    marks.add(3)
    marks.add(63)
    assert marks.take().tolist() == [3, 7, 63, 9_000]
    marks.add_many(np.array([64]))
    marks.discard_many(np.array([64, 1 << 20]))
    assert marks.fresh().tolist() == [3, 63, 64] and len(marks) == 0
