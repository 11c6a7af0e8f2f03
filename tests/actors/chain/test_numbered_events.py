"""Numbered events as one piece of bytes are the list of them, and say where each belongs as the library reads it."""

from hypothesis import given
from hypothesis import strategies as st

from actors.chain.numbered_events import NumberedEvents
from breakwater.v1 import events_pb2 as events

HEADS = st.fixed_dictionaries(
    {
        "height": st.integers(0, (1 << 64) - 1),
        "index": st.integers(0, (1 << 32) - 1),
        "block_time_ms": st.integers(-(1 << 63), (1 << 63) - 1),
        "venue": st.integers(0, (1 << 32) - 1),
        "market": st.integers(0, (1 << 32) - 1),
        "account": st.integers(0, (1 << 63) - 1),
    }
)
BODIES = st.sampled_from(
    [
        {},
        {"account_opened": events.AccountOpened()},
        {"command_refused": events.CommandRefused(command=3, actual=-5)},
        {"order_filled": events.OrderFilled(order=1 << 50)},
        {"shortfall_repaid": events.ShortfallRepaid()},
    ]
)
BLOCKS = st.lists(st.builds(lambda head, body: events.Event(**head, **body), HEADS, BODIES), max_size=8)


@given(BLOCKS)
def test_they_are_a_sequence_of_their_bytes(block: list[events.Event]) -> None:
    serialised = [event.SerializeToString(deterministic=True) for event in block]
    numbered = NumberedEvents.of(serialised)
    assert len(numbered) == len(serialised)
    assert list(numbered) == serialised == numbered[:]
    assert [numbered[index] for index in range(-len(block), len(block))] == serialised * 2
    assert numbered[1:-1] == serialised[1:-1]
    assert numbered == serialised
    assert numbered == NumberedEvents.of(serialised)
    assert numbered != [*serialised, b""]


@given(BLOCKS)
def test_facts_are_those_the_library_reads(block: list[events.Event]) -> None:
    facts = NumberedEvents.of([event.SerializeToString(deterministic=True) for event in block]).facts()
    assert facts.venue.tolist() == [event.venue for event in block]
    assert facts.market.tolist() == [event.market for event in block]
    assert facts.account.tolist() == [event.account for event in block]
    bodies = [event.WhichOneof("body") for event in block]
    numbers = [events.Event.DESCRIPTOR.fields_by_name[body].number if body else 0 for body in bodies]
    assert facts.kind.tolist() == numbers


def test_an_event_that_is_cut_off_has_the_facts_before_the_cut() -> None:
    whole = events.Event(venue=7, market=300, account=1 << 40, account_opened=events.AccountOpened())
    serialised = whole.SerializeToString()
    facts = NumberedEvents.of([serialised[:2], serialised[:4], b"", b"\xff" * 3]).facts()
    assert facts.venue.tolist() == [7, 7, 0, 0]
    assert facts.account.tolist() == facts.kind.tolist() == [0, 0, 0, 0]
