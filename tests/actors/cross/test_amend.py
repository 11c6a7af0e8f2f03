"""Amends of resting cross orders: refused like an order on the state after, told to the book with what was known."""

from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.cross.entering import (
    AMEND,
    BUY,
    CASH,
    GTC,
    MARK,
    MARKET,
    PLACE,
    REDUCE_ONLY,
    SELL,
    VENUE,
    K,
    amend,
    enter,
    entry_book,
    order,
    order_number,
    state,
)

HELD_A_LOT = 50_000  # IM at 20x of a lot worth 1,000,000 atoms


class TestAmend:
    """An order as its row stands: 30 lots at 9,990, 10 of them filled."""

    number = order_number(0)

    def book(self):
        book = entry_book()
        enter(book, orders=[order(0, 1, BUY, 30, 9_990, client_id=6)])
        book.fill_order(self.number, 10)
        return book

    def refusal(self, book, row):
        before = state(book)
        told = enter(book, amends=[row])
        assert (state(book), told.ops) == (before, [])
        return told.refusal(row[0])

    def test_the_row_takes_price_and_lots_and_the_book_hears_what_was_known(self):
        book = self.book()
        told = enter(book, amends=[amend(3, self.number, 25, 9_980)])
        assert told.ops == [(4, 3, self.number, VENUE, 1, 1, AMEND, BUY, 9_980, 15, 20, GTC, 0, 1, 6, 0)]
        assert told.answers == {} and told.events == []
        row = book.orders.read(self.number)
        assert (row.size, row.remaining, row.limit) == (25, 15, 9_980)
        assert book.health(1).holds == 15 * HELD_A_LOT + 15 * 9_980 * K // 2_000

    def test_by_client_id_and_at_the_old_price(self):
        told = enter(self.book(), amends=[amend(3, 0, 25, 0, client_id=6)])
        assert told.ops[0][2] == self.number and told.ops[0][8:11] == (9_990, 15, 20)

    def test_unknown_and_foreign_orders(self):
        book = self.book()
        unknown = refusals.REFUSAL_UNKNOWN_ORDER
        assert self.refusal(book, amend(1, self.number + 1, 25)) == (unknown, 1, self.number + 1)
        assert self.refusal(book, amend(1, self.number, 25, account=2)) == (unknown, 1, self.number)
        assert self.refusal(book, amend(1, 0, 25, client_id=5)) == (unknown, 1, 5)
        assert self.refusal(book, amend(1, 0, 25, client_id=6, account=2)) == (unknown, 1, 6)

    def test_below_what_is_filled(self):
        book = self.book()
        assert self.refusal(book, amend(1, self.number, 10)) == (refusals.REFUSAL_AMEND_BELOW_FILLED, 10, 10)
        assert enter(book, amends=[amend(1, self.number, 12)]).ops[0][9] == 2

    def test_as_an_order_on_the_state_after_it(self):
        book = self.book()
        largest = book.markets[1].margin_trade.max_order_lots
        assert self.refusal(book, amend(1, self.number, largest + 1)) == (
            refusals.REFUSAL_OVERFLOW,
            largest,
            largest + 1,
        )
        too_little = (refusals.REFUSAL_MIN_NOTIONAL, MARK * K, 9_990 * K)
        assert self.refusal(book, amend(1, self.number, 11)) == too_little
        assert self.refusal(book, amend(1, self.number, 30, 19_501)) == (
            refusals.REFUSAL_TOO_FAR_FROM_ORACLE,
            19_500,
            19_501,
        )
        holds = book.health(1).holds
        more = 11 * HELD_A_LOT + 15_485 - 9_990  # the fee on 31 lots is 15,484.5, up
        book.accounts.post(1, free=holds + more - 1 - CASH)
        assert self.refusal(book, amend(1, self.number, 41)) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, more, more - 1)
        book.accounts.post(1, free=1)
        assert enter(book, amends=[amend(1, self.number, 41)]).ops
        assert book.health(1).free_margin == 0

    def test_what_it_takes_or_gives_back_is_there_for_the_next_command(self):
        """20 lots at 9,990 hold 1,009,990; 30 hold 1,514,985, 10 hold 504,995."""
        book = self.book()
        book.accounts.post(1, free=1_600_000 - CASH)
        each = order(2, 1, BUY, 10, market=2)
        told = enter(
            book,
            amends=[amend(1, self.number, 40), amend(3, self.number, 20)],
            orders=[each, order(4, 1, BUY, 10, market=2)],
        )
        assert told.refusal(2) == (refusals.REFUSAL_BELOW_INITIAL_MARGIN, 505_000, 85_015)
        assert [op[1] for op in told.ops] == [1, 3, 4]
        assert book.health(1).free_margin == 1_600_000 - 504_995 - 505_000

    def test_less_is_always_taken_even_when_the_account_fails(self):
        book = self.book()
        book.accounts.post(1, free=-CASH)
        assert enter(book, amends=[amend(1, self.number, 29)]).ops

    def test_a_reduce_only_order_never_grows_beyond_the_position(self):
        book = entry_book()
        book.positions.move(1, 1, 10, 10 * MARK * K)
        enter(book, orders=[order(0, 1, SELL, 4, flags=REDUCE_ONLY)])
        assert self.refusal(book, amend(1, self.number, 11)) == (refusals.REFUSAL_REDUCE_ONLY, 10, 11)
        assert enter(book, amends=[amend(1, self.number, 10)]).ops[0][9:11] == (10, 4)
        assert book.health(1).holds == 0

    def test_a_market_order_keeps_its_protection_price(self):
        book = entry_book()
        rows = {"orders": [order(0, 1, BUY, 4, 0, kind=MARKET)], "amends": [amend(1, self.number, 3, 10_900)]}
        told = enter(book, **rows)
        assert [(op[6], op[8], op[9]) for op in told.ops] == [(PLACE, 10_500, 4), (AMEND, 10_500, 3)]
