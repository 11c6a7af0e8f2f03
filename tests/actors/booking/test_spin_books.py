"""The order book of a Spin market: fees of both signs, told and posted alike; neither ladder nor vault (SP-10)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.booking.terms import book_terms
from actors.columns import matrix
from actors.matching import words as w
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from tests.actors.book_calls import (
    BUY,
    MARKET,
    SELL,
    VENUE,
    Book,
    K,
    SpinBook,
    answers,
    legs,
    market,
    place,
    spin_market,
    told,
)
from tests.actors.booking.flow import CAP_LOTS, Flow, kernel_row
from tests.actors.booking.naive_telling import NaiveTelling
from tests.actors.calling import pending_list
from tests.actors.matching.naive import NaiveBook
from tests.building import refused

FILL = events.CROSS_LEG_KIND_FILL
E9 = 10**9


def fees(reply: Any) -> list[tuple[int, int]]:
    """(account, fee) of the legs of fills, in their order."""
    rows = zip(reply.legs.kind, reply.legs.account, reply.legs.fee_atoms, strict=True)
    return [(account, fee) for kind, account, fee in rows if kind == FILL]


def told_fees(reply: Any) -> list[tuple[int, int]]:
    """(account, fee) of the events of fills, in their order."""
    return [(event.account, event.order_filled.fee_atoms) for event in told(reply, "order_filled")]


def test_terms_are_read_from_the_market_s_own_rulebook() -> None:
    spin = book_terms(spin_market(open_interest_cap_lots=9))
    assert spin.market == (VENUE, MARKET, K, -400_000, 800_000, 0, 7, 9)
    assert (spin.unwind_depth_ppm, spin.impact_notional_atoms) == (0, 0)
    margin_trade = book_terms(market())
    assert margin_trade.market == (VENUE, MARKET, K, 100_000, 1_000_000, 10_000_000, 7, 1_000_000)
    assert (margin_trade.unwind_depth_ppm, margin_trade.impact_notional_atoms) == (500_000, 1_000)


def test_a_market_without_a_cap_has_none_and_one_not_told_of_charges_nothing() -> None:
    assert book_terms(spin_market()).market.open_interest_cap_lots == w.NO_OPEN_INTEREST_CAP
    empty = book_terms(parameters.MarketParameters(venue=VENUE, market=MARKET))
    assert empty.market == (VENUE, MARKET, 0, 0, 0, 0, 0, w.NO_OPEN_INTEREST_CAP)


def test_sp_10_a_maker_receives_its_rebate_rounded_down_and_a_taker_pays_rounded_up() -> None:
    book = SpinBook()
    book.work(place(0, 5, SELL, 101, 10), place(1, 5, SELL, 102, 20))
    reply = book.work(place(2, 7, BUY, 102, 13))
    # 0.04% of 10100 and of 3060 is 4.04 and 1.224, down; 0.08% is 8.08 and 2.448, up.
    assert fees(reply) == told_fees(reply) == [(5, -4), (7, 9), (5, -1), (7, 3)]
    assert not any(reply.legs.liquidation_fee_atoms)
    assert answers(reply) == [(2, "FILLED", 101, 13_160, 13, 0)]


@pytest.mark.parametrize(("lots", "fee"), [(249, 0), (250, -1), (499, -1), (500, -2)])
def test_sp_10_a_rebate_of_less_than_an_atom_is_none(lots: int, fee: int) -> None:
    book = SpinBook()
    book.work(place(0, 5, SELL, 1, lots))
    reply = book.work(place(1, 7, BUY, 1, lots))
    assert fees(reply)[0] == (5, fee)


@pytest.mark.parametrize("maker_is_buyer", [False, True])
def test_a_rebate_does_not_depend_on_the_maker_s_side(maker_is_buyer: bool) -> None:
    sides = (BUY, SELL) if maker_is_buyer else (SELL, BUY)
    book = SpinBook()
    book.work(place(0, 5, sides[0], 100, 9))
    reply = book.work(place(1, 7, sides[1], 100, 9))
    assert fees(reply) == [(5, -3), (7, 8)]
    assert legs(reply, FILL) == [(5, 1, sides[0] * 9, sides[0] * 9_000), (7, 2, sides[1] * 9, sides[1] * 9_000)]


@settings(max_examples=60)
@given(
    lots=st.integers(1, 1 << 36),
    price=st.integers(1, 1 << 20),
    maker=st.integers(-2_000_000, 2_000_000),
    more=st.integers(0, 3_000_000),
)
def test_sp_10_rounding_never_favours_a_user_and_the_venue_never_loses_by_a_trade(
    lots: int, price: int, maker: int, more: int
) -> None:
    """As long as the taker's rate is no less than the rebate, the fees of a trade together are not below zero."""
    taker = max(0, -maker) + more
    book = SpinBook(maker_fee_e9=maker, taker_fee_e9=taker)
    book.work(place(0, 5, SELL, price, lots))
    ((_, paid_by_maker), (_, paid_by_taker)) = fees(book.work(place(1, 7, BUY, price, lots)))
    quote = lots * price * K
    assert 0 <= paid_by_maker * E9 - quote * maker < E9
    assert 0 <= paid_by_taker * E9 - quote * taker < E9
    assert paid_by_maker + paid_by_taker >= 0


@pytest.mark.parametrize("seed", range(12))
def test_the_telling_of_a_spin_market_equals_its_naive_twin(seed: int) -> None:
    flow, naive, trades = Flow(seed, desks=False), NaiveBook(), 0
    book = SpinBook(open_interest_cap_lots=CAP_LOTS, maker_fee_e9=-700_000 * (seed % 3))
    for _ in range(6):
        ops, caps, interest = flow.block(50), flow.caps(), flow.draw.choice((0, CAP_LOTS - 60))
        worked = sorted(ops, key=lambda op: (op["class"], op["command"], op["order"]))
        rows = naive.match([kernel_row(op) for op in worked], caps, w.Limits(interest, CAP_LOTS))
        telling = NaiveTelling(book.market, worked, interest, trades)
        telling.tell(rows)
        reply = book.work(*ops, caps=[(a, *cap) for a, cap in caps.items()], open_interest_lots=interest)
        assert pending_list(reply.events) == telling.events
        assert matrix(reply.legs).T.tolist() == [list(leg) for leg in telling.legs]
        assert matrix(reply.outcomes).T.tolist() == [list(row) for row in telling.outcomes]
        assert fees(reply) == told_fees(reply)
        trades = telling.trades
    assert trades > 0


def test_a_spin_book_has_no_impact_prices_and_no_part_of_the_depth_for_a_vault() -> None:
    rows = [place(0, 5, SELL, 101, 500), place(1, 6, BUY, 99, 500)]
    spin, margin_trade = SpinBook().work(*rows).tops, Book().work(*rows).tops
    assert (list(spin.best_bid_ticks), list(spin.best_ask_ticks)) == ([99], [101])
    assert (list(spin.impact_bid_ticks), list(spin.impact_ask_ticks)) == ([0], [0])
    assert (list(margin_trade.impact_bid_ticks), list(margin_trade.impact_ask_ticks)) == ([99], [101])


def test_a_spin_market_s_cap_on_open_interest_is_its_own() -> None:
    book = SpinBook(open_interest_cap_lots=5)
    book.work(place(0, 5, SELL, 101, 10))
    reply = book.work(place(1, 7, BUY, 101, 5), open_interest_lots=6)
    assert refused(reply.outcomes) == [(1, "OPEN_INTEREST_CAP", 5, 11)]


def test_new_fees_count_from_the_call_that_brings_them_and_a_restored_book_knows_them() -> None:
    book = SpinBook()
    book.work(place(0, 5, SELL, 100, 30))
    assert fees(book.work(place(1, 7, BUY, 100, 10))) == [(5, -4), (7, 8)]
    book.market.spin.maker_fee_e9, book.market.version = -1_000_000, 8
    reply = book.work(place(2, 7, BUY, 100, 10))
    assert fees(reply) == [(5, -10), (7, 8)]
    assert {event.order_filled.parameters_version for event in told(reply, "order_filled")} == {8}
    twin = SpinBook()
    twin.actor.restore([book.actor.snapshot()])
    twin.height, twin.market = book.height, parameters.MarketParameters()
    assert twin.actor.digest() == book.actor.digest()
    assert fees(twin.work(place(3, 7, BUY, 100, 10))) == [(5, -10), (7, 8)]
