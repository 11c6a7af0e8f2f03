"""Events given as rows of integers are the events given as messages, in the order in which they came."""

from actors.event_rows import body_number
from actors.sinks import AnswerSink, EventSink, Refused
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals


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
    assert list(sink.message().event) == list(other.message().event)


def test_nothing_said_is_an_empty_message() -> None:
    assert not EventSink().message().event
