"""Orders in columns against a dictionary of rows: one by one and in bulk, staged, kept and rolled back."""

import random
from typing import Any

import numpy as np
import pytest

from actors.ledger.account_marks import AccountMarks
from actors.ledger.book_orders import BookOrder, BookOrders
from actors.ledger.table import StagingLog

ACCOUNTS, MARKETS, MARKS = range(1, 8), (1, 2, 3), (1, 80, 100, 120, 1_000)
EVERY_BUCKET = np.ones(1024, dtype=np.bool_)


class Model:
    """What the orders are, the plain way."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.rows: dict[int, BookOrder] = {}
        self.log, self.marks = StagingLog(), AccountMarks()
        self.orders = BookOrders(self.log, self.marks)
        self.next = 1

    def new_rows(self, count: int) -> dict[int, BookOrder]:
        """Orders to be: some with client ids that are free, some armed."""
        draw, made = self.draw, {}
        used = {(row.account, row.client_id) for row in self.rows.values()}
        for _ in range(count):
            account, client = draw.choice(ACCOUNTS), draw.randrange(12)
            client = 0 if (account, client) in used else client
            used.add((account, client))
            trigger, size = draw.choice((0, 0, 1, 2)), draw.randint(1, 1 << 40)
            place = (account, draw.choice(MARKETS), draw.choice((1, -1)), draw.randint(1, 1 << 40), size, size)
            words = (draw.randrange(4), draw.randrange(8), draw.randrange(4), client)
            made[self.next] = BookOrder(*place, *words, trigger, draw.choice(MARKS) if trigger else 0)
            self.next += draw.randint(1, 1 << 20)
        return made

    def step(self) -> None:
        """One change, in the columns and here."""
        draw = self.draw
        kind = draw.choice(("insert", "insert_bulk", "remove", "remove_bulk", "remaining"))
        some = draw.sample(sorted(self.rows), min(len(self.rows), draw.randint(1, 40)))
        if kind == "insert":
            for number, row in self.new_rows(1).items():
                self.orders.insert(number, row)
                self.rows[number] = row
        elif kind == "insert_bulk":
            made = self.new_rows(draw.randint(0, 120))
            cells = np.array([(number, *row) for number, row in made.items()], dtype=np.int64).reshape(-1, 13)
            slots = self.orders.insert_bulk(cells)
            assert (self.orders.whole()[slots, :13] == cells).all()
            self.rows.update(made)
        elif kind == "remove_bulk":
            cells = self.orders.remove_bulk(np.array(some, dtype=np.int64))
            assert cells.tolist() == [[number, *self.rows.pop(number)] for number in some]
        elif some and kind == "remove":
            assert self.orders.remove(some[0]) == self.rows.pop(some[0])
        elif some:
            self.orders.set_remaining(some[0], 7)
            self.rows[some[0]] = self.rows[some[0]]._replace(remaining=7)

    def check(self) -> None:
        """Every question has the same answer."""
        orders, rows = self.orders, self.rows
        assert (orders.numbers(), len(orders)) == (sorted(rows), len(rows))
        assert {number: orders.read(number) for number in orders.numbers()} == rows
        assert [number in orders for number in range(1, 30)] == [number in rows for number in range(1, 30)]
        for account in ACCOUNTS:
            mine = sorted(number for number, row in rows.items() if row.account == account)
            assert (orders.of_account(account), orders.count(account)) == (mine, len(mine))
            for market in MARKETS:
                there = [number for number in mine if rows[number].market == market]
                assert orders.of_account_in(account, market) == there
        named = {(row.account, row.client_id): number for number, row in rows.items() if row.client_id}
        for account in ACCOUNTS:
            for client in range(13):
                assert orders.by_client(account, client) == named.get((account, client), 0)
        pairs = [(account, client) for account in ACCOUNTS for client in range(13)]
        accounts, clients = np.array(pairs).T
        assert orders.by_client_bulk(accounts, clients).tolist() == [named.get(pair, 0) for pair in pairs]
        for market in MARKETS:
            armed = {number: row for number, row in rows.items() if row.market == market and row.trigger}
            assert orders.armed(market) == sorted(armed)
            for mark in (1, 79, 80, 100, 121, 2_000):
                assert orders.triggered(market, mark) == sorted(n for n, row in armed.items() if fires(row, mark))

    def dumped(self) -> list[Any]:
        """What a snapshot keeps, as bytes and as rows."""
        dumped = self.orders.dump()
        assert len(dumped) == self.orders.dumped_bytes()
        return [dumped, self.orders.rows_of(dumped, EVERY_BUCKET)]


def fires(row: BookOrder, mark: int) -> bool:
    """A stop of a buy and a take-profit of a sale wait for a higher mark (MT-05)."""
    waits_above = (row.side > 0) == (row.trigger == 1)
    return mark >= row.trigger_ticks if waits_above else mark <= row.trigger_ticks


@pytest.mark.parametrize("seed", range(6))
def test_the_columns_are_the_rows(seed: int) -> None:
    model = Model(seed)
    for _ in range(25):
        for _ in range(model.draw.randint(1, 8)):
            model.step()
        model.check()
    rebuilt = BookOrders(StagingLog(), AccountMarks())
    dumped, rows = model.dumped()
    for number, row in rows:
        rebuilt.insert(number, row)
    assert rebuilt.dump() == dumped


@pytest.mark.parametrize("seed", range(6))
def test_what_was_staged_is_undone_whole_and_its_accounts_marked(seed: int) -> None:
    model = Model(seed)
    for _ in range(20):
        model.step()
    for _ in range(15):
        before, rows = model.dumped(), dict(model.rows)
        model.marks.clear()
        model.log.open()
        for _ in range(model.draw.randint(1, 8)):
            model.step()
        if model.draw.random() < 0.3:
            model.log.keep()
        else:
            changed = {row.account for number, row in rows.items() if model.rows.get(number) != row}
            model.log.roll_back()
            model.rows = rows
            assert model.dumped() == before
            assert changed <= set(model.marks.take().tolist())
        model.check()


def test_numbers_and_client_ids_are_not_given_twice() -> None:
    model = Model(0)
    row = BookOrder(1, 1, 1, 100, 5, 5, 1, 0, 1, 9)
    model.orders.insert(5, row)
    for number, again in ((5, row._replace(client_id=8)), (6, row), (0, row._replace(client_id=8))):
        with pytest.raises(AssertionError):
            model.orders.insert(number, again)
    model.orders.insert(6, row._replace(account=2))
    with pytest.raises(AssertionError):
        model.orders.remove_bulk(np.array([5, 7], dtype=np.int64))
    with pytest.raises(AssertionError):
        model.orders.read(7)
    assert (model.orders.numbers(), model.orders.find(7)) == ([5, 6], None)
