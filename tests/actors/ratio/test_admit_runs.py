"""Runs of orders through the kernel against the same orders one by one: ops, caps, events, answers, state; Spin.

Two books are given the same random blocks, one of them scalar; each block is admitted, sometimes rolled back and
admitted again, then some of its orders fill, leave or are amended and the marks and the funding move.
"""

import random
from collections import Counter
from typing import Any

import pytest

from actors.columns import RowGatherer, rows
from actors.ledger.book_orders import MARKET_ORDER
from actors.ledger.table import StagingLog
from actors.orders.moves import position_after
from actors.ratio.admit import admit
from actors.ratio.admit_runs import RatioRuns
from actors.ratio.book import RatioBook
from actors.ratio.caps import scan_caps
from actors.sinks import AnswerSink, EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.calling import pending_list, table
from tests.actors.ratio.venue import BUY, LIMIT, MARK, MARKET, REDUCE_ONLY, SELL, STOP, VENUE, market_terms, order

MARKETS, PEOPLE = (1, 2, 5), tuple(range(1, 15))
FRESH, STALE = common.MARK_STATE_FRESH, common.MARK_STATE_STALE
UNUSABLE = (common.MARK_STATE_REDUCE_ONLY, common.MARK_STATE_HALTED, common.MARK_STATE_TRIPPED, common.MARK_STATE_NONE)
# What the pair has met over all seeds; the last test asks whether that was everything.
MET: Counter[str] = Counter()


def new_book(way: Way, cash: list[int], max_orders: int, largest_k: int) -> RatioBook:
    """Three markets of unlike tick values, ratios and caps; what people have."""
    book = RatioBook(VENUE, StagingLog(), way)
    spin = parameters.SpinParameters(max_orders_per_account=max_orders)
    book.set_terms(parameters.VenueParameters(venue=VENUE, version=1, rulebook=common.RULEBOOK_SPIN, spin=spin))
    bound = {"max_order_lots": (1 << 40) - 1, "max_position_lots": 1 << 41, "min_notional_atoms": 1_000_000}
    book.set_market(market_terms(1, **bound))
    odd = {"collateral_ratio_e9": 123_456_789, "max_position_lots": 900, "price_band_ppm": 100_000}
    book.set_market(market_terms(2, **(bound | odd), quote_atoms_per_tick_lot=7))
    book.set_market(market_terms(5, **(bound | {"max_position_lots": 0}), quote_atoms_per_tick_lot=largest_k))
    for account, atoms in zip(PEOPLE, cash, strict=True):
        book.accounts.open(account)
        book.accounts.post(account, free=atoms, deposited=atoms)
    return book


class Pair:
    """The scalar book and the other, and chance."""

    def __init__(self, seed: int) -> None:
        self.draw = draw = random.Random(seed)
        self.cash = {account: draw.choice((0, 1_000_000, 10**9, 10**12, 1 << 59)) for account in PEOPLE}
        terms = (list(self.cash.values()), draw.choice((3, 12, 60)), draw.choice((100, 1 << 20)))
        self.books = [new_book(way, *terms) for way in (Way.BY_ROW, Way.BY_COLUMNS)]
        self.height, self.marks, self.index = 7, dict.fromkeys(MARKETS, MARK), dict.fromkeys(MARKETS, 0)
        self.largest = draw.choice((400, 40_000, 1 << 40))

    def both(self, act: Any) -> list[Any]:
        """Does the same to both."""
        return [act(book) for book in self.books]

    def new_marks(self) -> None:
        draw = self.draw
        for market in MARKETS:
            moved = self.marks[market] * draw.randint(800, 1_250) // 1_000
            self.marks[market] = min(2 * MARK, max(MARK // 2, moved))
            self.index[market] += draw.choice((0, draw.randint(-(10**12), 10**12)))
            state = draw.choice((STALE, *UNUSABLE)) if draw.random() < 0.3 else FRESH
            mark = common.Mark(
                venue=VENUE,
                market=market,
                mark_ticks=self.marks[market],
                index_ticks=draw.choice((0, self.marks[market], MARK)),
                version=1,
                state=state,
                age_ms=draw.randint(0, 90),
                funding_index_e9=self.index[market],
            )
            self.both(lambda book, mark=mark: book.set_mark(mark))

    def orders(self, command: int) -> Any:
        """Any order, near what the account can carry or not, half of the time against its position."""
        draw = self.draw
        account, market, side = draw.choice(PEOPLE), draw.choice(MARKETS), draw.choice((BUY, SELL))
        mark, kind = self.marks[market], draw.choice((LIMIT, LIMIT, LIMIT, MARKET))
        near = mark + draw.randint(-mark // 50, mark // 50)
        limit = 0 if kind == MARKET else max(1, draw.choice((near, near, mark * draw.randint(1, 30) // 10)))
        carried = self.cash[account] * draw.randint(1, 120) // (10 * mark * self.books[0].k(market))
        size = draw.choice((carried, carried, draw.randint(1, 40), draw.randint(1, self.largest)))
        size = min(max(1, size), (1 << 40) - 1)
        held = self.books[0].positions.lots(account, market)
        if held and draw.random() < 0.5:
            side, size = (SELL if held > 0 else BUY), min(draw.randint(1, abs(held) * 5 // 4 + 1), (1 << 40) - 1)
        cells = {"kind": kind, "market": market, "flags": draw.choice((0, 0, 0, 1, REDUCE_ONLY))}
        cells |= {"client": draw.choice((0, 0, 1, 2, 3))}
        if draw.random() < 0.03:
            cells |= {"trigger": STOP, "trigger_ticks": max(1, mark + draw.randint(-500, 500))}
        return order(command, account, side, size, limit, **cells)

    def amends(self, command: int) -> Any:
        """An amend of an order that rests."""
        draw, live = self.draw, self.books[0].orders.numbers()
        number = draw.choice(live) if live else 1
        account = self.books[0].orders.read(number).account if live else 1
        limit = draw.choice((0, max(1, MARK + draw.randint(-900, 900))))
        return (command, VENUE, account, number, 0, draw.randint(1, self.largest), limit)

    def commands(self) -> batches.ShardCommands:
        """Commands of a block: mostly orders, in runs long and short."""
        draw, amends = self.draw, self.draw.choice((0.0, 0.02, 0.2))
        listed: dict[str, list[Any]] = {"orders": [], "amends": []}
        for command in range(draw.choice((3, 40, 150))):
            kind = "amends" if draw.random() < amends else "orders"
            listed[kind].append(getattr(self, kind)(command))
        return batches.ShardCommands(
            orders=table(batches.OrderRows, *listed["orders"]), amends=table(batches.AmendRows, *listed["amends"])
        )

    def block(self) -> None:
        """Both books admit the same, now and then after having admitted it or something else in vain."""
        draw, given = self.draw, self.commands()
        liquidated = {draw.choice(PEOPLE): draw.randint(1, 3)} if draw.random() < 0.5 else {}
        for book in self.books:
            book.height = self.height
            book.begin_block()
        tries = [given] if draw.random() < 0.6 else [self.commands() if draw.random() < 0.5 else given, given]
        before = self.both(contents)
        for attempt, commands in enumerate(tries):
            self.both(lambda book: book.log.open())
            scalar, kernel = (enter(book, commands, liquidated) for book in self.books)
            assert kernel == scalar
            assert contents(self.books[1]) == contents(self.books[0])
            note(commands, scalar)
            if attempt + 1 < len(tries):
                self.both(lambda book: book.log.roll_back())
                assert self.both(contents) == before
        self.both(lambda book: book.log.keep())

    def meanwhile(self) -> None:
        """What happens between blocks: fills, cancels, freezes, reservations."""
        draw = self.draw
        for number in self.books[0].orders.numbers():
            row, chance = self.books[0].orders.read(number), draw.random()
            if row.trigger:
                continue
            if chance < 0.4:
                lots = draw.choice((row.remaining, draw.randint(1, row.remaining)))
                self.both(lambda book, n=number, r=row, x=lots: fill(book, n, r.account, r.market, r.side * x))
            if (row.flags & MARKET_ORDER or chance > 0.85) and number in self.books[0].orders:
                self.both(lambda book, n=number: book.remove_order(n))
        frozen = draw.sample(PEOPLE, 2)
        for account in PEOPLE:
            self.both(lambda book, a=account: book.accounts.freeze(a, a in frozen))
        reserved = (self.height << 20 | 1 << 19, draw.choice(PEOPLE), draw.choice(MARKETS), draw.randint(1, 20))
        self.both(lambda book: book.reservations.add(*reserved))


def enter(book: RatioBook, commands: batches.ShardCommands, liquidated: dict[int, int]) -> list[Any]:
    """Phase 9 after a scan for caps: ops, caps, events with their keys, answers."""
    scan_caps(book, RowGatherer(batches.PositionCaps))
    sink = EventSink()
    answers, ops = AnswerSink(sink), RowGatherer(batches.OrderOps)
    caps = RowGatherer(batches.PositionCaps)
    admit(book, commands, liquidated, ops, caps, sink, answers)
    told = sink.message()
    keys = zip(told.phase, told.a, told.b, told.c, strict=True)
    bodies = [events.Event.FromString(body) for body in pending_list(told)]
    listed = [list(rows(gathered.message())) for gathered in (ops, caps)]
    return [*listed, list(zip(keys, bodies, strict=True)), list(rows(answers.message()))]


def note(commands: batches.ShardCommands, entered: list[Any]) -> None:
    """What a block has met."""
    ops, caps, _, answers = entered
    asked = {row[0]: row for row in rows(commands.orders)}
    for command, price in ((row[1], row[8]) for row in ops if row[1] in asked):
        kind, limit = asked[command][5], asked[command][7]
        MET["drawn in" if kind == LIMIT and price != limit else "sent"] += 1
    for answer in answers:
        MET[refusals.Refusal.Name(answer[2])] += 1
    MET["caps"] += len(caps)
    MET["failing"] += sum(row[-1] for row in caps)


def fill(book: RatioBook, number: int, account: int, market: int, lots: int) -> None:
    """The book filled lots of an order at the mark."""
    book.fill_order(number, abs(lots))
    held, cost = book.positions.position(account, market)
    after = position_after(held, cost, lots, lots * book.mark_ticks(market) * book.k(market))
    book.positions.move(account, market, after.lots, after.cost_atoms)


def contents(book: RatioBook) -> tuple[Any, ...]:
    """Everything of the book, and the answers of its indexes."""
    keys = book.positions.table.keys()
    sums = [book.positions.read(*divmod(key, 1 << 16))[:-1] for key in keys]
    owned = [(book.orders.of_account(account), book.positions.of_account(account)) for account in PEOPLE]
    named = [book.orders.by_client(account, client) for account in PEOPLE for client in (1, 2, 3)]
    return (book.dump(), sums, owned, named, book.sums(), book.open_interest())


def counted(work: Any) -> Any:
    """The kernel's call, counting the rows it works and those it leaves."""

    def call(runs: RatioRuns, first: int, sent: int, cells: Any, *rest: Any) -> tuple[int, int]:
        end, sent = work(runs, first, sent, cells, *rest)
        MET["in columns"] += end - first
        MET["by hand"] += end < cells.shape[1]
        return end, sent

    return call


@pytest.mark.parametrize("seed", range(24))
def test_a_run_of_orders_is_those_orders_one_by_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RatioRuns, "_work", counted(RatioRuns._work))
    pair = Pair(seed)
    for _ in range(10):
        pair.new_marks()
        pair.block()
        pair.meanwhile()
        pair.height += 1


def test_all_of_it_was_met() -> None:
    names = (
        *("ACCOUNT_FROZEN", "BEING_LIQUIDATED", "TOO_MANY_ORDERS", "CLIENT_ORDER_ID_USED", "OVERFLOW", "MIN_NOTIONAL"),
        *("TOO_FAR_FROM_ORACLE", "MARKET_REDUCE_ONLY", "REDUCE_ONLY", "MARGIN_RATIO", "POSITION_CAP"),
        *("NO_MARK", "MARKET_HALTED", "MARKET_TRIPPED"),
    )
    wanted = {f"REFUSAL_{name}" for name in names} | {"drawn in", "sent", "caps", "failing"}
    wanted |= {"in columns", "by hand"}
    assert not {name for name in wanted if MET[name] < 10}, MET
