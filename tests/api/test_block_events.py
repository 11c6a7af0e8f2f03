"""A block as its readers share it: what they ask for against a plain list."""

import random

from breakwater.v1 import events_pb2
from node.feeds.block_events import BlockEvents

KINDS = ("deposited", "order_placed", "order_filled", "order_done")


def an_event(index: int, chance: random.Random) -> events_pb2.Event:
    event = events_pb2.Event(height=7, index=index, block_time_ms=9, venue=chance.randrange(3))
    event.market, event.account = chance.randrange(3), chance.choice((0, 1, 2, 70_000, 1 << 40))
    getattr(event, chance.choice(KINDS)).SetInParent()
    return event


def test_readers_find_what_a_plain_list_has() -> None:
    chance = random.Random(11)
    events = [an_event(index, chance) for index in range(400)]
    block = BlockEvents(7, 9, b"", [event.SerializeToString() for event in events], [])
    for account in (1, 2, 3, 70_000, 1 << 40):
        for venue in range(3):
            mine = [event for event in events if (event.venue, event.account) == (venue, account)]
            assert block.of_account(venue, account) == mine
            unsettled = [event for event in mine if event.WhichOneof("body") == "order_filled"]
            assert block.unsettled_of_account(venue, account) == unsettled
    for kinds in (("order_done",), ("order_filled", "deposited"), KINDS, ("venue_changed",)):
        for venue in range(3):
            for market in range(3):
                wanted = [
                    event
                    for event in events
                    if event.WhichOneof("body") in kinds and venue in (0, event.venue) and market in (0, event.market)
                ]
                assert block.of_kinds(kinds, venue, market) == wanted
    assert block.of_kind("order_placed", 0) == [event for event in events if event.HasField("order_placed")]
    assert block.events == events


def test_a_block_without_events_has_nothing_to_tell() -> None:
    block = BlockEvents(7, 9, b"", [], [])
    assert block.of_account(1, 1) == block.of_kind("deposited", 0) == block.events == []
