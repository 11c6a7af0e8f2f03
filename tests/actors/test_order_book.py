"""The order book: orders in, events, answers and legs out; fees, refusals with their numbers, caps, restore (MT-05)."""

from typing import Any

import pytest

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from tests.actors.book_calls import (
    BUY,
    FOK,
    IOC,
    LADDER,
    LADDER_CLASS,
    MARKET,
    MARKET_ORDER,
    POST_ONLY,
    REDUCE_ONLY,
    SELL,
    TRIGGERS,
    UNWINDING,
    VAULT_CLASS,
    VENUE,
    Book,
    K,
    amend,
    answers,
    cancel,
    legs,
    place,
    told,
)
from tests.actors.calling import pending_list
from tests.building import refused

FILL, GONE = events.CROSS_LEG_KIND_FILL, events.CROSS_LEG_KIND_GONE


def stocked(**rules: int) -> Book:
    """Asks of account 5: 10 lots at 101 (order 1), 20 at 102 (order 2); bids of account 6: 10 at 99 (order 3)."""
    book = Book(**rules)
    book.work(place(0, 5, SELL, 101, 10), place(1, 5, SELL, 102, 20), place(2, 6, BUY, 99, 10))
    return book


def done(reply: Any) -> list[tuple[int, int, str, int, int, bool]]:
    """(account, lots, reason, required, actual, was resting) of every order that left unfilled."""
    names = events.OrderDone.DESCRIPTOR.fields_by_name["refusal"].enum_type.values_by_number
    return [
        (
            *(event.account, event.order_done.remaining_lots),
            names[event.order_done.refusal].name.removeprefix("REFUSAL_"),
            *(event.order_done.required, event.order_done.actual, event.order_done.was_resting),
        )
        for event in told(reply, "order_done")
    ]


def test_an_order_that_rests_is_placed_and_answered() -> None:
    reply = Book().work(place(4, 7, BUY, 99, 10, client_order_id=77, flags=POST_ONLY))
    (event,) = told(reply, "order_placed")
    placed = event.order_placed
    assert (event.venue, event.market, event.account, placed.order, placed.client_order_id) == (VENUE, MARKET, 7, 5, 77)
    assert (placed.price_ticks, placed.size_lots, placed.remaining_lots, placed.flags) == (99, 10, 10, POST_ONLY)
    assert answers(reply) == [(4, "RESTING", 0, 0, 0, 10)]
    assert list(reply.tops.best_bid_ticks) == [99]
    assert not reply.legs.leg


def test_a_fill_is_told_maker_first_with_fees_rounded_up() -> None:
    reply = stocked().work(place(3, 7, BUY, 102, 13))
    fills = [(event.account, event.order_filled) for event in told(reply, "order_filled")]
    assert [(account, fill.lots, fill.price_ticks, fill.is_maker) for account, fill in fills] == [
        (5, 10, 101, True),
        (7, 10, 101, False),
        (5, 3, 102, True),
        (7, 3, 102, False),
    ]
    assert [fill.remaining_lots for _, fill in fills] == [0, 3, 17, 0]
    assert [fill.trade for _, fill in fills] == [1, 1, 2, 2]
    # 0.01% of 10100 and of 3060, 0.1% of them, up.
    assert [fill.fee_atoms for _, fill in fills] == [2, 11, 1, 4]
    assert {fill.parameters_version for _, fill in fills} == {7}
    assert legs(reply, FILL) == [
        (5, 1, -10, -10_100),
        (7, 4, 10, 10_100),
        (5, 2, -3, -3_060),
        (7, 4, 3, 3_060),
    ]
    assert list(reply.legs.fee_atoms) == [2, 11, 1, 4]
    assert answers(reply) == [(3, "FILLED", 13_160 // (13 * K), 13_160, 13, 0)]


def test_a_rest_of_a_taker_rests() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 13))
    assert answers(reply) == [(3, "PARTIALLY_FILLED", 101, 10_100, 10, 3)]
    (placed,) = told(reply, "order_placed")
    assert (placed.order_placed.size_lots, placed.order_placed.remaining_lots) == (13, 3)


@pytest.mark.parametrize(
    ("order", "reason", "required", "actual"),
    [
        ({"price_ticks": 101, "flags": POST_ONLY}, "POST_ONLY_WOULD_CROSS", 101, 101),
        ({"price_ticks": 100, "time_in_force": IOC}, "NOTHING_TO_MATCH", 100, 101),
        ({"price_ticks": 101, "time_in_force": FOK}, "NOT_FILLABLE", 13, 10),
        ({"price_ticks": 100, "time_in_force": IOC, "flags": MARKET_ORDER}, "NO_LIQUIDITY", 100, 101),
    ],
)
def test_mt_06_a_refusal_has_both_its_numbers_and_the_order_is_gone(
    order: dict[str, int], reason: str, required: int, actual: int
) -> None:
    reply = stocked().work({**place(3, 7, BUY, 0, 13), **order})
    assert refused(reply.outcomes) == [(3, reason, required, actual)]
    assert done(reply) == [(7, 13, reason, required, actual, False)]
    (event,) = told(reply, "command_refused")
    assert (event.account, event.command_refused.command, event.command_refused.required) == (7, 3, required)
    assert legs(reply, GONE) == [(7, 4, 0, 0)]


def test_mt_06_an_empty_side_is_named_zero() -> None:
    reply = Book().work(place(3, 7, BUY, 100, 13, time_in_force=IOC))
    assert refused(reply.outcomes) == [(3, "NOTHING_TO_MATCH", 100, 0)]


def test_what_an_ioc_did_not_fill_is_gone_and_the_answer_says_why() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 13, time_in_force=IOC))
    assert answers(reply) == [(3, "PARTIALLY_FILLED", 101, 10_100, 10, 0)]
    assert list(reply.outcomes.required) == [101]
    assert list(reply.outcomes.actual) == [102]
    assert done(reply) == [(7, 3, "NOTHING_TO_MATCH", 101, 102, False)]


def test_mt_06_the_open_interest_cap_names_what_it_would_be() -> None:
    reply = stocked(open_interest_cap_lots=1_000).work(
        place(3, 7, BUY, 102, 5), place(4, 8, BUY, 102, 9), open_interest_lots=993
    )
    assert answers(reply)[0] == (3, "FILLED", 101, 5_050, 5, 0)
    assert done(reply) == [(8, 7, "OPEN_INTEREST_CAP", 1_000, 1_007, False)]
    assert answers(reply)[1][:2] == (4, "PARTIALLY_FILLED")
    reply = stocked(open_interest_cap_lots=5).work(place(3, 7, BUY, 102, 5), open_interest_lots=6)
    assert refused(reply.outcomes) == [(3, "OPEN_INTEREST_CAP", 5, 11)]


@pytest.mark.parametrize(
    ("mode", "expected", "answer"),
    [
        (1, [(5, 10, "SELF_TRADE", 0, 4, True), (5, 20, "SELF_TRADE", 0, 4, True)], "RESTING"),
        (2, [(5, 3, "SELF_TRADE", 0, 1, False)], "EXPIRED"),
        (3, [(5, 10, "SELF_TRADE", 0, 4, True), (5, 3, "SELF_TRADE", 0, 1, False)], "EXPIRED"),
    ],
)
def test_mt_05_self_trades_expire_and_name_the_other_order(mode: int, expected: list[Any], answer: str) -> None:
    reply = stocked().work(place(3, 5, BUY, 102, 3, self_trade=mode))
    assert done(reply) == expected
    assert answers(reply)[0][1] == answer
    assert [leg[1] for leg in legs(reply, GONE)] == [4 if row[5] is False else row[1] // 10 for row in expected]


def test_caps_a_failing_maker_is_cancelled_when_met_and_a_failing_taker_expires() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 13), place(4, 8, SELL, 99, 4), caps=[(5, 0, 1), (8, 3, 1)])
    assert done(reply) == [(5, 10, "MARGIN_CAPPED", 0, 10, True), (8, 1, "MARGIN_CAPPED", 0, 1, False)]
    assert answers(reply) == [(3, "RESTING", 0, 0, 0, 13), (4, "PARTIALLY_FILLED", 101, 3_030, 3, 0)]
    assert legs(reply, GONE) == [(5, 1, 0, 0), (8, 5, 0, 0)]


def test_caps_told_twice_fail_if_either_says_so() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 13), caps=[(7, 0, 1), (7, 0, 0)])
    assert done(reply) == [(7, 13, "MARGIN_CAPPED", 0, 13, False)]
    assert answers(reply)[0][1] == "EXPIRED"


def test_mt_05_reduce_only_never_turns_the_position() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 9, flags=REDUCE_ONLY, time_in_force=IOC), caps=[(7, -4, 0)])
    assert legs(reply, FILL)[1] == (7, 4, 4, 4_040)
    assert done(reply) == [(7, 5, "REDUCE_ONLY", 0, 5, False)]


def test_a_users_cancel_was_told_by_the_shard() -> None:
    book = stocked()
    reply = book.work(cancel(3, 1, 5), cancel(4, 99, 5))
    assert not pending_list(reply.events)
    assert not reply.outcomes.command
    assert not reply.legs.leg
    assert book.resting() == [(99, 10), (-102, 20)]


def test_cancels_go_first_whatever_came_first() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 5), cancel(4, 1, 5))
    assert answers(reply) == [(3, "RESTING", 0, 0, 0, 5)]


def test_mt_05_an_amend_that_shrinks_keeps_its_place() -> None:
    book = stocked()
    book.work(place(3, 8, SELL, 101, 5))
    reply = book.work(amend(4, 1, 5, 101, 6, 10), place(5, 7, BUY, 101, 7))
    (event,) = told(reply, "order_amended")
    body = event.order_amended
    assert (body.price_ticks_before, body.price_ticks) == (101, 101)
    assert (body.remaining_lots_before, body.remaining_lots, body.kept_priority) == (10, 6, True)
    assert answers(reply)[0] == (4, "RESTING", 0, 0, 0, 6)
    assert [leg[:3] for leg in legs(reply, FILL)] == [(5, 1, -6), (7, 6, 6), (8, 4, -1), (7, 6, 1)]


def test_mt_05_an_amend_that_moves_is_taken_out_and_comes_again() -> None:
    book = stocked()
    reply = book.work(amend(4, 1, 5, 99, 12, 10))
    (amended,) = told(reply, "order_amended")
    assert (amended.order_amended.price_ticks_before, amended.order_amended.kept_priority) == (101, False)
    (placed,) = told(reply, "order_placed")
    assert (placed.order_placed.price_ticks, placed.order_placed.remaining_lots) == (99, 2)
    assert answers(reply) == [(4, "PARTIALLY_FILLED", 99, 9_900, 10, 2)]
    assert book.resting() == [(-99, 2), (-102, 20)]


def test_an_amend_of_what_was_filled_on_the_way() -> None:
    reply = stocked().work(place(3, 7, BUY, 101, 10), amend(4, 1, 5, 101, 15, 10))
    assert refused(reply.outcomes) == [(4, "UNKNOWN_ORDER", 1, 1)]
    assert legs(reply, GONE) == [(5, 1, 0, 0)]
    reply = stocked().work(place(3, 7, BUY, 101, 7), amend(4, 1, 5, 101, 6, 10))
    assert done(reply) == [(5, 3, "AMEND_BELOW_FILLED", 7, 6, True)]
    assert answers(reply)[1] == (4, "EXPIRED", 0, 0, 0, 0)
    assert not legs(reply, GONE)


def test_an_amended_post_only_order_that_would_cross_expires() -> None:
    book = Book()
    book.work(place(0, 5, SELL, 101, 10), place(1, 6, BUY, 99, 10, flags=POST_ONLY))
    reply = book.work(amend(2, 2, 6, 101, 10, 10))
    assert done(reply) == [(6, 10, "POST_ONLY_WOULD_CROSS", 101, 101, False)]
    assert answers(reply) == [(2, "EXPIRED", 0, 0, 0, 0)]
    assert legs(reply, GONE) == [(6, 2, 0, 0)]


def ladder_order(sequence: int, account: int, side: int, price: int, size: int, bankruptcy: int) -> dict[str, int]:
    """An order of the ladder, numbered out of everybody's way."""
    return {
        **place(sequence, account, side, price, size, time_in_force=IOC, flags=REDUCE_ONLY | LADDER),
        **{"class": LADDER_CLASS, "order": 1 << 19 | sequence, "bankruptcy_quote_atoms": bankruptcy},
    }


@pytest.mark.parametrize(
    ("bankruptcy", "fee"),
    # The fill brings 9900: 1% is 99, and no more than what it is better than its part of the bankruptcy quote.
    [(10_000, 99), (2 * 9_900 - 100, 50), (2 * 9_900 - 99, 49), (2 * 9_900, 0), (2 * 9_901, 0)],
)
def test_mt_16a_a_ladder_order_pays_the_liquidation_fee_only(bankruptcy: int, fee: int) -> None:
    reply = stocked().work(ladder_order(3, 7, SELL, 99, 20, bankruptcy), round=2)
    maker, taker = (event.order_filled for event in told(reply, "order_filled"))
    assert (maker.fee_atoms, maker.liquidation_fee_atoms) == (1, 0)
    assert (taker.fee_atoms, taker.liquidation_fee_atoms, taker.is_liquidation) == (0, fee, True)
    assert list(reply.legs.liquidation_fee_atoms) == [0, fee, 0]
    assert done(reply) == [(7, 10, "NOTHING_TO_MATCH", 99, 0, False)]
    assert list(reply.legs.command) == [3, 3, 3]
    assert not reply.outcomes.command


def test_mt_16a_a_short_that_covers_pays_what_it_saves() -> None:
    reply = stocked().work(ladder_order(3, 7, BUY, 101, 10, -10_120), round=1)
    _, taker = (event.order_filled for event in told(reply, "order_filled"))
    assert taker.liquidation_fee_atoms == 20


def test_mt_12_a_ladder_order_never_turns_a_position_its_own_orders_have_reduced() -> None:
    book = stocked()
    book.work(place(3, 7, SELL, 100, 6))  # what account 7 wants itself, long 10
    first = ladder_order(0, 9, BUY, 100, 6, -7_000)
    reply = book.work(first, ladder_order(1, 7, SELL, 99, 10, 9_000), round=1)
    assert sum(leg[2] for leg in legs(reply, FILL) if leg[0] == 7) == -10


def test_a_round_has_its_own_keys() -> None:
    reply = stocked().work(ladder_order(3, 7, SELL, 99, 10, 0), round=2)
    keys = list(zip(reply.events.phase, reply.events.a, reply.events.b, reply.events.c, strict=True))
    assert keys == [(7, 2, (1 << 50) + (VENUE << 32 | MARKET), place) for place in range(2)]
    reply = stocked().work(place(3, 7, SELL, 99, 10))
    keys = list(zip(reply.events.phase, reply.events.a, reply.events.b, reply.events.c, strict=True))
    assert keys == [(10, VENUE << 32 | MARKET, place, 0) for place in range(2)]


def test_triggers_and_the_vaults_orders_are_told_but_not_answered() -> None:
    vault = {
        **place(-1, 0, SELL, 98, 20, time_in_force=IOC, flags=REDUCE_ONLY | UNWINDING),
        **{"class": VAULT_CLASS, "order": 500},
    }
    fired = {**place(-1, 7, BUY, 101, 4), "class": TRIGGERS, "order": 9}
    reply = stocked().work(fired, vault)
    fills = [(event.account, event.order_filled.lots) for event in told(reply, "order_filled")]
    assert fills == [(6, 5), (0, 5), (5, 4), (7, 4)]  # the vault takes half the depth (MT-14)
    assert [event.order_filled.is_unwinding for event in told(reply, "order_filled")] == [True, True, False, False]
    assert not reply.outcomes.command


def test_the_vault_without_depth_is_gone() -> None:
    vault = {
        **place(-1, 0, BUY, 100, 20, time_in_force=IOC, flags=REDUCE_ONLY | UNWINDING),
        **{"class": VAULT_CLASS, "order": 500},
    }
    reply = stocked().work(vault)
    assert done(reply) == [(0, 20, "NO_LIQUIDITY", 100, 0, False)]


def test_tops_and_views_show_depth_and_impact() -> None:
    book = stocked(impact_notional_atoms=20_000)
    reply = book.work(place(3, 6, BUY, 98, 30))
    tops = reply.tops
    assert [*tops.best_bid_ticks, *tops.best_ask_ticks, *tops.last_ticks] == [99, 101, 0]
    assert [*tops.impact_bid_ticks, *tops.impact_ask_ticks] == [98, 102]
    book.work(place(4, 8, BUY, 101, 1))
    view = book.view(1)
    assert (list(view.asks.price_ticks), list(view.asks.lots), list(view.asks.orders)) == ([101], [9], [1])
    assert (view.last_ticks, view.trades, view.height) == (101, 1, 3)
    assert (view.impact_bid_ticks, view.impact_ask_ticks) == (98, 102)


def test_a_restored_book_is_the_same_bytes_and_goes_on_alike() -> None:
    book = stocked()
    book.work(place(3, 7, BUY, 101, 4), place(4, 8, SELL, 101, 5), cancel(5, 2, 5))
    cut = book.actor.snapshot()
    twin = Book()
    twin.actor.restore([cut])
    twin.height = book.height
    assert twin.actor.snapshot() == cut
    assert twin.actor.digest() == book.actor.digest()
    replies = [one.work(place(6, 9, BUY, 103, 30), place(7, 9, BUY, 97, 3)) for one in (book, twin)]
    assert replies[0] == replies[1]
    assert book.actor.snapshot() == twin.actor.snapshot()


def test_an_empty_call_changes_nothing_but_shows_the_tops() -> None:
    book = stocked()
    before = book.actor.digest()
    reply = book.work(caps=[(5, 0, 1)])
    assert reply.digest == before
    assert list(reply.tops.best_ask_ticks) == [101]
    assert reply.legs == batches.CrossLegs()
