"""The validator's mind: one changed field of a header or one wrong liquidation, and nothing is signed (TW-21)."""

from collections.abc import Callable
from typing import Any

import pytest

from actors.chain.liquidation_check import liquidation_fault
from actors.chain.numbered_events import NumberedEvents
from actors.validator import judge
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1.parameters_pb2 import MarketParameters, VenueParameters
from cluster.commit import BlockResult
from tests.building import LONG, SHORT, Chain, parsed, venue


def crash(side: int = LONG) -> tuple[Chain, BlockResult]:
    """A chain and its block with one liquidation."""
    chain = Chain()
    chain.start()
    chain.seal(chain.opens((2, side, 10**6, 5_000), (3, -side, 10**6, 1_000)))
    chain.seal()
    return chain, chain.seal(chain.ticks(50_000 - side * 2_000))


def _parameters(chain: Chain) -> tuple[dict[int, VenueParameters], dict[tuple[int, int], MarketParameters]]:
    state = chain.replica.state
    return state.venues, state.markets


def test_a_block_as_it_was_executed_may_be_signed() -> None:
    chain, result = crash()
    assert judge(result.header, result.header, result.events, *_parameters(chain)) == []


ALTERED: dict[str, Any] = {
    "height": 9,
    "block_time_ms": 1,
    "previous_header_hash": b"other",
    "commands_root": b"other",
    "command_count": 99,
    "events_root": b"other",
    "event_count": 99,
    "state_root": b"",
    "rulebooks": ["twilight/2"],
    "epoch": 7,
}


@pytest.mark.parametrize("name", [field.name for field in blocks.BlockHeader.DESCRIPTOR.fields])
def test_a_header_with_any_field_changed_is_not_signed(name: str) -> None:
    chain, result = crash()
    claimed = blocks.BlockHeader()
    claimed.CopyFrom(result.header)
    if name == "marks":
        claimed.marks[0].mark_ticks += 1
    elif name == "rulebooks":
        claimed.rulebooks[:] = ALTERED[name]
    else:
        setattr(claimed, name, ALTERED[name])
    faults = judge(claimed, result.header, result.events, *_parameters(chain))
    assert len(faults) == 1
    assert faults[0].startswith(f"{name} differ")


def liquidation(result: BlockResult) -> events.Event:
    (event,) = [event for event in parsed(result) if event.HasField("position_liquidated")]
    return event


@pytest.mark.parametrize("side", [LONG, SHORT])
def test_tw_10_and_11_a_true_liquidation_is_what_the_rulebook_says(side: int) -> None:
    chain, result = crash(side)
    assert liquidation_fault(liquidation(result), chain.replica.state.venues[1]) is None


def add(name: str, amount: int) -> Callable[[events.PositionLiquidated], None]:
    return lambda body: setattr(body, name, getattr(body, name) + amount)


def healthy(body: events.PositionLiquidated) -> None:
    """A mark one tick better than the threshold, with the equity and deficit of that mark."""
    body.mark.mark_ticks = body.threshold_ticks + 1
    body.equity_atoms = body.entry_value_atoms - -(-body.position_size // body.mark.mark_ticks) + body.margin_held_atoms
    body.deficit_atoms = max(0, -body.equity_atoms)


def by_close(body: events.PositionLiquidated) -> None:
    """Said to be a close that turned out negative (TW-12), at a mark where it would have paid out."""
    body.round = 0
    healthy(body)
    body.mark.mark_ticks = body.entry_ticks
    body.equity_atoms = body.margin_held_atoms


WRONG: list[tuple[str, Callable[[events.PositionLiquidated], None], str]] = [
    ("size", add("position_size", 1), "TW-02"),
    ("equity", add("equity_atoms", 1), "TW-10"),
    ("maintenance", add("maintenance_atoms", -1), "TW-10"),
    ("deficit", add("deficit_atoms", 1), "TW-11"),
    ("margin", add("margin_held_atoms", 50), "TW-10"),
    ("threshold", add("threshold_ticks", 1), "TW-06"),
    ("healthy", healthy, "TW-10"),
    ("payable", by_close, "TW-12"),
    ("outcome", lambda body: setattr(body, "outcome", events.LIQUIDATION_OUTCOME_HAD_PROFIT), "TW-11"),
]


@pytest.mark.parametrize(("altered", "rule"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_tw_21_a_wrong_liquidation_is_found(altered: Callable[[events.PositionLiquidated], None], rule: str) -> None:
    chain, result = crash()
    event = liquidation(result)
    altered(event.position_liquidated)
    fault = liquidation_fault(event, chain.replica.state.venues[1])
    assert fault and rule in fault
    position = next(index for index, other in enumerate(parsed(result)) if other.HasField("position_liquidated"))
    events_before, events_after = result.events[:position], result.events[position + 1 :]
    forged = NumberedEvents.of([*events_before, event.SerializeToString(), *events_after])
    assert judge(result.header, result.header, forged, *_parameters(chain)) == [f"event {event.index}: {fault}"]


def test_other_parameters_than_the_venue_s_make_it_wrong() -> None:
    _, result = crash()
    assert liquidation_fault(liquidation(result), venue(maintenance_ratio_e9=5_000_000)) is not None
    assert liquidation(result).position_liquidated.side == common.SIDE_LONG
