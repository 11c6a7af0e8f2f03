"""The same random life of a Margin Trade book, lived by columns and by the scalar rulebook, one beside the other."""

import random
from typing import Any

from actors.columns import RowGatherer, sort_rows
from actors.cross.book import CrossBook
from actors.cross.settle import PARTIAL_SENT, settle_cross_legs, take_marks
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.table import StagingLog
from actors.orders.cancels import take_commands
from actors.sinks import NO_COMMAND, AnswerSink, EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.calling import pending_list, table

VENUE, MARKETS, ACCOUNTS = 3, (1, 2, 5), tuple(range(1, 8))
FILL, GONE, TAKEN, TAKEOVER, CASH, MINTED, RELEASE, REDEMPTION, DELEVERAGED = range(1, 10)
LADDER_NUMBER = 1 << 19


class Twins:
    """Two books and what happens to both."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.books = [self._book(way) for way in (Way.BY_COLUMNS, Way.BY_ROW)]
        self.marks = dict.fromkeys(MARKETS, 100)
        self.live: dict[int, BookOrder] = {}
        self.commands = 0

    def _book(self, way: Way) -> CrossBook:
        book = CrossBook(VENUE, StagingLog(), way, owns_vault=True)
        book.set_terms(parameters.VenueParameters(venue=VENUE, version=1))
        for market in MARKETS:
            tiers = [parameters.MarginTier(lower_notional_atoms=0, max_leverage=10)]
            rules = parameters.MarginTradeMarket(quote_atoms_per_tick_lot=market, tiers=tiers, taker_fee_e9=450_000)
            book.set_market(parameters.MarketParameters(venue=VENUE, market=market, margin_trade=rules))
            book.marks[market] = self._mark(market, 100)
        for account in ACCOUNTS:
            book.accounts.open(account)
            book.accounts.post(account, free=10_000_000, held=1_000, deposited=10_001_000)
        book.accounts.post(0, free=500, held=1_000, deposited=1_500)
        return book

    @staticmethod
    def _mark(market: int, ticks: int) -> common.Mark:
        state = common.MARK_STATE_FRESH
        return common.Mark(venue=VENUE, market=market, mark_ticks=ticks, version=1, state=state)

    def begin_block(self) -> None:
        for book in self.books:
            book.height += 1
            # Whoever asks for them finds who was marked since.
            book.touched.take()
            book.unscanned.take()

    def place(self) -> None:
        """An order, now and then reduce-only, armed or named by its client."""
        draw, height = self.draw, self.books[0].height
        account, market, side = draw.choice(ACCOUNTS), draw.choice(MARKETS), draw.choice((1, -1))
        self.commands += 1
        number, size = height << 20 | self.commands, draw.randint(1, 30)
        armed = draw.random() < 0.1
        row = BookOrder(
            account, market, side, draw.randint(80, 120), size, size, 1, draw.choice((0, 0, 0, REDUCE_ONLY)), 1,
            self.commands if draw.random() < 0.5 else 0,
            common.TRIGGER_KIND_STOP if armed else 0, draw.randint(50, 150) if armed else 0,
        )  # fmt: skip
        for book in self.books:
            book.add_order(number, row)
        if not armed:
            self.live[number] = row

    def amend_down(self) -> None:
        """An order has fewer lots from here on; the book does not know yet."""
        known = [number for number in self.live if self.books[0].orders.find(number)]
        if known:
            number = self.draw.choice(known)
            left = self.books[0].orders.read(number).remaining
            lots = self.draw.randint(1, left)
            for book in self.books:
                book.change_order(number, size=lots, remaining=lots)

    def arm_partials(self) -> None:
        """A ladder's partial is on its way for some accounts."""
        for account in self.draw.sample(ACCOUNTS, 3):
            for book in self.books:
                if account not in book.ladder:
                    book.ladder.insert(account, account, *([0] * 7))
                book.ladder.put(account, "partial_pending", PARTIAL_SENT)

    def choose_leverage(self) -> None:
        account, market = self.draw.choice(ACCOUNTS), self.draw.choice(MARKETS)
        for book in self.books:
            book.positions.ensure(account, market)
            book.positions.put(account, market, "leverage", 5)

    def move_marks(self) -> None:
        """Some marks are others."""
        for market in self.draw.sample(MARKETS, 2):
            self.marks[market] = self.draw.randint(85, 115)
        for book in self.books:
            take_marks(book, [self._mark(market, ticks) for market, ticks in self.marks.items()])

    def legs(self, count: int, in_ladder: bool) -> list[tuple[int, ...]]:
        """What desks may owe: fills of orders that rest or rested, of the ladder's and the vault's, and the rest."""
        return [self._leg(place, in_ladder) for place in range(count)]

    def _leg(self, place: int, in_ladder: bool) -> tuple[int, ...]:
        draw, height = self.draw, self.books[0].height
        price, money = draw.randint(80, 120), (0, 0)
        if self.live and draw.random() < 0.75:
            number = draw.choice(list(self.live))
            account, market, side, *_ = self.live[number]
            kind = GONE if draw.random() < 0.25 else FILL
        else:
            number = draw.choice((0, height << 20 | LADDER_NUMBER | place, 1 << 20 | 77_777))
            account, market, side = draw.choice((0, *ACCOUNTS)), draw.choice(MARKETS), draw.choice((1, -1))
            kind = draw.choice((FILL, FILL, GONE, TAKEOVER, DELEVERAGED))
            if draw.random() < 0.15:
                kind = draw.choice((CASH, RELEASE, REDEMPTION, MINTED) if not in_ladder else (TAKEN, CASH))
                money = (draw.randint(1, 9), draw.randint(0, 99))
        lots = side * draw.randint(1, 25) if kind in (FILL, TAKEOVER, DELEVERAGED) else 0
        fees = (draw.randint(0, 3), draw.randint(0, 1)) if kind == FILL else (0, 0)
        return (1, place, market, 0, VENUE, account, kind, number, lots, lots * price * market, *fees, *money)

    def settle(self, legs: list[tuple[int, ...]], ladder_round: int) -> None:
        """Both books settle; what they say must be the same."""
        said = [self._said(book, legs, ladder_round) for book in self.books]
        assert said[0] == said[1]

    @staticmethod
    def _said(book: CrossBook, legs: list[tuple[int, ...]], ladder_round: int) -> Any:
        dues, sink = RowGatherer(batches.CrossDues), EventSink()
        settle_cross_legs(book, table(batches.CrossLegs, *legs), dues, sink, ladder_round)
        return told(sink), dues.message()

    def cancels(self, count: int) -> batches.ShardCommands:
        """By number and by client id, of all; orders that are others', that were cancelled already, that never were."""
        draw, named, listed = self.draw, [], []
        numbers, dead = self.books[0].orders.numbers(), NO_COMMAND
        for command in range(count):
            account = draw.choice(ACCOUNTS)
            order = draw.choice(numbers) if numbers and draw.random() < 0.85 else draw.choice((77_777, 1))
            row = self.books[0].orders.find(order)
            if row and draw.random() < 0.9:
                account = row.account
            kind = draw.random()
            if kind < 0.05:
                listed.append(
                    (dead, VENUE, account, 0, 0) if draw.random() < 0.3 else (command, VENUE, account, order, 0)
                )
            elif kind < 0.1:
                named.append((command, VENUE, account, draw.choice((0, *MARKETS)), 0, 0))
            elif kind < 0.5:
                named.append((command, VENUE, account, 0, 0, row.client_id if row and row.client_id else 3_000_000))
            else:
                named.append((command, VENUE, account, draw.choice(MARKETS), order, draw.choice((0, 5))))
        return batches.ShardCommands(
            cancels=table(batches.CancelRows, *listed), book_cancels=table(batches.BookCancelRows, *named)
        )

    def cancel(self, commands: batches.ShardCommands) -> None:
        """Both books cancel; what they answer, tell and send must be the same."""
        said = [self._cancelled(book, commands) for book in self.books]
        assert said[0] == said[1]

    @staticmethod
    def _cancelled(book: CrossBook, commands: batches.ShardCommands) -> Any:
        ops, sink = RowGatherer(batches.OrderOps), EventSink()
        answers = AnswerSink(sink)
        take_commands(book, commands, ops, sink, answers)
        sent = sort_rows(ops.message(), "class", "command", "order")
        return told(sink), sort_rows(answers.message(), "command"), sent

    def assert_equal(self) -> None:
        """The books hold the same, sums, totals and marks of change included."""
        columns, scalar = (_state(book) for book in self.books)
        assert columns == scalar


def told(sink: EventSink) -> list[tuple[Any, ...]]:
    """Keys and events by their keys."""
    message = sink.message()
    return sorted(zip(message.phase, message.a, message.b, message.c, pending_list(message), strict=True))


def _state(book: CrossBook) -> dict[str, Any]:
    clients = {
        (row.account, row.client_id): book.orders.by_client(row.account, row.client_id)
        for row in map(book.orders.read, book.orders.numbers())
    }
    owned = {
        account: (book.positions.of_account(account), book.orders.of_account(account)) for account in (0, *ACCOUNTS)
    }
    rows = {(a, m): book.positions.read(a, m)[:-1] for a, markets in owned.items() for m in markets[0]}
    marked = (list(book.touched), list(book.unscanned))
    return {
        "dump": book.dump(), "sums": book.sums(), "interest": book.open_interest(), "clients": clients,
        "owned": owned, "rows": rows, "marked": marked,
    }  # fmt: skip
