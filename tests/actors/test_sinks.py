"""Events given as rows of integers are the events given as messages, in the order in which they came."""

import numpy as np

from actors.event_rows import Piece, body_number
from actors.sinks import AnswerSink, EventSink, Refused
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals
from tests.actors.calling import pending_list


def test_rows_and_messages_stand_in_their_order() -> None:
    sink, other = EventSink(), EventSink()
    AnswerSink(sink).refuse((1, 2, 3, 4), 9, Refused(refusals.REFUSAL_OVERFLOW, 1 << 62, -5), venue=3, account=1 << 40)
    sink.emit((5, 0, 0, 0), events.Event(venue=3, leverage_set=events.LeverageSet(leverage=4)))
    done = (1 << 50, 2, 100, 0, 1, 0, 0, 0, 0)
    sink.emit_row((2, 1, 1, 1), body_number("order_done"), 3, 300, 0, done)
    sink.emit_row((0, 1, 1, -1), body_number("position_updated"), 0, 1, 77, (-3, -(1 << 60), 0, 1, 0, 5))

    body = events.CommandRefused(command=9, refusal=refusals.REFUSAL_OVERFLOW, required=1 << 62, actual=-5)
    other.emit((1, 2, 3, 4), events.Event(venue=3, account=1 << 40, command_refused=body))
    other.emit((5, 0, 0, 0), events.Event(venue=3, leverage_set=events.LeverageSet(leverage=4)))
    gone = events.OrderDone(order=1 << 50, side=2, price_ticks=100, was_resting=True)
    other.emit((2, 1, 1, 1), events.Event(venue=3, market=300, order_done=gone))
    moved = events.PositionUpdated(lots=-3, cost_atoms=-(1 << 60), fee_atoms=1, cash_atoms=5)
    other.emit((0, 1, 1, -1), events.Event(market=1, account=77, position_updated=moved))

    assert sink.message() == other.message()
    assert pending_list(sink.message()) == pending_list(other.message())


def test_nothing_said_is_an_empty_message() -> None:
    assert not pending_list(EventSink().message())


def test_events_and_refusals_in_columns_are_those_one_by_one() -> None:
    ours, theirs = EventSink(), EventSink()
    answers, others = AnswerSink(ours), AnswerSink(theirs)
    draw = np.random.default_rng(7)
    done, moved = body_number("order_done"), body_number("position_updated")
    for sink in (ours, theirs):
        sink.emit((5, 0, 0, 0), events.Event(venue=3, leverage_set=events.LeverageSet(leverage=4)))
        sink.emit_row((2, 1, 1, 1), moved, 3, 300, 9, (1, -2, 3))
    for count in (0, 1, 70):
        keys = draw.integers(-(1 << 62), 1 << 62, (4, count))
        market, account = draw.integers(0, 3, count), draw.integers(0, 1 << 60, count)
        fields = draw.integers(-3, 1 << 62, (count, 8))
        ours.emit_rows(keys, done, 3, market, account, fields)
        whys = draw.integers(1, 40, (4, count))
        answers.refuse_rows(keys, *whys, venue=2, market=market, account=account)
        rows = draw.integers(-5, 1 << 40, (10, count))
        answers.answer_rows(rows)
        where = list(zip(keys.T.tolist(), market.tolist(), account.tolist(), strict=True))
        for (key, one, owner), row in zip(where, fields.tolist(), strict=True):
            theirs.emit_row(tuple(key), done, 3, one, owner, tuple(row))
        for (key, one, owner), (command, *why) in zip(where, whys.T.tolist(), strict=True):
            others.refuse(tuple(key), command, Refused(*why), 2, one, owner)
        for command, status, refusal, required, actual, *rest in rows.T.tolist():
            others.answer(command, status, *rest, why=Refused(refusal, required, actual))
        ours.emit((5, 1, 0, 0), events.Event(venue=4, account_opened=events.AccountOpened()))
        theirs.emit((5, 1, 0, 0), events.Event(venue=4, account_opened=events.AccountOpened()))
    assert len(pending_list(ours.message())) == 147
    assert ours.message() == theirs.message()
    assert answers.message() == others.message()


def test_a_piece_that_rows_have_alike_stands_where_the_library_writes_it() -> None:
    ours, theirs = EventSink(), EventSink()
    draw = np.random.default_rng(3)
    for version in (0, 1, 1 << 50):
        stamp = events.MarkStamp(mark_ticks=50_000, version=version, age_ms=version % 7)
        piece = Piece(4, events.PositionOpened(mark=stamp).SerializeToString())
        fields = draw.integers(0, 1 << 40, (20, 10))
        fields[:, 1], fields[:, 2], fields[:, 3] = 1, 2, 0
        keys, markets, accounts = draw.integers(0, 99, (4, 20)), draw.integers(0, 3, 20), draw.integers(0, 9, 20)
        ours.emit_rows(keys, body_number("position_opened"), 1, markets, accounts, fields, piece)
        names = [field.name for field in events.PositionOpened.DESCRIPTOR.fields]
        where = zip(keys.T.tolist(), markets.tolist(), accounts.tolist(), fields.tolist(), strict=True)
        for key, market, account, cells in where:
            body = events.PositionOpened(**(dict(zip(names, cells, strict=True)) | {"mark": stamp}))
            theirs.emit(tuple(key), events.Event(venue=1, market=market, account=account, position_opened=body))
    assert pending_list(ours.message()) == pending_list(theirs.message())
    assert len(pending_list(ours.message())) == 60
