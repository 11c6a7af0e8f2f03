"""Runs of orders through the kernel against the same orders one by one: ops, caps, events, answers, state.

Two books are given the same random blocks, one of them scalar; each block is admitted, sometimes rolled back and
admitted again, then some of its orders fill, leave or are amended and the marks move.
"""

import random
from collections import Counter
from typing import Any

import pytest

from actors.cross.admit_runs import CrossRuns
from actors.cross.book import CrossBook
from actors.cross.settle import take_marks
from actors.ledger.table import StagingLog
from actors.orders.moves import position_after
from actors.ways import Way
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.cross.entering import (
    BUY,
    GTC,
    HEIGHT,
    IOC,
    LIMIT,
    MARK,
    MARKET,
    NOW_MS,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    STOP,
    TAKE_PROFIT,
    VENUE,
    Entered,
    amend,
    enter,
    market_terms,
    order,
    order_number,
)

MARKETS, PEOPLE = (1, 2, 5), tuple(range(1, 15))
FRESH, STALE = common.MARK_STATE_FRESH, common.MARK_STATE_STALE
REDUCING, HALTED = common.MARK_STATE_REDUCE_ONLY, common.MARK_STATE_HALTED
# What the pair has met over all seeds; the last test asks whether that was everything.
MET: Counter[str] = Counter()


def new_book(way: Way, cash: list[int], max_orders: int, lots_scale: int) -> CrossBook:
    """Three markets of unlike tick values and bands; what people have."""
    book = CrossBook(VENUE, StagingLog(), way, owns_vault=True)
    rules = parameters.MarginTradeParameters(max_orders_per_account=max_orders)
    book.set_terms(parameters.VenueParameters(venue=VENUE, version=1, margin_trade=rules))
    bound = {"max_order_lots": (1 << 40) - 1, "open_interest_cap_lots": 1 << 41}
    book.set_market(market_terms(1, **bound))
    book.set_market(market_terms(2, **bound, quote_atoms_per_tick_lot=7, price_band_ppm=100_000, taker_fee_e9=0))
    book.set_market(market_terms(5, **bound, quote_atoms_per_tick_lot=lots_scale, market_protection_ppm=300_000))
    for account, atoms in zip(PEOPLE, cash, strict=True):
        book.accounts.open(account)
        book.accounts.post(account, free=atoms, deposited=atoms)
    return book


class Pair:
    """The scalar book and the other, and chance."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        cash = [draw.choice((0, 1_000_000, 10**9, 10**12, 1 << 59)) for _ in PEOPLE]
        self.cash = dict(zip(PEOPLE, cash, strict=True))
        terms = (cash, draw.choice((3, 12, 60)), draw.choice((100, 1 << 20)))
        self.books = [new_book(way, *terms) for way in (Way.BY_ROW, Way.BY_COLUMNS)]
        self.height, self.marks = HEIGHT, dict.fromkeys(MARKETS, MARK)
        # Plain lots, or so many that values leave their bounds.
        self.largest = draw.choice((400, 40_000, 1 << 40))

    def both(self, act: Any) -> list[Any]:
        """Does the same to both."""
        return [act(book) for book in self.books]

    def new_marks(self) -> None:
        draw = self.draw
        marks = []
        for market in MARKETS:
            moved = self.marks[market] * draw.randint(750, 1_330) // 1_000
            self.marks[market] = min(2 * MARK, max(MARK // 2, moved))
            rare = draw.choice((STALE, REDUCING, HALTED, common.MARK_STATE_TRIPPED, common.MARK_STATE_NONE))
            state = rare if draw.random() < 0.3 else FRESH
            index = draw.choice((0, self.marks[market], MARK))
            marks.append(common.Mark(
                venue=VENUE, market=market, mark_ticks=self.marks[market], version=1, state=state,
                index_ticks=index, age_ms=draw.randint(0, 90),
            ))  # fmt: skip
        self.both(lambda book: take_marks(book, marks))

    def rows(self) -> dict[str, list[Any]]:
        """Commands of a block: mostly orders, in runs long and short."""
        draw = self.draw
        columns: dict[str, list[Any]] = {"orders": [], "amends": [], "leverages": [], "liquidity": []}
        others = draw.choice((0.0, 0.02, 0.3))
        for command in range(draw.choice((3, 40, 150))):
            kind = "orders" if draw.random() >= others else draw.choice(("amends", "leverages", "liquidity", "orders"))
            columns[kind].append(getattr(self, f"_{kind}")(command))
        return columns

    def _orders(self, command: int) -> Any:
        draw = self.draw
        market, side = draw.choice(MARKETS), draw.choice((BUY, SELL))
        mark = self.marks[market]
        kind = draw.choice((LIMIT, LIMIT, LIMIT, MARKET))
        near = mark + draw.randint(-mark // 50, mark // 50)
        limit = 0 if kind == MARKET else max(1, draw.choice((near, near, mark * draw.randint(1, 30) // 10)))
        trigger = draw.choice((STOP, TAKE_PROFIT)) if draw.random() < 0.03 else 0
        cells = {
            "market": market,
            "kind": kind,
            "time_in_force": draw.choice((0, GTC, IOC)),
            "flags": draw.choice((0, 0, 0, POST_ONLY, REDUCE_ONLY)),
            "self_trade": draw.choice((0, 1, 2)),
            "trigger": trigger,
            "trigger_ticks": max(1, mark + draw.randint(-500, 500)) if trigger else 0,
            "client_id": draw.choice((0, 0, 1, 2, 3)),
        }
        account = draw.choice(PEOPLE)
        # What the cash carries at a leverage up to 20, a few lots, or whatever there may be.
        carried = self.cash[account] * draw.randint(1, 200) // (10 * mark * self.books[0].k(market))
        size = draw.choice((carried, carried, draw.randint(1, 40), draw.randint(1, self.largest)))
        size = min(max(1, size), (1 << 40) - 1)
        held = self.books[0].positions.lots(account, market)
        if held and draw.random() < 0.5:
            side, size = (SELL if held > 0 else BUY), draw.randint(1, min(abs(held), (1 << 40) - 1))
        return order(command, account, side, size, limit, **cells)

    def _amends(self, command: int) -> Any:
        draw, live = self.draw, self.books[0].orders.numbers()
        number = draw.choice(live) if live else order_number(0)
        account = self.books[0].orders.read(number).account if live else 1
        limit = draw.choice((0, max(1, MARK + draw.randint(-900, 900))))
        return amend(command, number, draw.randint(1, self.largest), limit, account)

    def _leverages(self, command: int) -> Any:
        return (command, VENUE, self.draw.choice(PEOPLE), self.draw.choice(MARKETS), self.draw.choice((1, 3, 10, 20)))

    def _liquidity(self, command: int) -> Any:
        return (command, VENUE, self.draw.choice(PEOPLE), 1, self.draw.choice((5, 500_000, 10**8)))

    def block(self) -> None:
        """Both books admit the same, now and then after having admitted it or something else in vain."""
        draw, columns = self.draw, self.rows()
        for book in self.books:
            book.height, book.block_time_ms = self.height, NOW_MS + self.height
        tries = [columns] if draw.random() < 0.6 else [self.rows() if draw.random() < 0.5 else columns, columns]
        before = self.both(contents)
        for attempt, given in enumerate(tries):
            self.both(lambda book: book.log.open())
            scalar, kernel = (enter(book, scan=True, **given) for book in self.books)
            assert kernel == scalar
            note(scalar, {row[0]: row for row in given["orders"]})
            assert_alike(self.books)
            if attempt + 1 < len(tries):
                self.both(lambda book: book.log.roll_back())
                assert self.both(contents) == before
        self.both(lambda book: book.log.keep())

    def meanwhile(self) -> None:
        """What happens between blocks: fills, cancels, freezes, acts of the ladder."""
        draw = self.draw
        for number in self.books[0].orders.numbers():
            row, chance = self.books[0].orders.read(number), draw.random()
            if row.trigger:
                continue
            if chance < 0.4:
                lots = draw.choice((row.remaining, draw.randint(1, row.remaining)))
                self.both(lambda book, n=number, r=row, x=lots: fill(book, n, r.account, r.market, r.side * x))
            elif chance < 0.5:
                self.both(lambda book, n=number: book.remove_order(n))
        frozen = draw.sample(PEOPLE, 2)
        for account in PEOPLE:
            self.both(lambda book, a=account: book.accounts.freeze(a, a in frozen))
        if draw.random() < 0.5:
            acted = draw.choice(PEOPLE)
            cells = (acted, 0, 0, 0, self.height + draw.randint(0, 1), 0, 0, draw.randint(1, 3))
            self.both(lambda book: put_ladder(book, acted, cells))


def note(entered: Entered, orders: dict[int, Any]) -> None:
    """What a block has met."""
    for command, price in ((row[1], row[8]) for row in entered.ops if row[1] in orders):
        kind, limit = orders[command][5], orders[command][7]
        MET["drawn in" if kind == LIMIT and price != limit else "sent"] += 1
    for answer in entered.answers.values():
        MET[refusals.Refusal.Name(answer[1])] += 1
    MET["caps"] += len(entered.caps)
    MET["failing"] += sum(row[-1] for row in entered.caps)


def put_ladder(book: CrossBook, account: int, cells: tuple[int, ...]) -> None:
    if account in book.ladder:
        book.ladder.put_row(account, cells)
    else:
        book.ladder.insert(account, *cells)


def fill(book: CrossBook, number: int, account: int, market: int, lots: int) -> None:
    """The book filled lots of an order at the mark."""
    book.fill_order(number, abs(lots))
    held, cost = book.positions.position(account, market)
    after = position_after(held, cost, lots, lots * book.mark_ticks(market) * book.k(market))
    book.positions.move(account, market, after.lots, after.cost_atoms)


def contents(book: CrossBook) -> tuple[Any, ...]:
    """Everything of the book, and the answers of its indexes."""
    keys = book.positions.table.keys()
    sums = [book.positions.read(*divmod(key, 1 << 16))[:-1] for key in keys]
    owned = [(book.orders.of_account(account), book.positions.of_account(account)) for account in PEOPLE]
    named = [book.orders.by_client(account, client) for account in PEOPLE for client in (1, 2, 3)]
    return (book.dump(), sums, owned, named, book.sums(), book.open_interest())


def assert_alike(books: list[CrossBook]) -> None:
    scalar, kernel = books
    assert contents(kernel) == contents(scalar)
    assert set(scalar.touched) <= set(kernel.touched)


def counted(work: Any) -> Any:
    """The kernel's call, counting the rows it works and those it leaves."""

    def call(runs: CrossRuns, first: int, sent: int, cells: Any, *rest: Any) -> tuple[int, int]:
        end, sent = work(runs, first, sent, cells, *rest)
        MET["in columns"] += end - first
        MET["by hand"] += end < cells.shape[1]
        return end, sent

    return call


@pytest.mark.parametrize("seed", range(24))
def test_a_run_of_orders_is_those_orders_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CrossRuns, "_work", counted(CrossRuns._work))
    pair = Pair(seed)
    for _ in range(10):
        pair.new_marks()
        pair.block()
        pair.meanwhile()
        pair.height += 1


def test_all_of_it_was_met() -> None:
    names = (
        *("ACCOUNT_FROZEN", "BEING_LIQUIDATED", "TOO_MANY_ORDERS", "CLIENT_ORDER_ID_USED", "OVERFLOW", "MIN_NOTIONAL"),
        *("TOO_FAR_FROM_ORACLE", "MARKET_REDUCE_ONLY", "REDUCE_ONLY", "BELOW_INITIAL_MARGIN"),
        *("NO_MARK", "MARKET_HALTED", "MARKET_TRIPPED"),
    )
    wanted = {f"REFUSAL_{name}" for name in names} | {"drawn in", "sent", "caps", "failing"}
    wanted |= {"in columns", "by hand"}
    assert not {name for name in wanted if MET[name] < 10}, MET
