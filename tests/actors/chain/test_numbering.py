"""Numbered events are what the library would write with the numbers in them, whichever way so many are put together."""

import random

import pytest

from actors.chain.numbering import number_events
from actors.sinks import EventSink
from breakwater.v1 import events_pb2 as events

_HEIGHT, _TIME_MS = 1 << 20, 1_800_000_000_000


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 200])
@pytest.mark.parametrize("actors", [1, 3])
def test_events_are_sorted_by_their_keys_and_numbered(count: int, actors: int) -> None:
    draw = random.Random(count)
    sinks = [EventSink() for _ in range(actors)]
    told = []
    for number in range(count):
        # Equal keys keep the order of the actors, and of what each said.
        key = (draw.randrange(1, 4), draw.choice((-1, 5, 1 << 40)), 0, number % actors)
        body = events.MarkUpdated(mark_ticks=draw.randrange(1 << 50))
        event = events.Event(venue=2, market=number, mark_updated=body)
        sinks[number % actors].emit(key, event)
        told.append((key, event))
    told.sort(key=lambda one: one[0])
    for index, (_, event) in enumerate(told):
        event.height, event.index, event.block_time_ms = _HEIGHT, index, _TIME_MS
    numbered = number_events([sink.message() for sink in sinks], _HEIGHT, _TIME_MS)
    assert list(numbered) == [event.SerializeToString(deterministic=True) for _, event in told]
