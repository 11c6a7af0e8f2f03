"""The liquidation coordinator: one order for everybody below a rung, four rounds, and a memory of who is left."""

import pytest

from actors.columns import add_row
from actors.liquidation_coordinator import LiquidationCoordinator
from actors.risk.ladder import LADDER, MAX_ROUNDS, Action, Verdict, as_markdown, step
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import snapshots_pb2 as snapshots
from tests.actors.calling import Caller, pending_list
from tests.building import parsed, venue

Row = tuple[int, int, int, int, int, int]
# (venue, market, account, position, rung, threshold_ticks), in no order
ROWS: list[Row] = [
    (2, 1, 7, 40, 1, 10),
    (1, 2, 6, 30, 1, 5),
    (1, 1, 5, 21, 1, 90),
    (1, 1, 4, 22, 1, 80),
    (1, 1, 3, 20, 1, 90),
]


def candidates(rows: list[Row]) -> batches.Candidates:
    names = [field.name for field in batches.Candidates.DESCRIPTOR.fields]
    full = [(*row, 0, 0, 0) for row in rows]  # equity, maintenance and ratio are of cross accounts
    return batches.Candidates(**{name: [row[place] for row in full] for place, name in enumerate(names)})


def cross_candidates(*rows: tuple[int, int, int, int]) -> batches.Candidates:
    """(account, rung, equity, ratio) of venue 3."""
    message = batches.Candidates()
    for account, rung, equity, ratio in rows:
        add_row(message, 3, 0, account, 0, rung, 0, equity, 100, ratio)
    return message


def caller() -> Caller:
    return Caller(LiquidationCoordinator(), batches.CoordinatorReply)


VENUES = [venue(1), venue(2)]
BOOK_VENUE = parameters.VenueParameters(
    venue=3,
    rulebook=common.RULEBOOK_MARGIN_TRADE,
    margin_trade=parameters.MarginTradeParameters(ladder_rounds=2),
)


def test_tw_13_orders_are_by_venue_market_threshold_position_whoever_reported_them() -> None:
    one, other = caller(), caller()
    ours = one.block(round=1, candidates=candidates(ROWS), venues=VENUES)
    theirs = other.block(round=1, candidates=candidates(ROWS[::-1]), venues=VENUES)
    assert ours == theirs
    assert list(ours.orders.position) == [22, 20, 21, 30, 40]
    assert list(ours.orders.sequence) == [0, 1, 2, 3, 4]
    assert set(ours.orders.round) == {1}
    assert set(ours.orders.action) == {Action.FULL_CLOSE_AT_MARK}
    assert not pending_list(ours.events)


def test_who_is_left_after_the_last_round_is_queued_and_told_in_order() -> None:
    calls = caller()
    calls.block(round=1, candidates=candidates(ROWS), venues=VENUES)
    for ladder_round in range(2, MAX_ROUNDS + 1):
        reply = calls.again(round=ladder_round, candidates=candidates(ROWS), venues=VENUES)
        assert len(reply.orders.position) == len(ROWS)
    reply = calls.again(round=MAX_ROUNDS + 1, candidates=candidates(ROWS), venues=VENUES)
    assert not reply.orders.position
    told = [event.ladder_queued for event in parsed(pending_list(reply.events))]
    assert [body.position for body in told] == [22, 20, 21, 30, 40]
    assert {(body.rung, body.rounds) for body in told} == {(1, MAX_ROUNDS)}
    assert list(zip(reply.events.phase, reply.events.a, reply.events.b, strict=True)) == [
        (7, 99, sequence) for sequence in range(5)
    ]


def entries(calls: Caller) -> dict[tuple[int, int], tuple[int, int]]:
    state = snapshots.CoordinatorState.FromString(calls.actor.save())
    return {(entry.venue, entry.position): (entry.since_height, entry.attempts) for entry in state.entries}


def test_the_queue_counts_attempts_and_forgets_who_is_no_candidate_any_more() -> None:
    calls = caller()
    for expected in (1, 2):
        calls.block(round=1, candidates=candidates(ROWS), venues=VENUES)
        calls.again(round=MAX_ROUNDS + 1, candidates=candidates(ROWS[:2]), venues=VENUES)
        assert entries(calls) == {(2, 40): (1, expected), (1, 30): (1, expected)}
    calls.block(round=1, candidates=candidates(ROWS[1:]), venues=VENUES)
    assert entries(calls) == {(1, 30): (1, 2)}


def test_the_queue_survives_a_snapshot() -> None:
    calls, other = caller(), caller()
    calls.block(round=1, candidates=candidates(ROWS), venues=VENUES)
    calls.again(round=MAX_ROUNDS + 1, candidates=candidates(ROWS[:3]), venues=VENUES)
    other.actor.restore([calls.actor.snapshot()])
    assert entries(other) == entries(calls)
    assert other.actor.digest() == calls.actor.digest() != LiquidationCoordinator().digest()


def test_the_ladder_is_one_table_that_prints_itself() -> None:
    assert step(common.RULEBOOK_TWILIGHT, 1, Verdict.BELOW) == (Action.FULL_CLOSE_AT_MARK, 0, "TW-11")
    with pytest.raises(KeyError):
        step(common.RULEBOOK_TWILIGHT, 2, Verdict.BELOW)
    lines = as_markdown().splitlines()
    assert len(lines) == len(LADDER) + 2
    assert "| Twilight | 1 | below | full close at mark | leaves | TW-11 |" in lines


def test_mt_11_cross_accounts_go_by_ratio_then_account_each_to_its_rung() -> None:
    rows = cross_candidates((9, 1, 80, 50), (4, 2, 10, 7), (3, 2, 10, 7), (8, 3, 5, 1))
    reply = caller().block(round=1, candidates=rows, venues=[BOOK_VENUE])
    assert list(reply.orders.account) == [8, 3, 4, 9]
    steps = [Action.DELEVERAGE, Action.TAKEOVER_BY_VAULT, Action.TAKEOVER_BY_VAULT, Action.REDUCE_INTO_BOOK]
    assert list(reply.orders.action) == steps


def test_mt_16_who_was_demanded_and_is_still_below_zero_is_written_off() -> None:
    calls = caller()
    rows = cross_candidates((5, 2, -3, -1), (6, 2, 3, 1))
    calls.block(round=1, candidates=rows, venues=[BOOK_VENUE])
    demanded = batches.DeleverageDemands(sequence=[0, 1], venue=[3, 3], market=[1, 1], account=[5, 6])
    demanded.lots.extend([1, 1])
    demanded.quote_atoms.extend([1, 1])
    reply = calls.again(round=2, candidates=rows, venues=[BOOK_VENUE], demanded=demanded)
    assert list(zip(reply.orders.account, reply.orders.action, strict=True)) == [
        (5, Action.WRITE_OFF),
        (6, Action.TAKEOVER_BY_VAULT),
    ]


def test_after_a_venues_own_last_round_its_accounts_are_queued_once_and_others_go_on() -> None:
    calls = caller()
    mixed = cross_candidates((5, 1, 3, 1))
    mixed.MergeFrom(candidates(ROWS[1:2]))
    venues = [*VENUES, BOOK_VENUE]
    calls.block(round=1, candidates=mixed, venues=venues)
    calls.again(round=2, candidates=mixed, venues=venues)
    third = calls.again(round=3, candidates=mixed, venues=venues)
    (told,) = parsed(pending_list(third.events))
    assert (told.account, told.ladder_queued.reason, told.ladder_queued.rounds) == (5, events.QUEUE_REASON_ROUNDS, 2)
    assert list(third.orders.position) == [30]
    fourth = calls.again(round=4, candidates=mixed, venues=venues)
    assert not pending_list(fourth.events)
