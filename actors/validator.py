"""The validator's mind: what must be true of a block before it may be signed (TW-21).

The host re-executes the block on a replica with its own shard count, liquidations by the scalar rulebooks; this
compares what came out with what the node says, and every liquidation with the rulebook once more. It is validity by
re-execution, not zero-knowledge.
"""

from collections.abc import Mapping

from actors.chain.bot_check import BOT_KINDS, bot_liquidation_fault
from actors.chain.liquidation_check import liquidation_fault
from actors.chain.margin_check import LADDER_KINDS, deleveraging_faults, header_marks, ladder_fault
from actors.chain.numbered_events import NumberedEvents
from breakwater.v1 import blocks_pb2 as blocks
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

_COMPARED = (
    "height",
    "block_time_ms",
    "previous_header_hash",
    "commands_root",
    "command_count",
    "events_root",
    "event_count",
    "state_root",
    "rulebooks",
    "epoch",
)
# What is held to the rulebook once more.
_JUDGED = LADDER_KINDS | BOT_KINDS | {events.Event.POSITION_LIQUIDATED_FIELD_NUMBER}


def judge(
    claimed: blocks.BlockHeader,
    found: blocks.BlockHeader,
    numbered_events: NumberedEvents,
    venues: Mapping[int, parameters.VenueParameters],
    markets: Mapping[tuple[int, int], parameters.MarketParameters],
) -> list[str]:
    """Every reason not to sign; empty when there is none. `found` and the events are the replica's own."""
    faults = [
        f"{name} differs: the node says {getattr(claimed, name)!r}, re-execution gives {getattr(found, name)!r}"
        for name in _COMPARED
        if getattr(claimed, name) != getattr(found, name)
    ]
    if list(claimed.marks) != list(found.marks):
        faults.append("marks differ")
    told, marks = numbered_events.of_kinds(_JUDGED), header_marks(found.marks)
    for event in told:
        if event.HasField("position_liquidated"):
            fault = liquidation_fault(event, venues[event.venue])
        else:
            fault = ladder_fault(event, venues[event.venue], marks) if event.venue in venues else None
        market = markets.get((event.venue, event.market))
        if not fault and market is not None:
            fault = bot_liquidation_fault(event, venues[event.venue], market, marks)
        if fault:
            faults.append(f"event {event.index}: {fault}")
    return faults + deleveraging_faults(told)
