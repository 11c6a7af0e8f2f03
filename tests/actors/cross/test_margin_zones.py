"""A scan for caps looks at few and finds everybody, whatever was admitted, paid, undone and marked before it."""

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import RowGatherer, rows
from actors.cross.book import CrossBook
from actors.cross.caps import _rules, scan_caps
from actors.cross.margin_look import look
from actors.cross.margin_zones import FAILS, NO_ORDERS, PASSES
from actors.cross.settle import take_marks
from actors.ledger.book_orders import BookOrder
from actors.units import PPM
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from tests.actors.cross.entering import BUY, CASH, MARK, MARKETS, REDUCE_ONLY, SELL, VENUE, K, entry_book, market_terms

# In two zones of accounts, with a crowd between them that does nothing.
ACTIVE = (1, 2, 3, 4, 3_001, 3_002)
CROWD = 1_100
DEEP = 10**12


class Walk:
    """A book whose accounts trade while marks move, by a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.book: CrossBook = entry_book()
        for account in (*range(100, 100 + CROWD), *ACTIVE[4:]):
            self.book.accounts.open(account)
            self.book.accounts.post(account, free=CASH, deposited=CASH)
        self.made = 0

    def change(self) -> None:
        """One thing that moves free margin, or the right to reduce only."""
        draw, book, account = self.draw, self.book, self.draw.choice(ACTIVE)
        kind = draw.randint(0, 5)
        if kind == 0:
            lots = draw.randint(-3_000, 3_000)
            book.positions.move(account, draw.choice(MARKETS), lots, lots * MARK * K)
        elif kind == 1 and (numbers := book.orders.of_account(account)):
            book.remove_order(draw.choice(numbers))
        elif kind == 2:
            # So that it passes or fails by little, and now and then by one atom.
            wanted = draw.choice((-1, 0, 1, 50, 10**6, 10**9))
            book.accounts.post(account, free=wanted - book.health(account).free_margin)
        elif kind == 3:
            market = draw.choice(MARKETS)
            book.positions.ensure(account, market)
            book.positions.put(account, market, "leverage", draw.choice((1, 3, 10, 20)))
        else:
            self.made += 1
            flags, trigger = draw.choice((0, 0, 0, REDUCE_ONLY)), draw.choice((0, 0, common.TRIGGER_KIND_STOP))
            size, limit = draw.randint(1, 3_000), MARK + draw.randint(-700, 700)
            words = (common.TIME_IN_FORCE_GTC, flags, 1, 0, trigger, limit if trigger else 0)
            side, market = draw.choice((BUY, SELL)), draw.choice(MARKETS)
            book.add_order(self.made, BookOrder(account, market, side, limit, size, size, *words))

    def staged(self) -> None:
        """Changes that are undone."""
        self.book.log.open()
        for _ in range(self.draw.randint(1, 4)):
            self.change()
        if self.draw.random() < 0.5:
            scan(self.book)
        self.book.log.roll_back()

    def mark(self) -> None:
        """New marks: near, far, or of a state in which gains do not count."""
        reach = self.draw.choice((0, 1, 8, 60, 900))
        states = (common.MARK_STATE_FRESH, common.MARK_STATE_FRESH, common.MARK_STATE_HALTED)
        marks = [
            common.Mark(
                venue=VENUE,
                market=market,
                mark_ticks=max(1, self.book.mark_ticks(market) + self.draw.randint(-reach, reach)),
                version=2,
                state=self.draw.choice(states) if reach > 8 else self.book.marks[market].state,
            )
            for market in MARKETS
        ]
        take_marks(self.book, marks)
        if self.draw.random() < 0.05:
            self.book.set_market(market_terms(1, taker_fee_e9=self.draw.choice((0, 500_000, 10_000_000))))

    def defined(self) -> list[tuple[int, ...]]:
        """The rows by health and orders, account by account."""
        book, wanted = self.book, []
        for account in ACTIVE:
            fails = int(book.health(account).free_margin < 0)
            for market in MARKETS:
                resting = [book.orders.read(number) for number in book.orders.of_account_in(account, market)]
                if any(row.is_resting and (fails or row.is_reduce_only) for row in resting):
                    wanted.append((VENUE, market, account, book.positions.lots(account, market), fails))
        return wanted


def scan(book: CrossBook) -> list[tuple[int, ...]]:
    gathered = RowGatherer(batches.PositionCaps)
    scan_caps(book, gathered)
    return list(rows(gathered.message()))


@settings(max_examples=40)
@given(st.integers(0, 1 << 30))
def test_every_scan_finds_whom_health_and_orders_find(seed: int) -> None:
    walk = Walk(seed)
    for _ in range(12):
        for _ in range(walk.draw.randint(0, 5)):
            walk.change()
        if walk.draw.random() < 0.3:
            walk.staged()
        if walk.draw.random() < 0.7:
            walk.mark()
        found = scan(walk.book)
        assert found == walk.defined()
        assert walk.book.capped == {walk.book.positions.key(account, market) for _, market, account, *_ in found}


def test_only_who_changed_or_is_told_is_looked_at() -> None:
    walk = Walk(1)
    book = walk.book
    words = (common.TIME_IN_FORCE_GTC, 0, 1, 0)
    for account in ACTIVE:
        book.accounts.post(account, free=DEEP)
        book.add_order(account, BookOrder(account, 1, BUY, MARK, 10, 10, *words))
    scan(book)
    assert book.margin_zones.looked_at == CROWD + len(ACTIVE) + 1
    scan(book)
    assert book.margin_zones.looked_at == 0
    book.accounts.post(3, free=1)
    book.positions.move(2, 1, 5, 5 * MARK * K)
    book.add_order(9, BookOrder(2, 1, SELL, MARK, 5, 5, common.TIME_IN_FORCE_GTC, REDUCE_ONLY, 1, 0))
    scan(book)
    assert book.margin_zones.looked_at == 2
    assert len(scan(book)) == 1 and book.margin_zones.looked_at == 1


def test_a_small_move_looks_at_those_who_pass_by_little_alone_and_a_large_one_at_their_zone() -> None:
    book = Walk(2).book
    words = (common.TIME_IN_FORCE_GTC, 0, 1, 0)
    for account in ACTIVE:
        book.add_order(account, BookOrder(account, 1, BUY, MARK, 10, 10, *words))
    book.accounts.post(2, free=10 - book.health(2).free_margin)
    scan(book)

    def mark(ticks: int) -> int:
        take_marks(book, [moved(book, 1, ticks)])
        scan(book)
        return book.margin_zones.looked_at

    assert mark(MARK + 1) == 1
    # Nobody of the second zone may stand this.
    assert mark(MARK * 3) == CROWD + len(ACTIVE) + 1


@settings(max_examples=40)
@given(st.integers(0, 1 << 30), st.lists(st.integers(-4, 4), min_size=2, max_size=2))
def test_a_move_that_is_promised_breaks_nobody(seed: int, ways: list[int]) -> None:
    """As far as the kernel says for one account, and anywhere between."""
    walk = Walk(seed)
    for _ in range(15):
        walk.change()
    book, positions = walk.book, walk.book.positions
    slots = book.accounts.slots_of(np.array(ACTIVE))
    cash = book.accounts.table.column("free")
    verdicts, _, moves_ppm = look(slots, *positions.chains(), cash, positions.table.whole(), _rules(book))
    before = {market: book.mark_ticks(market) for market in MARKETS}
    for account, verdict, move in zip(ACTIVE, verdicts.tolist(), moves_ppm.tolist(), strict=True):
        free = book.health(account).free_margin
        assert verdict == (NO_ORDERS if not has_resting(book, account) else PASSES if free >= 0 else FAILS)
        if verdict != PASSES:
            continue
        after = {m: before[m] + way * (move * before[m] // PPM) // 4 for m, way in zip(MARKETS, ways, strict=True)}
        take_marks(book, [moved(book, market, max(1, ticks)) for market, ticks in after.items()])
        assert book.health(account).free_margin >= 0
        take_marks(book, [moved(book, market, ticks) for market, ticks in before.items()])


def moved(book: CrossBook, market: int, ticks: int) -> common.Mark:
    """The mark of the market somewhere else."""
    return common.Mark(
        venue=VENUE, market=market, mark_ticks=ticks, version=2, state=book.marks[market].state, index_ticks=ticks
    )


def has_resting(book: CrossBook, account: int) -> bool:
    """An order of the account is at a book."""
    return any(book.orders.read(number).is_resting for number in book.orders.of_account(account))
