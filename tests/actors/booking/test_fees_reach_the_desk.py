"""From a trade to the venue's books: fees as fills are told with them, as settling takes them, as desks book them."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.backstop import Backstop
from actors.columns import RowGatherer, split_by_shard
from actors.cross.book import CrossBook
from actors.cross.settle import settle_cross_legs
from actors.insurance import Insurance
from actors.ledger.table import StagingLog
from actors.sinks import EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from cluster.placement import even
from tests.actors.book_calls import BUY, MARKET, SELL, VENUE, Book, SpinBook, place, told
from tests.actors.booking.flow import Flow
from tests.actors.calling import Caller

ACCOUNTS = range(1, 13)
FEES, FILL = batches.CROSS_DUE_KIND_TRADING_FEES, events.CROSS_LEG_KIND_FILL


class Ledger:
    """What accounts hold after the legs they are owed, said in the plainest way; one venue, one market, no orders."""

    def __init__(self) -> None:
        self.cash_less_cost: Counter[int] = Counter()
        self.lots: Counter[int] = Counter()

    def settle(self, legs: batches.CrossLegs, dues: RowGatherer[Any]) -> None:
        """Applies one shard's legs; the fees they took become one row of dues."""
        taken = 0
        rows = (legs.account, legs.kind, legs.lots, legs.quote_atoms, legs.fee_atoms)
        for account, kind, lots, quote, fee in zip(*rows, strict=True):
            if kind == FILL:
                self.lots[account] += lots
                self.cash_less_cost[account] -= quote + fee
                taken += fee
        dues.add(VENUE, FEES, taken)


def told_fees(reply: Any) -> int:
    """The fees of all fills, as their events say."""
    return sum(event.order_filled.fee_atoms for event in told(reply, "order_filled"))


@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("maker_fee_e9", [-400_000, -800_000, -50_000_000, 0, 100_000])
@pytest.mark.parametrize("seed", range(3))
def test_sp_10_a_spin_desk_books_what_fills_were_told_with(seed: int, maker_fee_e9: int, shards: int) -> None:
    """Even where rebates are more than takers pay: then the venue's fees fall below zero, by as much."""
    flow, book = Flow(seed, desks=False), SpinBook(maker_fee_e9=maker_fee_e9)
    desk, ledger, total = Caller(Insurance(VENUE), batches.InsuranceReply), Ledger(), 0
    for _ in range(5):
        reply = book.work(*flow.block(40))
        dues = RowGatherer(batches.CrossDues)
        for legs in split_by_shard(reply.legs, even(shards).array, shards):
            ledger.settle(legs, dues)
        sums = desk.block(dues=dues.message()).sums
        total += told_fees(reply)
        assert sums.fees_atoms == total == -ledger.cash_less_cost.total()
        assert ledger.lots.total() == 0
    assert (total < 0) == (maker_fee_e9 < -800_000)


@pytest.mark.parametrize("seed", range(3))
def test_a_backstop_books_what_margin_trade_s_fills_were_told_with(seed: int) -> None:
    flow, book = Flow(seed, desks=False), Book()
    backstop, total = Caller(Backstop(VENUE), batches.BackstopReply), 0
    shard = CrossBook(VENUE, StagingLog(), Way.BY_COLUMNS, owns_vault=True)
    shard.set_terms(book.venue)
    book.market.margin_trade.tiers.add(max_leverage=10)
    shard.set_market(book.market)
    for account in ACCOUNTS:
        shard.accounts.open(account)
    for _ in range(5):
        reply = book.work(*flow.block(40))
        dues = RowGatherer(batches.CrossDues)
        settle_cross_legs(shard, reply.legs, dues, EventSink(), 0)
        total += told_fees(reply)
        assert backstop.block(venue=book.venue, dues=dues.message(), account=True).sums.fees_atoms == total
        assert sum(_cash_less_cost(shard, account) for account in ACCOUNTS) == -total
    assert total > 0


def _cash_less_cost(shard: CrossBook, account: int) -> int:
    return shard.accounts.free(account) - shard.positions.position(account, MARKET)[1]


@settings(max_examples=40)
@given(
    trades=st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 1 << 20)), min_size=1, max_size=6),
    maker=st.integers(-2_000_000, 1_000_000),
    taker=st.integers(0, 2_000_000),
)
def test_trade_by_trade_the_desk_s_fees_move_by_both_fees_together(
    trades: list[tuple[int, int]], maker: int, taker: int
) -> None:
    """Each of the two is rounded up for itself."""
    book, desk = SpinBook(maker_fee_e9=maker, taker_fee_e9=taker), Caller(Insurance(VENUE), batches.InsuranceReply)
    expected, next_order = 0, 0
    for price, lots in trades:
        reply = book.work(place(next_order, 5, SELL, price, lots), place(next_order + 1, 7, BUY, price, lots))
        next_order += 2
        dues, ledger = RowGatherer(batches.CrossDues), Ledger()
        ledger.settle(reply.legs, dues)
        quote = price * lots * book.market.spin.quote_atoms_per_tick_lot
        expected += -(-quote * maker // 10**9) - (-quote * taker // 10**9)
        assert desk.block(dues=dues.message()).sums.fees_atoms == expected
