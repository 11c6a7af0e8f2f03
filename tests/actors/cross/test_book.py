"""A cross book's tables: sums over orders follow every change, staged work comes back byte for byte."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import BUCKETS
from actors.cross.book import VAULT, CrossBook
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.cross_positions import CrossPosition
from actors.ledger.table import StagingLog
from actors.rulebooks import margin_trade
from actors.ways import Way
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters

VENUE, MARKETS, ACCOUNTS = 3, (1, 2), (1, 2, 3)
MARK = 100


def cross_book(owns_vault: bool = True) -> CrossBook:
    """Three accounts with 10,000 atoms each, two markets at 100 ticks."""
    book = CrossBook(VENUE, StagingLog(), Way.BY_COLUMNS, owns_vault=owns_vault)
    book.set_terms(parameters.VenueParameters(venue=VENUE, version=1))
    for market in MARKETS:
        rules = parameters.MarginTradeMarket(
            quote_atoms_per_tick_lot=market,
            tiers=[parameters.MarginTier(lower_notional_atoms=0, max_leverage=10)],
            taker_fee_e9=450_000,
        )
        book.set_market(parameters.MarketParameters(venue=VENUE, market=market, margin_trade=rules))
        book.marks[market] = common.Mark(
            venue=VENUE, market=market, mark_ticks=MARK, version=1, state=common.MARK_STATE_FRESH
        )
    for account in ACCOUNTS:
        book.accounts.open(account)
        book.accounts.post(account, free=10_000, deposited=10_000)
    return book


def order_row(
    account: int = 1, market: int = 1, side: int = 1, limit: int = MARK, size: int = 10, **cells: int
) -> BookOrder:
    named = {"time_in_force": 1, "flags": 0, "self_trade": 1, "client_id": 0}
    return BookOrder(account, market, side, limit, size, size, **(named | cells))


def assert_sums_follow(book: CrossBook) -> None:
    """Every row's sums are those of its orders, taken anew."""
    seen = set()
    for account in ACCOUNTS:
        for market in MARKETS:
            orders = [book.orders.read(order) for order in book.orders.of_account_in(account, market)]
            resting = [row for row in orders if row.is_resting]
            counted = [row for row in resting if not row.is_reduce_only]
            row = book.positions.read(account, market)
            for side, sums in ((1, row[5:8]), (-1, row[8:11])):
                mine = [order for order in counted if order.side == side]
                values = [order.remaining * order.limit * book.k(market) for order in mine]
                adverse = [book.adverse(order, order.remaining) for order in mine]
                assert sums == (sum(order.remaining for order in mine), sum(values), sum(adverse))
            assert (row.resting, row.reduce_only) == (len(resting), len(resting) - len(counted))
            there = bool(row.lots or resting or row.leverage)
            assert book.positions.has(account, market) == there
            if there:
                seen.add((account, market))
                assert row.owner_slot == book.accounts.table.slot(account)
    assert {(account, market) for account in ACCOUNTS for market in book.positions.of_account(account)} == seen
    lots = book.positions.table.column("lots")
    market_column = book.positions.table.column("market")
    for market, long_lots, short_lots in book.open_interest():
        here = lots[market_column == market]
        assert (long_lots, short_lots) == (int(here[here > 0].sum()), -int(here[here < 0].sum()))


def state(book: CrossBook) -> tuple[object, ...]:
    """Everything, sums and slots included."""
    clients = {(account, client): book.orders.by_client(account, client) for account in ACCOUNTS for client in range(4)}
    armed = [book.orders.triggered(market, mark) for market in MARKETS for mark in (1, 90, 100, 110, 1_000)]
    rest = (book.sums(), book.open_interest(), clients, armed, book.positions.table.slots().tolist())
    owned = [(book.positions.of_account(account), book.orders.of_account(account)) for account in ACCOUNTS]
    return (*book.dump(), book.positions.table.dump(), *rest, owned)


def test_the_vault_is_opened_where_bucket_0_is() -> None:
    assert VAULT in cross_book().accounts
    assert VAULT not in cross_book(owns_vault=False).accounts


def test_an_order_holds_by_the_sums_and_lets_go() -> None:
    book = cross_book()
    book.add_order(7, order_row(limit=103, size=10))
    row = book.positions.read(1, 1)
    assert (row.buy_lots, row.buy_value, row.buy_adverse, row.resting) == (10, 1_030, 30, 1)
    # ceil(1,000 / 10) of margin, ceil(0.045% of 1,030) of fee, 30 against the mark.
    assert book.health(1) == (10_000, 0, 0, 100 + 1 + 30)
    assert book.health(1).free_margin == 10_000 - 131
    assert book.fill_order(7, 4) == 6
    assert book.positions.read(1, 1).buy_adverse == 18
    assert book.fill_order(7, 6) == 0
    assert 7 not in book.orders
    assert not book.positions.has(1, 1)


def test_reduce_only_orders_and_triggers_hold_nothing() -> None:
    book = cross_book()
    book.add_order(7, order_row(flags=REDUCE_ONLY))
    book.add_order(8, order_row(market=2, trigger=common.TRIGGER_KIND_STOP, trigger_ticks=110, client_id=3))
    assert book.positions.read(1, 1) == CrossPosition(1, 1, resting=1, reduce_only=1, owner_slot=1)
    assert book.health(1).holds == 0
    assert not book.positions.has(1, 2)
    assert book.orders.by_client(1, 3) == 8
    assert book.orders.armed(2) == [8]
    assert [book.orders.triggered(2, mark) for mark in (109, 110)] == [[], [8]]
    fired = book.change_order(8, trigger=0, remaining=5)
    assert (fired.is_resting, book.positions.read(1, 2).buy_lots, book.orders.armed(2)) == (True, 5, [])


def test_equity_counts_a_gain_only_at_a_mark_that_may_be_used() -> None:
    book = cross_book()
    book.positions.move(1, 1, 10, 900)
    book.positions.move(1, 2, -5, -900)
    assert book.health(1) == (10_000 + 100 - 100, 100 + 100, 50 + 50, 0)
    for market in MARKETS:
        book.marks[market].state = common.MARK_STATE_REDUCE_ONLY
    assert book.health(1).equity == 10_000 - 100
    assert book.sums() == (VENUE, 30_000, 0, 0, 0, 30_000, 0, 2)
    assert book.open_interest() == [(1, 10, 0), (2, 0, 5)]


changes = st.tuples(
    st.sampled_from(("add", "arm", "remove", "fill", "change", "move", "leverage", "cash", "ladder")),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(MARKETS),
    st.sampled_from((1, -1)),
    st.integers(1, 12),
    st.integers(-3, 3),
)


def apply(book: CrossBook, number: int, change: tuple[str, int, int, int, int, int]) -> None:
    kind, account, market, side, size, gap = change
    mine = [order for order in book.orders.of_account(account) if book.orders.read(order).is_resting]
    if kind in ("add", "arm"):
        client = size % 4
        row = order_row(
            account,
            market,
            side,
            MARK + gap,
            size,
            flags=REDUCE_ONLY if gap == 0 else 0,
            client_id=0 if book.orders.by_client(account, client) else client,
            trigger=0 if kind == "add" else 1 + (size & 1),
            trigger_ticks=0 if kind == "add" else MARK + 10 * side,
        )
        book.add_order(number, row)
    elif kind == "remove" and book.orders.of_account(account):
        book.remove_order(book.orders.of_account(account)[0])
    elif kind == "fill" and mine:
        book.fill_order(mine[0], min(size, book.orders.read(mine[0]).remaining))
    elif kind == "change" and book.orders.of_account(account):
        book.change_order(book.orders.of_account(account)[-1], limit=MARK + 2 * gap, remaining=size, trigger=0)
    elif kind == "move":
        lots = 0 if gap == 0 else side * size
        book.positions.move(account, market, lots, margin_trade.value_atoms(lots, MARK + gap, book.k(market)))
    elif kind == "leverage":
        book.positions.ensure(account, market)
        book.positions.put(account, market, "leverage", size % 3)
        book.positions.drop_if_empty(account, market)
    elif kind == "cash":
        book.accounts.post(account, free=gap)
    elif kind == "ladder" and account not in book.ladder:
        book.ladder.insert(account, account, size, gap, side, 0, 0, 0, 0)
        book.touch(account)


@settings(max_examples=150)
@given(st.lists(changes, max_size=25), st.lists(changes, max_size=25))
def test_staged_work_is_undone_byte_for_byte(kept: list, staged: list) -> None:
    book = cross_book()
    for number, change in enumerate(kept, 1):
        apply(book, number, change)
    assert_sums_follow(book)
    before = state(book)
    book.log.open()
    for number, change in enumerate(staged, 100):
        apply(book, number, change)
    assert_sums_follow(book)
    book.log.roll_back()
    assert state(book) == before
    assert_sums_follow(book)


@settings(max_examples=60)
@given(st.lists(changes, max_size=30))
def test_a_dump_filled_elsewhere_is_the_same_book(made: list) -> None:
    book = cross_book()
    for number, change in enumerate(made, 1):
        apply(book, number, change)
    other = CrossBook(VENUE, StagingLog(), Way.BY_COLUMNS, owns_vault=True)
    other.terms, other.markets, other.tiers, other.marks = book.terms, book.markets, book.tiers, book.marks
    other.fill(book.dump(), np.ones(BUCKETS, dtype=np.bool_))
    assert other.dump() == book.dump()
    assert (other.sums(), other.open_interest()) == (book.sums(), book.open_interest())
    assert_sums_follow(other)
