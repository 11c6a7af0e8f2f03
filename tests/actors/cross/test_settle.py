"""Legs, marks and funding on a cross book: every leg kind, conserved to the atom; columns equal the scalar rulebook."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.columns import RowGatherer
from actors.cross.book import VAULT, CrossBook
from actors.cross.settle import PARTIAL_FILLED, PARTIAL_SENT, fund, settle_cross_legs, take_marks
from actors.ledger.book_orders import REDUCE_ONLY
from actors.orders.moves import position_after
from actors.rulebooks import margin_trade
from actors.sinks import EventSink
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from tests.actors.calling import pending_list, table
from tests.actors.cross.test_book import MARK, VENUE, apply, assert_sums_follow, changes, cross_book, order_row

FILL, GONE, TAKEN, TAKEOVER, CASH, MINTED, RELEASE, REDEMPTION, DELEVERAGED = range(1, 10)
LADDER_ORDER = 1 << 20 | 1 << 19


def leg(account: int, kind: int, market: int = 1, **cells: int) -> tuple[int, ...]:
    """Cells: order, lots, quote, fee, liquidation_fee, amount, reference; command 5, leg 0, class 1."""
    names = ("order", "lots", "quote", "fee", "liquidation_fee", "amount", "reference")
    assert set(cells) <= set(names)
    return (1, 5, market, 0, VENUE, account, kind, *(cells.get(name, 0) for name in names))


def settled(book: CrossBook, *legs: tuple[int, ...], ladder_round: int = 0) -> tuple[list[Any], list[tuple[int, int]]]:
    """(keys and events, (kind, amount) of the dues)."""
    dues, sink = RowGatherer(batches.CrossDues), EventSink()
    settle_cross_legs(book, table(batches.CrossLegs, *legs), dues, sink, ladder_round)
    owed = dues.message()
    return told(sink), list(zip(owed.kind, owed.amount_atoms, strict=True))


def told(sink: EventSink) -> list[Any]:
    message = sink.message()
    keys = zip(message.phase, message.a, message.b, message.c, strict=True)
    return [(key, events.Event.FromString(body)) for key, body in zip(keys, pending_list(message), strict=True)]


def total(book: CrossBook) -> int:
    """cash + held + pending - cost over the venue."""
    return sum(book.sums()[1:5])


def test_a_fill_moves_the_position_the_order_and_the_fees() -> None:
    book = cross_book()
    book.add_order(7, order_row(limit=103, size=10))
    before = total(book)
    told_events, dues = settled(
        book,
        leg(1, FILL, order=7, lots=4, quote=408, fee=3),
        leg(1, FILL, order=7, lots=2, quote=206, fee=2),
        leg(2, FILL, order=0, lots=-6, quote=-614, fee=1, liquidation_fee=5),
        ladder_round=1,
    )
    assert book.positions.read(1, 1)[2:5] == (6, 614, 0)
    assert book.orders.read(7).remaining == 4
    assert book.accounts.free(1) == 10_000 - 5
    assert book.positions.read(2, 1)[2:5] == (-6, -614, 0)
    assert dues == [(batches.CROSS_DUE_KIND_TRADING_FEES, 6), (batches.CROSS_DUE_KIND_LIQUIDATION_FEES, 5)]
    assert total(book) == before - 11
    (first_key, first), (second_key, second) = told_events
    assert first_key == (7, 1, (1 << 53) + 1, 1)
    assert second_key == (7, 1, (1 << 53) + 2, 1)
    body = first.position_updated
    assert (body.lots, body.cost_atoms, body.realised_atoms, body.fee_atoms, body.cash_atoms) == (6, 614, 0, 5, 9_995)
    assert second.position_updated.liquidation_fee_atoms == 5
    assert_sums_follow(book)


def test_outside_the_ladder_positions_are_told_after_every_class() -> None:
    book = cross_book()
    book.add_order(7, order_row())
    ((key, event),), _ = settled(book, leg(1, FILL, order=7, lots=10, quote=1_000))
    assert key == (4, VENUE << 8 | 15, 1, 1)
    assert (event.venue, event.market, event.account) == (VENUE, 1, 1)
    assert 7 not in book.orders


def test_a_closing_fill_realises_by_floor_and_a_turning_one_opens_the_rest() -> None:
    book = cross_book()
    book.positions.move(1, 1, 3, 301)
    settled(book, leg(1, FILL, order=0, lots=-1, quote=-110), ladder_round=1)
    # floor(301 / 3) is released.
    assert book.positions.read(1, 1)[2:4] == (2, 201)
    assert book.accounts.free(1) == 10_010
    settled(book, leg(1, FILL, order=0, lots=-5, quote=-500), ladder_round=1)
    assert book.positions.read(1, 1)[2:4] == (-3, -300)
    assert book.accounts.free(1) == 10_010 + 200 - 201


def test_an_order_that_is_gone_takes_its_hold_with_it() -> None:
    book = cross_book()
    book.add_order(7, order_row())
    assert settled(book, leg(1, GONE, order=7)) == ([], [])
    assert not book.positions.has(1, 1)
    with pytest.raises(AssertionError, match="of a later block"):
        settled(book, leg(1, GONE, order=book.height + 1 << 20))


def test_an_order_amended_below_what_the_book_filled_meanwhile_is_used_up() -> None:
    """The shard took 5 lots off at once; the book had filled 9 of 12 by then, and said the rest is gone."""
    book = cross_book()
    book.add_order(7, order_row(limit=103, size=12))
    book.change_order(7, size=7, remaining=7)
    fills = (leg(1, FILL, order=7, lots=lots, quote=lots * 103) for lots in (4, 4, 1))
    settled(book, *fills, leg(1, GONE, order=7))
    assert 7 not in book.orders
    assert book.positions.read(1, 1)[2:5] == (9, 927, 0)
    assert_sums_follow(book)


def test_a_ladder_order_that_was_not_filled_whole_marks_its_market_as_tried() -> None:
    book = cross_book()
    book.height = 9
    book.positions.move(1, 1, 10, 1_000)
    settled(book, leg(1, GONE, order=0))
    assert book.positions.get(1, 1, "tried_height") == 0
    settled(book, leg(1, GONE, order=LADDER_ORDER), ladder_round=2)
    assert book.positions.get(1, 1, "tried_height") == 9


@pytest.mark.parametrize(("order", "after"), [(0, PARTIAL_FILLED), (7, PARTIAL_SENT)])
def test_only_a_fill_of_the_ladder_s_order_makes_a_partial_count(order: int, after: int) -> None:
    book = cross_book()
    book.add_order(7, order_row(side=-1, flags=REDUCE_ONLY))
    book.ladder.insert(1, 1, 0, 0, 0, 0, 0, PARTIAL_SENT, 0)
    book.positions.move(1, 1, 10, 1_000)
    settled(book, leg(1, FILL, order=order, lots=-1, quote=-100), ladder_round=1)
    assert book.ladder.get(1, "partial_pending") == after


def test_a_takeover_moves_everything_and_conserves() -> None:
    book = cross_book()
    book.positions.move(1, 1, 10, 1_200)
    book.positions.move(1, 2, -5, -900)
    book.accounts.post(1, free=-9_900)
    before = total(book)
    equity = book.health(1).equity
    assert equity == 100 - 200 - 100
    keyed, dues = settled(
        book,
        leg(1, TAKEN, market=0),
        leg(VAULT, TAKEOVER, 1, lots=10, quote=1_000),
        leg(VAULT, TAKEOVER, 2, lots=-5, quote=-1_000),
        leg(VAULT, CASH, 0, amount=equity),
        ladder_round=1,
    )
    assert dues == []
    assert total(book) == before
    assert book.accounts.free(1) == 0
    assert book.positions.of_account(1) == []
    assert book.accounts.free(VAULT) == equity
    assert [book.positions.read(VAULT, market)[2:4] for market in (1, 2)] == [(10, 1_000), (-5, -1_000)]
    realised = {(event.account, event.market): event.position_updated.realised_atoms for _, event in keyed}
    assert realised == {(1, 1): -200, (1, 2): -100, (VAULT, 1): 0, (VAULT, 2): 0}
    assert {event.position_updated.cash_atoms for _, event in keyed if event.account == 1} == {0}


def test_deleveraging_closes_at_its_quote_without_a_fee() -> None:
    book = cross_book()
    book.positions.move(1, 1, -7, -770)
    _, dues = settled(book, leg(1, DELEVERAGED, lots=3, quote=331), ladder_round=1)
    # floor(-770 * 3 / 7) = -330 is released: received -331, realised -1.
    assert book.positions.read(1, 1)[2:4] == (-4, -440)
    assert (book.accounts.free(1), dues) == (9_999, [])


def test_cash_of_lp_moves_and_what_of_it_is_told() -> None:
    book = cross_book()
    book.accounts.hold(1, 600)
    keyed, _ = settled(
        book,
        leg(1, MINTED, 0, amount=400),
        leg(1, RELEASE, 0, amount=200, reference=11),
        leg(1, REDEMPTION, 0, amount=50, reference=12),
        leg(VAULT, CASH, 0, amount=350),
    )
    assert book.accounts.table.row(1)[2:4] == (10_000 - 600 + 200 + 50, 0)
    assert book.accounts.free(VAULT) == 350
    bodies = [(key, event.credited.kind, event.credited.amount_atoms, event.credited.reference) for key, event in keyed]
    key = (4, VENUE << 8 | 1, 5, 0)
    assert bodies == [(key, events.LEG_KIND_RELEASE, 200, 11), (key, events.LEG_KIND_REDEMPTION, 50, 12)]


numbers = st.integers(-50, 50)


@given(numbers, st.integers(-9_000, 9_000), numbers.filter(bool), st.integers(1, 200), st.integers(1, 5))
def test_a_move_is_the_rulebook_s_fill(lots: int, cost: int, moved: int, price: int, k: int) -> None:
    cost = cost if lots else 0
    moved_quote = margin_trade.value_atoms(moved, price, k)
    after = position_after(lots, cost, moved, moved_quote)
    assert after == margin_trade.apply_fill(lots, cost, moved, price, k)
    assert after.realised_atoms - (after.cost_atoms - cost) == -moved_quote


def mark_of(market: int, ticks: int, **cells: Any) -> common.Mark:
    return common.Mark(venue=VENUE, market=market, mark_ticks=ticks, version=2, state=common.MARK_STATE_FRESH, **cells)


@settings(max_examples=80)
@given(st.lists(changes, max_size=25), st.integers(60, 140), st.sampled_from(Way))
def test_what_orders_would_lose_is_taken_anew_when_the_mark_moves(made: list, ticks: int, way: Way) -> None:
    book = cross_book()
    book.way = way
    for number, change in enumerate(made, 1):
        apply(book, number, change)
    take_marks(book, [mark_of(1, ticks), mark_of(2, MARK), common.Mark(venue=VENUE + 1, market=1, mark_ticks=7)])
    assert book.mark_ticks(1) == ticks
    assert_sums_follow(book)


def test_sums_beyond_64_bits_in_between_are_exact() -> None:
    book = cross_book()
    book.add_order(7, order_row(side=-1, limit=1, size=1 << 30))
    take_marks(book, [mark_of(1, 1 << 32)])
    assert book.positions.get(1, 1, "sell_adverse") == ((1 << 32) - 1) << 30
    book.add_order(8, order_row(account=2, side=-1, limit=(1 << 33) - 9, size=1 << 29))
    book.add_order(9, order_row(account=3, side=-1, limit=1, size=1))
    take_marks(book, [mark_of(1, 1 << 33)])
    assert [book.positions.get(account, 1, "sell_adverse") for account in (1, 2, 3)] == [
        ((1 << 33) - 1) << 30,
        9 << 29,
        (1 << 33) - 1,
    ]


def funded(book: CrossBook, *marks: common.Mark) -> tuple[list[Any], batches.FundingNets, list[int]]:
    nets, dues, sink = batches.FundingNets(), RowGatherer(batches.CrossDues), EventSink()
    take_marks(book, marks)
    fund(book, nets, dues, sink)
    owed = dues.message()
    assert set(owed.kind) <= {batches.CROSS_DUE_KIND_FUNDING}
    return told(sink), nets, list(owed.amount_atoms)


@pytest.mark.parametrize("way", Way)
def test_payers_are_rounded_up_receivers_down_and_the_odd_atoms_are_the_fund_s(way: Way) -> None:
    book = cross_book()
    book.way = way
    for account, lots in ((3, -3), (1, 7), (2, -4)):
        book.positions.move(account, 1, lots, lots * MARK)
    boundary = mark_of(1, MARK, index_ticks=101, funding_rate_e9=1_000_000, funding_boundary_ms=3_600_000)
    keyed, nets, dues = funded(book, boundary, mark_of(2, MARK))
    # 0.1% of 707, 404 and 303 atoms: 0.707 up, 0.404 and 0.303 down.
    assert [book.accounts.free(account) for account in (1, 2, 3)] == [9_999, 10_000, 10_000]
    assert (list(nets.venue), list(nets.market), list(nets.net_atoms)) == ([VENUE], [1], [1])
    assert (list(nets.rate_e9), list(nets.boundary_ms), dues) == ([1_000_000], [3_600_000], [1])
    assert [key for key, _ in keyed] == [(5, VENUE << 32 | 1, account, 0) for account in (1, 2, 3, -1)]
    paid = [event.funding_paid for _, event in keyed[:3]]
    assert [(one.position, one.payment_atoms, one.margin_held_atoms) for one in paid] == [
        (1, 1, 9_999),
        (1, 0, 10_000),
        (1, 0, 10_000),
    ]
    assert keyed[3][1].funding_applied.rate_e9 == 1_000_000
    assert book.sums()[1] == 30_000 - 1


def test_only_the_shard_of_the_vault_tells_that_funding_was_applied() -> None:
    book = cross_book(owns_vault=False)
    boundary = mark_of(1, MARK, index_ticks=101, funding_rate_e9=-5, funding_boundary_ms=1)
    keyed, nets, dues = funded(book, boundary)
    assert (keyed, list(nets.net_atoms), dues) == ([], [0], [])


@settings(max_examples=60)
@given(
    st.lists(st.integers(-(1 << 34), 1 << 34), min_size=3, max_size=3),
    st.integers(1, 1 << 27),
    st.integers(-40_000_000, 40_000_000),
)
def test_columns_fund_as_the_scalar_rulebook(lots: list[int], oracle: int, rate: int) -> None:
    books = []
    for way in (Way.BY_COLUMNS, Way.BY_ROW):
        book = cross_book()
        book.way = way
        for account, held in enumerate(lots, 1):
            book.positions.move(account, 2, held, 0)
        terms = {"index_ticks": oracle, "funding_rate_e9": rate, "funding_boundary_ms": 1}
        books.append((funded(book, mark_of(2, MARK, **terms)), book.dump(), book.sums()))
    assert books[0] == books[1]
    assert sum(books[0][0][2]) == sum(books[0][0][1].net_atoms)
