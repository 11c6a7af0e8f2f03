"""What the shard does when the coordinator orders: each rung with its numbers, and nothing for who recovered."""

import pytest

from actors.cross.book import VAULT, CrossBook
from actors.cross.ladder_rows import LadderRow, write_rows
from actors.cross.settle import LADDER_NUMBER, PARTIAL_SENT
from actors.ledger.book_orders import LADDER_ORDER, REDUCE_ONLY, BookOrder
from actors.risk.ladder import Action
from actors.ways import Way
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.cross.laddering import (
    COOLDOWN_MS,
    HALTED,
    HEIGHT,
    LOT,
    MARK,
    MM,
    NOW_MS,
    VENUE,
    ladder_book,
    ordered,
    place,
    read_row,
    reported,
    set_mark,
    settled,
)

REDUCE, TAKEOVER, DELEVERAGE, WRITE_OFF = (
    Action.REDUCE_INTO_BOOK,
    Action.TAKEOVER_BY_VAULT,
    Action.DELEVERAGE,
    Action.WRITE_OFF,
)
FILL, GONE, DELEVERAGED = (
    events.CROSS_LEG_KIND_FILL,
    events.CROSS_LEG_KIND_GONE,
    events.CROSS_LEG_KIND_DELEVERAGED,
)
STOP = common.TRIGGER_KIND_STOP


@pytest.fixture(params=Way)
def book(request: pytest.FixtureRequest) -> CrossBook:
    return ladder_book(way=request.param)


def ladder_number(sequence: int, ladder_round: int = 1) -> int:
    return HEIGHT << 20 | LADDER_NUMBER | ladder_round << 16 | sequence


def order_row(account: int, market: int, side: int, size: int = 5, flags: int = 0, trigger: int = 0) -> BookOrder:
    return BookOrder(account, market, side, MARK, size, size, 1, flags, 1, 0, trigger, MARK if trigger else 0)


def rest(book: CrossBook, *orders: BookOrder) -> None:
    for number, row in enumerate(orders, 1):
        book.add_order(number, row)


def test_mt12_a_small_position_is_sent_whole_at_its_bankruptcy_price(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=30)
    told = ordered(book, (1, REDUCE))
    # 700,000 atoms over 30 lots of 100 atoms a tick: 233.3 ticks below the mark, rounded up for a sale.
    (op,) = told.rows["ops"]
    flags = REDUCE_ONLY | LADDER_ORDER
    quote = 30 * LOT - 700_000
    placed = (batches.ORDER_OP_KIND_PLACE, -1, 9_767, 30, 0, common.TIME_IN_FORCE_IOC, flags, 1, 0, quote)
    assert op == (2, 0, ladder_number(0), VENUE, 1, 1, *placed)
    ((key, event),) = told.events
    assert key == (7, 1, 0, 0)
    assert (event.venue, event.market, event.account) == (VENUE, 1, 1)
    body = event.liquidation_ordered
    assert (body.order, body.equity_atoms, body.maintenance_atoms) == (ladder_number(0), 700_000, 750_000)
    assert (body.position_lots, body.lots, body.limit_ticks, body.bankruptcy_quote_atoms) == (30, 30, 9_767, quote)
    assert (body.is_partial, body.cooldown_until_ms, body.round, body.cancelled_orders) == (False, 0, 1, 0)
    assert (body.mark.mark_ticks, body.mark.version, body.mark.age_ms) == (MARK, 4, 9)
    assert read_row(book, 1) == LadderRow(1, acted_height=HEIGHT, acted_rung=1)
    assert book.rung_acted(1) == 1


def test_a_short_buys_at_a_limit_rounded_down(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=-30)
    told = ordered(book, (1, REDUCE), ladder_round=3)
    (op,) = told.rows["ops"]
    assert op[2] == ladder_number(0, 3)
    assert op[7:10] == (1, 10_233, 30)
    assert op[15] == -30 * LOT - 700_000


def test_mt12_the_largest_requirement_goes_first_and_of_equals_the_lowest_market(book: CrossBook) -> None:
    place(book, 1, 1_000_000, m1=10, m2=-20, m3=20)
    told = ordered(book, (1, REDUCE))
    (op,) = told.rows["ops"]
    assert (op[4], op[9]) == (2, 20)
    # Shares by cumulative floor: 200,000, 400,000, 400,000; 400,000 over 2,000 atoms a tick are 200 ticks.
    assert op[8] == 10_200
    assert told.events[0][1].liquidation_ordered.bankruptcy_quote_atoms == -20 * LOT - 400_000


def test_mt12_markets_tried_or_not_usable_are_left_out(book: CrossBook) -> None:
    place(book, 1, 1_000_000, m1=10, m2=30, m3=12)
    set_mark(book, 2, state=HALTED)
    write_rows(book, [LadderRow(1, acted_height=HEIGHT, acted_rung=1)])
    book.positions.put(1, 3, "tried_height", HEIGHT)
    assert ordered(book, (1, REDUCE)).rows["ops"][0][4] == 1
    book.positions.put(1, 1, "tried_height", HEIGHT)
    told = ordered(book, (1, REDUCE), ladder_round=2)
    assert (told.rows["ops"], told.events) == ([], [])


def test_mt12_above_the_threshold_a_fifth_is_sent_and_its_fill_starts_the_cooldown(book: CrossBook) -> None:
    place(book, 1, 24_000_000, m1=1_003)
    told = ordered(book, (1, REDUCE))
    body = told.events[0][1].liquidation_ordered
    assert (body.lots, body.is_partial, body.cooldown_until_ms) == (201, True, NOW_MS + COOLDOWN_MS)
    # The limit is the whole position's; the quote is the part's, rounded up.
    assert body.limit_ticks == -(-(1_003 * LOT - 24_000_000) // 100_300)
    assert body.bankruptcy_quote_atoms == -(-(1_003 * LOT - 24_000_000) * 201 // 1_003)
    assert read_row(book, 1).partial_pending == PARTIAL_SENT
    settled(book, (1, FILL, ladder_number(0), 1, -150, -148_500_000), (1, GONE, ladder_number(0), 1, 0, 0))
    # Sold 1% below the mark: 22.5 million left over 853 lots, above the requirement.
    assert reported(book, ladder_round=1) == []
    row = read_row(book, 1)
    assert (row.kept_equity, row.kept_maintenance) == (22_500_000, 853 * MM)
    assert row.cooldown_until_ms == NOW_MS + COOLDOWN_MS
    assert book.positions.get(1, 1, "tried_height") == HEIGHT


def test_mt12_inside_the_cooldown_the_whole_position_is_sent_if_it_got_worse(book: CrossBook) -> None:
    place(book, 1, 24_000_000, m1=1_003)
    write_rows(book, [LadderRow(1, NOW_MS + 1, 24_000_000, 25_075_000)])
    assert ordered(book, (1, REDUCE)).rows["ops"] == []
    place(book, 1, 23_999_999)
    told = ordered(book, (1, REDUCE))
    body = told.events[0][1].liquidation_ordered
    assert (body.lots, body.is_partial, body.cooldown_until_ms) == (1_003, False, 0)
    assert read_row(book, 1) == LadderRow(1, NOW_MS + 1, 24_000_000, 25_075_000, HEIGHT, 0, 0, 1)


def test_mt12_exactly_the_threshold_is_sent_whole(book: CrossBook) -> None:
    place(book, 1, 24_000_000, m1=1_000)
    assert ordered(book, (1, REDUCE)).events[0][1].liquidation_ordered.lots == 1_000


def test_mt12_increasing_orders_leave_and_reducing_ones_stay(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=30)
    rest(
        book,
        order_row(1, 1, 1),
        order_row(1, 1, -1),
        order_row(1, 2, -1),
        order_row(1, 1, -1, flags=REDUCE_ONLY),
        order_row(1, 1, 1, flags=REDUCE_ONLY),
        order_row(1, 1, -1, trigger=STOP),
        order_row(1, 1, -1, flags=REDUCE_ONLY, trigger=STOP),
        order_row(1, 3, 1, flags=REDUCE_ONLY),
        order_row(1, 2, 1),
    )
    told = ordered(book, (1, REDUCE))
    assert book.orders.of_account(1) == [2, 4, 5, 7]
    cancels, (placed,) = told.rows["ops"][:-1], told.rows["ops"][-1:]
    # A trigger is at no book.
    assert [(op[0], op[1], op[2], op[6]) for op in cancels] == [
        (0, LADDER_NUMBER, number, batches.ORDER_OP_KIND_CANCEL) for number in (1, 3, 8, 9)
    ]
    assert placed[2] == ladder_number(0)
    keys = [key for key, _ in told.events]
    assert keys == [(7, 1, 0, 1), (7, 1, 0, 2), (7, 1, 0, 3), (7, 1, 0, 4), (7, 1, 0, 5), (7, 1, 0, 0)]
    done = [event.order_done for _, event in told.events[:-1]]
    assert [(one.order, one.was_resting, one.was_armed) for one in done] == [
        (1, True, False),
        (3, True, False),
        (6, False, True),
        (8, True, False),
        (9, True, False),
    ]
    assert {(one.refusal, one.required, one.actual) for one in done} == {(refusals.REFUSAL_BEING_LIQUIDATED, 0, 1)}
    assert told.events[-1][1].liquidation_ordered.cancelled_orders == 5


def test_who_recovered_or_fell_deeper_is_left_alone(book: CrossBook) -> None:
    place(book, 1, 750_000, m1=30)
    place(book, 2, 499_999, m1=30)
    place(book, 3, 500_000, m1=30)
    place(book, VAULT, 750_000, m1=30)
    place(book, 4, 0, m1=30)
    told = ordered(
        book,
        (1, REDUCE),
        (2, REDUCE),
        (3, TAKEOVER),
        (VAULT, DELEVERAGE),
        (4, WRITE_OFF),
        (99, TAKEOVER),
        (1, TAKEOVER),
    )
    assert not any(told.rows.values())
    assert told.events == []
    assert len(book.ladder) == 0


def test_mt13_a_takeover_offers_everything_and_cancels_everything(book: CrossBook) -> None:
    place(book, 1, 400_000, m1=10, m3=-20)
    set_mark(book, 3, MARK + 1)
    rest(book, order_row(1, 1, -1, flags=REDUCE_ONLY), order_row(1, 2, 1, trigger=STOP))
    told = ordered(book, (1, TAKEOVER), ladder_round=2)
    assert told.rows["offers"] == [(0, VENUE, 1, 398_000, 750_050, 0)]
    assert told.rows["offer_positions"] == [
        (0, VENUE, 1, 1, 10, 10 * LOT, 250_000, MARK),
        (0, VENUE, 3, 1, -20, -20 * (LOT + 100), 500_050, MARK + 1),
    ]
    assert book.orders.of_account(1) == []
    assert [op[2] for op in told.rows["ops"]] == [1]
    assert [event.order_done.actual for _, event in told.events] == [2, 2]
    assert book.rung_acted(1) == 2
    # Nothing has moved yet.
    assert (book.positions.lots(1, 1), book.accounts.free(1)) == (10, 400_000)


def test_nothing_is_offered_with_a_position_where_nothing_may_happen(book: CrossBook) -> None:
    place(book, 1, 400_000, m1=10, m3=-20)
    set_mark(book, 3, state=HALTED)
    assert not any(ordered(book, (1, TAKEOVER)).rows.values())


def test_mt14_the_vault_at_its_limit_is_offered_for_deleveraging_at_once(book: CrossBook) -> None:
    place(book, VAULT, 749_999, m1=30)
    told = ordered(book, (VAULT, DELEVERAGE))
    assert told.rows["offers"] == [(0, VENUE, VAULT, 749_999, 750_000, 1)]
    assert len(told.rows["offer_positions"]) == 1
    assert book.rung_acted(VAULT) == 3


def test_mt16_a_loss_nobody_carries_is_written_off_to_the_atom(book: CrossBook) -> None:
    place(book, 1, -1_234)
    place(book, 2, -5, m1=1)
    told = ordered(book, (1, WRITE_OFF), (2, WRITE_OFF))
    kind = batches.CROSS_DUE_KIND_WRITE_OFF
    assert told.rows["dues"] == [(VENUE, kind, 1_234), (VENUE, kind, 5)]
    assert [book.accounts.free(account) for account in (1, 2)] == [0, 0]
    assert [book.rung_acted(account) for account in (1, 2)] == [4, 4]
    # What is left of it is offered again.
    assert reported(book, ladder_round=1) == [(2, 2)]


def test_a_ladder_row_goes_with_the_block_that_needed_it(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=30)
    ordered(book, (1, REDUCE))
    settled(book, (1, FILL, ladder_number(0), 1, -30, -30 * LOT))
    assert reported(book, ladder_round=1) == []
    assert book.rung_acted(1) == 1
    book.height += 1
    assert book.rung_acted(1) == 0
    assert reported(book) == []
    assert len(book.ladder) == 0


def test_other_venues_rows_are_not_ours(book: CrossBook) -> None:
    place(book, 1, 700_000, m1=30)
    book.venue = VENUE + 1
    assert not any(ordered(book, (1, REDUCE)).rows.values())


def test_being_deleveraged_by_another_s_demand_is_no_fill_of_one_s_own_order(book: CrossBook) -> None:
    place(book, 1, 24_000_000, m1=1_003)
    ordered(book, (1, REDUCE))
    settled(book, (1, DELEVERAGED, 0, 1, -3, -3 * LOT), (1, GONE, ladder_number(0), 1, 0, 0))
    assert reported(book, ladder_round=1) == []
    row = read_row(book, 1)
    assert (row.cooldown_until_ms, row.partial_pending) == (0, 0)
    book.height += 1
    assert reported(book) == [(1, 1)]
