"""Orders and amends against the margin ratio; SP-03, SP-04. A lot needs 100,000 atoms and its taker fee is 800."""

import pytest

from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.ratio.venue import (
    BUY,
    CASH,
    CERTAIN,
    DROP,
    LOT,
    MARK,
    MARKET,
    NEEDED,
    REDUCE_ONLY,
    SELL,
    STOP,
    VENUE,
    Done,
    Venue,
    fill,
    number_of,
    order,
)

ADMIT = batches.SHARD_PHASE_ADMIT
PLACE, AMEND = batches.ORDER_OP_KIND_PLACE, batches.ORDER_OP_KIND_AMEND
RATIO = refusals.REFUSAL_MARGIN_RATIO


def enters(venue: Venue, *orders: tuple[int, ...], **listed: object) -> Done:
    return venue.stage(ADMIT, orders=orders, **listed)


@pytest.mark.parametrize(
    ("row", "needed", "lost"),
    [
        # Side, size, limit or none of a market order; collateral, and what a fill at the worst price costs.
        ((BUY, 10, MARK), 1_000_000, 8_000),
        ((BUY, 10, 9_900), 990_000, 7_920),
        ((BUY, 10, 10_100), 1_010_000, 100_000 + 8_080),
        ((SELL, 10, 10_100), 1_010_000, 8_080),
        ((SELL, 10, 9_900), 1_000_000, 100_000 + 7_920),
        ((BUY, 10, 0), 1_050_000, 500_000 + 8_400),
        ((SELL, 10, 0), 1_000_000, 500_000 + 7_600),
    ],
)
@pytest.mark.parametrize("way", Way)
def test_sp04_the_ratio_may_be_exactly_one_with_the_order(
    row: tuple[int, int, int], needed: int, lost: int, way: Way
) -> None:
    side, size, limit = row
    for cash, is_taken in ((needed + lost, True), (needed + lost - 1, False)):
        venue = Venue(way, cash_atoms=cash)
        kind = {} if limit else {"kind": MARKET}
        done = enters(venue, order(0, 1, side, size, limit, **kind))
        if is_taken:
            assert done.answers == {}
            assert [op[2] for op in done.rows("staged_order_ops")] == [number_of(1, 0)]
        else:
            assert done.answers[0].why == (RATIO, needed, needed - 1)
            assert done.rows("staged_order_ops") == []


def test_sp03_both_sides_and_all_markets_count() -> None:
    venue = Venue(cash_atoms=3_000_000 + 3 * 8_000)
    done = enters(
        venue, order(0, 1, BUY, 10), order(1, 1, SELL, 10), order(2, 1, BUY, 10, market=2), order(3, 1, BUY, 1)
    )
    assert {command: answer.why for command, answer in done.answers.items()} == {3: (RATIO, 3_100_000, 2_999_200)}
    assert venue.book.health(1).orders_e9 == 3_000_000 * 10**9


def test_what_orders_of_the_block_may_lose_is_gone_for_the_next() -> None:
    venue = Venue(cash_atoms=2_300_000)
    first, second = order(0, 1, BUY, 10, 10_100), order(1, 1, BUY, 10, 10_100)
    done = enters(venue, first, second)
    # 2,020,000 needed; 2,300,000 less twice 108,080.
    assert done.answers == {}
    third = enters(venue, order(2, 1, BUY, 1, 10_100))
    assert third.answers[2].why == (RATIO, 2_121_000, 2_300_000 - 216_160 - 10_808)


def test_sp04_an_order_that_increases_nothing_is_taken_at_any_ratio() -> None:
    venue = Venue(cash_atoms=500_000)
    venue.settle(fill(1, 10), fill(2, -10))
    assert not venue.book.health(1).is_open
    done = enters(venue, order(0, 1, SELL, 6), order(1, 1, SELL, 4), order(2, 1, SELL, 1), order(3, 1, BUY, 1))
    # With the tenth lot all are reducing; the next would open.
    assert {command: answer.why for command, answer in done.answers.items()} == {
        2: (RATIO, 1_100_000, 500_000 - 8_000 - 800),
        3: (RATIO, 1_100_000, 500_000 - 8_000 - 800),
    }


def test_a_better_price_does_not_open_by_pushing_others_back() -> None:
    venue = Venue(cash_atoms=1_000_000)
    venue.settle(fill(1, 10), fill(2, -10))
    done = enters(venue, order(0, 1, SELL, 10, 10_050), order(1, 1, SELL, 10, 10_040))
    # The first would be increasing then: 1,005,000 more.
    assert done.answers[1].why == (RATIO, 2_005_000, 1_000_000 - 8_040 - 8_032)


def test_reduce_only_orders_stand_outside_the_count() -> None:
    venue = Venue(cash_atoms=500_000)
    venue.settle(fill(1, 10), fill(2, -10))
    kept = order(0, 1, SELL, 10, 10_050, flags=REDUCE_ONLY)
    done = enters(venue, kept, order(1, 1, SELL, 10, 10_040), order(2, 1, SELL, 11, flags=REDUCE_ONLY))
    assert done.answers[2].why == (refusals.REFUSAL_REDUCE_ONLY, 10, 11)
    assert set(done.answers) == {2}
    assert venue.book.health(1).orders_e9 == 0
    assert done.rows("staged_caps") == [(VENUE, 1, 1, 10, 1)]


def test_a_reducing_order_is_drawn_in_to_what_equity_bears() -> None:
    venue = Venue(cash_atoms=500_000)
    venue.settle(fill(1, 10), fill(2, -10))
    done = enters(venue, order(0, 1, SELL, 10, 9_000))
    # 492,000 after the fee of 8,000: 492 ticks a lot.
    (op,) = done.rows("staged_order_ops")
    assert op[8] == MARK - 492
    assert venue.book.orders.read(number_of(2, 0)).limit == MARK - 492
    # The next finds nothing left and goes at the mark.
    done = enters(venue, order(1, 1, SELL, 5, 9_000, flags=REDUCE_ONLY))
    assert [row[8] for row in done.rows("staged_order_ops")] == [MARK]


def test_what_was_drawn_in_counts_in_later_blocks() -> None:
    venue = Venue(cash_atoms=500_000)
    venue.settle(fill(1, 10), fill(2, -10))
    enters(venue, order(0, 1, SELL, 5, 9_020))
    venue.settle()
    done = enters(venue, order(0, 1, SELL, 5, 9_000))
    # 490,000 and a fee of 3,608 are spoken for; 6,392 less a fee of 4,000 are 4 ticks.
    assert [row[8] for row in done.rows("staged_order_ops")] == [MARK - 4]


def test_no_position_grows_beyond_the_largest() -> None:
    venue = Venue(max_position_lots=30)
    venue.settle(fill(1, 10), fill(2, -10))
    done = enters(
        venue,
        order(0, 1, BUY, 15),
        order(1, 1, BUY, 6),
        order(2, 1, SELL, 41),
        order(3, 1, SELL, 40),
        order(4, 1, BUY, 5),
    )
    assert {command: answer.why for command, answer in done.answers.items()} == {
        1: (refusals.REFUSAL_POSITION_CAP, 30, 31),
        2: (refusals.REFUSAL_POSITION_CAP, 30, 31),
    }


def test_shared_refusals_come_first() -> None:
    venue = Venue(min_notional_atoms=2 * LOT, price_band_ppm=100_000)
    venue.mark(MARK, market=2, state=common.MARK_STATE_HALTED)
    venue.call(CERTAIN, freezes=[(0, VENUE, 2, 1)])
    done = enters(
        venue,
        order(0, 2, BUY, 10),
        order(1, 1, BUY, 10, market=2),
        order(2, 1, BUY, 1),
        order(3, 1, BUY, 10, 8_999),
        order(4, 1, BUY, 10, client=7),
        order(5, 1, BUY, 10, client=7),
        order(6, 1, SELL, 10, flags=REDUCE_ONLY),
    )
    assert {command: answer.why for command, answer in done.answers.items()} == {
        0: (refusals.REFUSAL_ACCOUNT_FROZEN, 0, 2),
        1: (refusals.REFUSAL_MARKET_HALTED, 0, 7),
        2: (refusals.REFUSAL_MIN_NOTIONAL, 2 * LOT, LOT),
        3: (refusals.REFUSAL_TOO_FAR_FROM_ORACLE, 9_000, 8_999),
        5: (refusals.REFUSAL_CLIENT_ORDER_ID_USED, 0, number_of(2, 4)),
        6: (refusals.REFUSAL_REDUCE_ONLY, 0, 10),
    }


def test_a_market_order_counts_at_the_mark_until_it_is_gone() -> None:
    venue = Venue()
    enters(venue, order(0, 1, BUY, 10, 0, kind=MARKET))
    row = venue.book.positions.read(1, 1)
    assert (row.buy_lots, row.buy_value) == (10, 10 * LOT)
    venue.mark(9_000)
    venue.settle(fill(1, 4, order=number_of(1, 0)), fill(2, -4), (1, 1, 1, 0, VENUE, 1, 2, number_of(1, 0), *[0] * 6))
    assert venue.book.positions.read(1, 1)[5:12] == (0,) * 7


def test_triggers_wait_without_collateral_and_are_asked_when_they_fire() -> None:
    venue = Venue(cash_atoms=1_000_000)
    stop = order(0, 1, BUY, 20, 10_200, trigger=STOP, trigger_ticks=10_100)
    done = enters(venue, stop)
    assert done.answers[0].status == common.OUTCOME_STATUS_ARMED
    assert venue.book.health(1).orders_e9 == 0
    venue.mark(10_100)
    venue.settle()
    done = enters(venue)
    assert [event.WhichOneof("body") for _, event in done.events] == ["order_triggered", "order_done"]
    (body,) = done.bodies("order_done")
    # 2,040,000 needed; 200,000 above the mark and a fee of 16,320 come off.
    assert (body.refusal, body.required, body.actual) == (RATIO, 2_040_000, 783_680)


@pytest.mark.parametrize("way", Way)
def test_amends_are_asked_for_what_they_add(way: Way) -> None:
    venue = Venue(way, cash_atoms=2_000_000 + 16_000)
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, BUY, 10, 9_900)])
    venue.settle()
    number = number_of(2, 0)
    done = venue.stage(
        ADMIT,
        amends=[
            (0, VENUE, 1, number, 0, 20, MARK),
            (1, VENUE, 1, number, 0, 21, MARK),
            (2, VENUE, 1, number, 0, 0, MARK),
            (3, VENUE, 2, number, 0, 5, MARK),
        ],
    )
    assert {command: answer.why for command, answer in done.answers.items()} == {
        1: (RATIO, 2_100_000, 2_016_000 - 16_800),
        2: (refusals.REFUSAL_AMEND_BELOW_FILLED, 0, 0),
        3: (refusals.REFUSAL_UNKNOWN_ORDER, 1, number),
    }
    assert venue.book.health(1).orders_e9 == 2_000_000 * 10**9
    (op,) = done.rows("staged_order_ops")
    assert (op[6], op[8], op[9], op[10]) == (AMEND, MARK, 20, 10)
    # Below 1 it may be made smaller, and no larger.
    venue.settle()
    venue.book.accounts.post(1, free=-1_000_000)
    done = venue.stage(ADMIT, amends=[(0, VENUE, 1, number, 0, 19, 0), (1, VENUE, 1, number, 0, 20, 0)])
    assert done.answers[1].why == (RATIO, 2_000_000, 1_000_000)
    assert set(done.answers) == {1}


def test_a_roll_back_leaves_nothing() -> None:
    venue = Venue()
    venue.settle(fill(1, 10), fill(2, -10))
    venue.call((*CERTAIN, ADMIT), orders=[order(0, 1, BUY, 10, 9_900), order(1, 1, SELL, 4, 10_100)])
    venue.settle()
    before = venue.state()
    venue.stage(
        batches.SHARD_PHASE_PAY_OUT,
        batches.SHARD_PHASE_RESERVE,
        ADMIT,
        withdrawals=[(0, VENUE, 1, 5)],
        transfers=[(1, VENUE, 1, 2, 5)],
        takeovers=[(2, VENUE, 3, 1, 1, 5)],
        orders=[order(3, 1, SELL, 20), order(4, 4, BUY, 5, flags=0, client=3)],
        amends=[(5, VENUE, 1, number_of(3, 0), 0, 5, 9_000)],
    )
    assert venue.state() != before
    assert venue.stage(DROP).rows("standings") == []
    assert venue.state() == before
    # A shard that staged nothing is told to drop as well: what its legs changed stands.
    done = venue.call((*CERTAIN, DROP), [fill(1, 1), fill(2, -1)])
    assert [row[1:3] for row in done.rows("standings")] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert venue.cash(1) == CASH
    assert venue.book.health(1).orders_e9 == 10 * NEEDED * 99 // 100 * 10**9
