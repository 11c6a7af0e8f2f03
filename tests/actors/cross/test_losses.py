"""No fill at the mark of admission leaves an account below zero: what live orders may lose, to the atom."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.cross.book import CrossBook
from actors.cross.payout import must_stay_ceil_atoms
from actors.orders.moves import position_after
from actors.units import E9, div_ceil
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.cross.entering import (
    BUY,
    CASH,
    HEIGHT,
    IOC,
    MARK,
    MARKET,
    REDUCE_ONLY,
    SELL,
    TAKER_FEE_E9,
    K,
    amend,
    enter,
    entry_book,
    order,
    order_number,
)

LOT = MARK * K
FAR_BELOW, FAR_ABOVE = MARK // 20, MARK * 39 // 20
# 400 USDC at the mark.
LOTS = 400


def fee(lots: int, ticks: int) -> int:
    return div_ceil(lots * ticks * K * TAKER_FEE_E9, E9) + lots


def standing(lots: int = LOTS, cash: int = CASH) -> CrossBook:
    """Account 1 with this position at the mark; all that it is worth is `cash`."""
    book = entry_book()
    book.positions.move(1, 1, lots, lots * LOT)
    book.accounts.post(1, free=cash - CASH)
    return book


def limits(book: CrossBook, *orders: tuple[int, ...]) -> list[int]:
    """Prices of what went to the book."""
    return [op[8] for op in enter(book, orders=orders).ops]


def nearest_below(spare: int, lots: int) -> int:
    return MARK - (spare - fee(lots, MARK)) // (lots * K)


def nearest_above(spare: int, lots: int, limit: int) -> int:
    return MARK + (spare - fee(lots, limit)) // (lots * K)


@pytest.mark.parametrize("flags", [0, REDUCE_ONLY])
def test_mt06_a_long_sells_no_lower_than_its_equity_bears(flags: int) -> None:
    cash = 10_000_000
    (limit,) = limits(standing(cash=cash), order(0, side=SELL, size=LOTS, limit=FAR_BELOW, flags=flags))
    assert limit == nearest_below(cash, LOTS) == 9_756
    loss = LOTS * (MARK - limit) * K + fee(LOTS, limit)
    assert cash - 2 * LOTS * K < loss <= cash


def test_mt06_a_short_buys_no_higher_than_its_equity_bears() -> None:
    cash = 10_000_000
    (limit,) = limits(standing(-LOTS, cash), order(0, side=BUY, size=LOTS, limit=FAR_ABOVE))
    assert limit == nearest_above(cash, LOTS, FAR_ABOVE)
    assert LOTS * (limit - MARK) * K + fee(LOTS, limit) <= cash


def test_an_order_the_equity_bears_keeps_its_price() -> None:
    assert limits(standing(), order(0, side=SELL, size=LOTS, limit=9_000)) == [9_000]
    assert limits(standing(), order(0, side=SELL, size=LOTS, limit=MARK + 5)) == [MARK + 5]


def test_a_market_order_of_a_thin_account_is_drawn_in() -> None:
    (limit,) = limits(standing(cash=10_000_000), order(0, side=SELL, size=LOTS, limit=0, kind=MARKET))
    assert limit == 9_756
    assert limits(standing(), order(0, side=SELL, size=LOTS, limit=0, kind=MARKET)) == [9_500]


def test_orders_of_one_block_share_the_equity() -> None:
    cash, part = 10_000_000, LOTS // 2
    sale = {"side": SELL, "size": part, "flags": REDUCE_ONLY}
    first, second = limits(standing(cash=cash), order(0, limit=9_800, **sale), order(1, limit=FAR_BELOW, **sale))
    left = cash - part * 200 * K - fee(part, 9_800)
    assert (first, second) == (9_800, nearest_below(left, part))
    assert limits(standing(cash=cash), *(order(i, limit=FAR_BELOW, **sale) for i in (0, 1)))[1] == MARK


def test_orders_that_rest_count_in_later_blocks() -> None:
    book, part = standing(cash=10_000_000), LOTS // 2
    sale = {"side": SELL, "size": part, "limit": FAR_BELOW, "flags": REDUCE_ONLY}
    (first,) = limits(book, order(0, **sale))
    book.height += 1
    (second,) = limits(book, order(0, **sale))
    assert first < second


@pytest.mark.parametrize("cash", [0, fee(LOTS, MARK), -5_000_000])
def test_without_equity_for_its_fee_an_order_goes_at_the_mark(cash: int) -> None:
    assert limits(standing(cash=cash), order(0, side=SELL, size=LOTS, limit=FAR_BELOW)) == [MARK]


def test_both_sides_against_the_mark_are_refused_though_only_the_larger_is_held() -> None:
    book = entry_book()
    book.accounts.post(1, free=100_000_000 - CASH)
    bought = order(0, side=BUY, size=90, limit=MARK + 9_000)
    sold = order(1, side=SELL, size=90, limit=MARK - 9_000)
    told = enter(book, orders=[bought, sold])
    loss = 90 * 9_000 * K + fee(90, MARK - 9_000)
    spare = 100_000_000 - 90 * 9_000 * K - fee(90, MARK + 9_000)
    assert len(told.ops) == 1
    assert told.refusal(1) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, loss, spare)


def test_an_amended_order_is_drawn_in_too() -> None:
    cash = 10_000_000
    book = standing(cash=cash)
    enter(book, orders=[order(0, side=SELL, size=LOTS, limit=MARK + 5, flags=REDUCE_ONLY)])
    book.height += 1
    (op,) = enter(book, amends=[amend(0, order_number(0), LOTS, FAR_BELOW)]).ops
    assert op[8] == nearest_below(cash, LOTS) == book.orders.read(order_number(0)).limit


def test_fewer_lots_at_the_same_price_keep_it() -> None:
    book = standing(cash=10_000_000)
    (before,) = limits(book, order(0, side=SELL, size=LOTS, limit=FAR_BELOW))
    book.height += 1
    (op,) = enter(book, amends=[amend(0, order_number(0), LOTS // 2)]).ops
    assert op[8] == before


def test_what_live_orders_may_lose_is_not_paid_out() -> None:
    book = standing()
    (limit,) = limits(book, order(0, side=SELL, size=LOTS, limit=8_000, flags=REDUCE_ONLY))
    assert limit == 8_000
    stays = must_stay_ceil_atoms(book, 1, book.health(1))
    assert stays == LOTS * 2_000 * K + fee(LOTS, 8_000) > LOTS * LOT // 10


def test_lp_deposits_leave_what_live_orders_may_lose() -> None:
    book = standing()
    sale = order(0, side=SELL, size=LOTS, limit=8_000, flags=REDUCE_ONLY)
    spare = CASH - LOTS * 2_000 * K - fee(LOTS, 8_000)
    told = enter(book, orders=[sale], liquidity=[(1, 3, 1, 1, spare + 1), (2, 3, 1, 1, spare)])
    assert told.refusal(1) == (refusals.REFUSAL_INSUFFICIENT_BALANCE, spare + 1, spare)
    assert told.liquidity == [(2, 3, 1, 1, spare)]


class Accomplice:
    """Takes whatever an account offers, always at the account's worst price; the account pays the taker's fee."""

    def __init__(self, draw: random.Random, book: CrossBook) -> None:
        self._draw = draw
        self._book = book
        self.fees = 0

    def fill_some(self) -> None:
        book = self._book
        for number in book.orders.of_account(1):
            row = book.orders.read(number)
            lots = row.remaining
            if row.is_reduce_only:
                lots = min(lots, max(0, -row.side * book.positions.lots(1, row.market)))
            lots = self._draw.choice((0, lots, lots // 2))
            while lots:
                part = self._draw.randint(1, lots)
                lots -= part
                self._fill(number, part)
            if row.time_in_force == IOC and number in book.orders:
                book.remove_order(number)

    def _fill(self, number: int, lots: int) -> None:
        book = self._book
        row = book.orders.read(number)
        quote = row.limit * lots * K
        paid = div_ceil(quote * TAKER_FEE_E9, E9)
        self.fees += paid
        book.fill_order(number, lots)
        held, cost = book.positions.lots(1, row.market), book.positions.get(1, row.market, "cost")
        after = position_after(held, cost, row.side * lots, row.side * quote)
        book.positions.move(1, row.market, after.lots, after.cost_atoms)
        book.accounts.post(1, free=after.realised_atoms - paid)


@settings(max_examples=150)
@given(st.integers(0, 1 << 30), st.integers(0, 300), st.integers(-300, 300))
def test_no_stream_of_orders_filled_at_their_worst_ends_below_zero(seed: int, thousandths: int, lots: int) -> None:
    """Fees aside: an order that loses nothing against the mark may still cost its fee, which the venue keeps."""
    draw = random.Random(seed)
    book = standing(lots, cash=thousandths * CASH // 1_000)
    accomplice = Accomplice(draw, book)
    for height in range(HEIGHT, HEIGHT + 4):
        book.height = height
        orders = [_any_order(draw, command) for command in range(4)]
        live = [number for number in book.orders.of_account(1) if draw.random() < 0.3]
        amends = [
            amend(4 + place, number, draw.randint(1, 400), draw.choice((0, FAR_BELOW, MARK, FAR_ABOVE)))
            for place, number in enumerate(live)
        ]
        enter(book, orders=orders, amends=amends)
        accomplice.fill_some()
        assert book.health(1).equity + accomplice.fees >= 0


def _any_order(draw: random.Random, command: int) -> tuple[int, ...]:
    kind = draw.choice((MARKET, 0, 0))
    limit = draw.choice((FAR_BELOW, 9_000, 9_990, MARK, 10_010, 11_000, FAR_ABOVE))
    cells = {"kind": kind} if kind else {}
    return order(
        command,
        side=draw.choice((BUY, SELL)),
        size=draw.randint(1, 300),
        limit=0 if kind else limit,
        flags=draw.choice((0, REDUCE_ONLY)),
        time_in_force=draw.choice((1, IOC)),
        market=draw.choice((1, 1, 2)),
        **cells,
    )
