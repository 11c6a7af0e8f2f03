"""Deleveraging at the book: what leaves it first, what each side gets, budgets, ties, the policies' axioms (MT-15)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from tests.actors.book_calls import BUY, MARKET, SELL, VENUE, Book, K, legs, place, told
from tests.actors.calling import pending_list

QUEUE = common.DELEVERAGE_POLICY_QUEUE
BY_POSITION = common.DELEVERAGE_POLICY_PRO_RATA_POSITION
BY_PROFIT = common.DELEVERAGE_POLICY_PRO_RATA_PROFIT
POLICIES = (QUEUE, BY_POSITION, BY_PROFIT)
DELEVERAGED, GONE = events.CROSS_LEG_KIND_DELEVERAGED, events.CROSS_LEG_KIND_GONE
MARK = 100


def short(account: int, lots: int, entry: int = 120, equity: int = 10**6) -> tuple[int, int, int, int, int]:
    """A short candidate in profit, whose whole equity may be lost here."""
    return account, -lots, -lots * entry * K, equity, equity


def long(account: int, lots: int, entry: int = 80, equity: int = 10**6) -> tuple[int, int, int, int, int]:
    return account, lots, lots * entry * K, equity, equity


def taken(reply: Any) -> dict[int, int]:
    """Lots by counterparty, signed as it traded."""
    found: dict[int, int] = {}
    for event in told(reply, "deleveraged"):
        found[event.account] = found.get(event.account, 0) + event.deleveraged.lots
    return found


def test_both_sides_have_legs_that_cancel() -> None:
    reply = Book().deleverage([(55, 7, 6_999)], [short(8, 4, equity=9_000), short(9, 20)], MARK)
    assert legs(reply, DELEVERAGED) == [(8, 0, 4, 4_000), (9, 0, 3, 2_999), (55, 0, -7, -6_999)]
    (run,) = told(reply, "deleverage_run")
    assert (run.account, run.deleverage_run.needed_lots, run.deleverage_run.taken_lots) == (55, 7, 7)
    assert (run.deleverage_run.quote_atoms, run.deleverage_run.counterparties, run.deleverage_run.round) == (
        6_999,
        2,
        2,
    )
    assert run.deleverage_run.mark.mark_ticks == MARK
    assert [event.deleveraged.rank for event in told(reply, "deleveraged")] == [0, 1]


def test_the_orders_of_the_deleveraged_leave_first_and_nobody_elses() -> None:
    book = Book()
    book.work(
        *(place(0, 9, BUY, 90, 5), place(1, 8, SELL, 110, 5), place(2, 9, SELL, 111, 6), place(3, 10, BUY, 91, 7))
    )
    reply = book.deleverage([(55, 7, 7_000)], [short(9, 20), short(10, 30, equity=10**9)], MARK)
    names = [events.Event.FromString(body).WhichOneof("body") for body in pending_list(reply.events)]
    assert names == ["order_done", "order_done", "deleverage_run", "deleveraged"]
    done = [event.order_done for event in told(reply, "order_done")]
    assert [(body.order, body.remaining_lots, body.was_resting) for body in done] == [(1, 5, True), (3, 6, True)]
    assert {(body.refusal, body.required, body.actual) for body in done} == {(96, 0, 3)}
    assert legs(reply, GONE) == [(9, 1, 0, 0), (9, 3, 0, 0)]
    assert list(reply.legs.leg) == [0, 1, 2, 3]
    assert book.resting() == [(91, 7), (-110, 5)]


def test_the_keys_are_those_of_deleveraging() -> None:
    reply = Book().deleverage([(55, 7, 7_000)], [short(9, 20)], MARK)
    keys = list(zip(reply.events.phase, reply.events.a, reply.events.b, reply.events.c, strict=True))
    assert keys == [(7, 2, (1 << 52) + (VENUE << 32 | MARKET), place) for place in range(2)]


def test_nobody_loses_more_than_his_budget_and_what_is_left_stays() -> None:
    # 10 lots have to bring 15000 where the mark gives 10000: 500 a lot is lost.
    poor, rich = (8, -10, -12_000, 900, 900), (9, -4, -4_800, 10**6, 10**6)
    reply = Book().deleverage([(55, 10, 15_000)], [poor, rich], MARK)
    assert taken(reply) == {8: 1, 9: 4}
    (run,) = told(reply, "deleverage_run")
    assert (run.deleverage_run.needed_lots, run.deleverage_run.taken_lots) == (10, 5)
    assert run.deleverage_run.largest_haircut_ppm == -(-500 * 10**6 // 900)
    assert {event.account: event.deleveraged.haircut_atoms for event in told(reply, "deleveraged")} == {
        8: 500,
        9: 2_000,
    }


def test_several_demands_share_the_same_candidates_in_sequence() -> None:
    reply = Book().deleverage([(55, 6, 9_000), (54, 5, 5_000)], [short(8, 8, equity=3_200)], MARK)
    runs = [(event.account, event.deleverage_run.taken_lots) for event in told(reply, "deleverage_run")]
    assert runs == [(55, 6), (54, 2)]
    assert legs(reply, DELEVERAGED) == [(8, 0, 6, 9_000), (55, 0, -6, -9_000), (8, 0, 2, 2_000), (54, 0, -2, -2_000)]
    assert list(reply.legs.command) == [0, 0, 1, 1]


def test_ties_of_the_rank_go_by_account() -> None:
    reply = Book().deleverage([(55, 3, 3_000)], [short(12, 2), short(3, 2), short(7, 2)], MARK)
    assert [(event.account, event.deleveraged.lots) for event in told(reply, "deleveraged")] == [(3, 2), (7, 1)]


def test_a_short_is_closed_against_longs_only_and_the_vault_is_one_of_them() -> None:
    reply = Book().deleverage([(55, -5, -6_000)], [short(8, 100), long(0, 3, equity=9_000), long(9, 9)], MARK)
    assert taken(reply) == {0: -3, 9: -2}
    assert legs(reply, DELEVERAGED)[-1] == (55, 0, 5, 6_000)


def test_whole_open_interest_can_go() -> None:
    candidates = [short(account, 10, entry=100 + account) for account in range(1, 11)]
    reply = Book().deleverage([(55, 100, 99_990)], candidates, MARK)
    assert taken(reply) == dict.fromkeys(range(1, 11), 10)
    assert sum(reply.legs.lots) == sum(reply.legs.quote_atoms) == 0


def test_without_anybody_on_the_other_side_the_run_says_so() -> None:
    reply = Book().deleverage([(55, 7, 7_000)], [long(8, 4), (9, -5, -6_000, 0, 0)], MARK)
    (run,) = told(reply, "deleverage_run")
    assert (run.deleverage_run.taken_lots, run.deleverage_run.counterparties) == (0, 0)
    assert not reply.legs.leg


demands_drawn = st.lists(st.tuples(st.integers(1, 400), st.integers(-400, 400)), min_size=1, max_size=3)
candidates_drawn = st.lists(
    st.tuples(st.integers(-300, 300), st.integers(60, 140), st.integers(-10, 50_000), st.integers(0, 50_000)),
    max_size=12,
)


@settings(max_examples=60)
@given(demands_drawn, candidates_drawn, st.sampled_from((1, -1)), st.sampled_from(POLICIES))
def test_axioms_of_every_policy(
    asked: list[tuple[int, int]], held: list[tuple[int, int, int, int]], side: int, policy: int
) -> None:
    demands = [
        (500 + place, side * lots, side * lots * MARK * K + side * loss * K) for place, (lots, loss) in enumerate(asked)
    ]
    candidates = [
        (account, lots, lots * entry * K, equity, budget)
        for account, (lots, entry, equity, budget) in enumerate(held)
        if lots
    ]
    reply = Book(policy).deleverage(demands, candidates, MARK)
    assert sum(reply.legs.lots) == sum(reply.legs.quote_atoms) == 0
    runs = [event.deleverage_run for event in told(reply, "deleverage_run")]
    assert [run.needed_lots for run in runs] == [lots for lots, _ in asked]
    assert all(run.taken_lots <= run.needed_lots for run in runs)
    assert all(run.overshoot_atoms == max(0, run.taken_atoms - run.needed_atoms) for run in runs)
    moved, lost = taken(reply), dict.fromkeys(range(len(held)), 0)
    for event in told(reply, "deleveraged"):
        lost[event.account] += event.deleveraged.haircut_atoms
    for account, lots, _, equity, budget in candidates:
        mine = moved.pop(account, 0)
        assert mine == 0 or (equity > 0 and mine * side > 0 > lots * side and abs(mine) <= abs(lots))
        assert lost[account] <= max(0, budget) or len(demands) > 1
    assert not moved, "somebody without a position there was touched"


@pytest.mark.parametrize("policy", [BY_POSITION, BY_PROFIT])
def test_pro_rata_is_sybil_resistant_and_the_queue_is_not(policy: int) -> None:
    others = [short(2, 300, entry=110), short(3, 300, equity=900_000)]
    whole = [short(1, 600), *others]
    # The same position and equity under two names, nearly all of the equity behind one half.
    split = [short(1, 300, equity=999_000), short(4, 300, equity=1_000), *others]
    before, after = (taken(Book(policy).deleverage([(55, 500, 500_000)], rows, MARK)) for rows in (whole, split))
    assert abs(before[1] - after[1] - after[4]) <= 2
    assert abs(before[2] - after[2]) <= 2
    before, after = (taken(Book(QUEUE).deleverage([(55, 500, 500_000)], rows, MARK)) for rows in (whole, split))
    assert (before, after) == ({1: 500}, {4: 300, 3: 200})


@pytest.mark.parametrize("policy", [BY_POSITION, BY_PROFIT])
def test_pro_rata_is_scale_invariant(policy: int) -> None:
    rows = [short(1, 60), short(2, 30, entry=110), short(3, 40)]
    scaled = [(row[0], *(1_000 * number for number in row[1:])) for row in rows]
    one = taken(Book(policy).deleverage([(55, 65, 65_000)], rows, MARK))
    thousand = taken(Book(policy).deleverage([(55, 65_000, 65_000_000)], scaled, MARK))  # type: ignore[arg-type]
    assert all(abs(thousand[account] - 1_000 * lots) <= 2_000 for account, lots in one.items())
