"""The liquidation coordinator: one order for everybody below a rung, four rounds, and a memory of who is left."""

import pytest

from actors.liquidation_coordinator import LiquidationCoordinator
from actors.risk.ladder import LADDER, MAX_ROUNDS, Action, Verdict, as_markdown, step
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import snapshots_pb2 as snapshots
from tests.actors.calling import Caller
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
    return batches.Candidates(**{name: [row[place] for row in rows] for place, name in enumerate(names)})


def caller() -> Caller:
    return Caller(LiquidationCoordinator(), batches.CoordinatorReply)


VENUES = [venue(1), venue(2)]


def test_tw_13_orders_are_by_venue_market_threshold_position_whoever_reported_them() -> None:
    one, other = caller(), caller()
    ours = one.block(round=1, candidates=candidates(ROWS), venues=VENUES)
    theirs = other.block(round=1, candidates=candidates(ROWS[::-1]), venues=VENUES)
    assert ours == theirs
    assert list(ours.orders.position) == [22, 20, 21, 30, 40]
    assert list(ours.orders.sequence) == [0, 1, 2, 3, 4]
    assert set(ours.orders.round) == {1}
    assert set(ours.orders.action) == {Action.FULL_CLOSE_AT_MARK}
    assert not ours.events.event


def test_who_is_left_after_the_last_round_is_queued_and_told_in_order() -> None:
    calls = caller()
    calls.block(round=1, candidates=candidates(ROWS), venues=VENUES)
    for ladder_round in range(2, MAX_ROUNDS + 1):
        reply = calls.again(round=ladder_round, candidates=candidates(ROWS), venues=VENUES)
        assert len(reply.orders.position) == len(ROWS)
    reply = calls.again(round=MAX_ROUNDS + 1, candidates=candidates(ROWS), venues=VENUES)
    assert not reply.orders.position
    told = [event.ladder_queued for event in parsed(reply.events.event)]
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
