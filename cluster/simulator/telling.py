"""A block in a line of the timeline: when, what came in, what came of it."""

from collections import Counter

from breakwater.v1 import commands_pb2 as commands
from breakwater.v1 import events_pb2 as events
from cluster.commit import BlockResult


def block_line(block: commands.BlockInput, result: BlockResult) -> str:
    """Height, date, batches by body, refused rows, events by kind."""
    bodies = Counter(batch.WhichOneof("body") for batch in block.batches)
    kinds = Counter(events.Event.FromString(event).WhichOneof("body") for event in result.events)
    refused = sum(1 for refusal in result.outcomes.refusal if refusal)
    parts = [f"block {result.height}", _listed(bodies) or "empty"]
    if refused:
        parts.append(f"{refused} refused")
    if kinds:
        parts.append(f"-> {_listed(kinds)}")
    return f"{parts[0]}: " + ", ".join(parts[1:]).replace(", ->", " ->")


def _listed(counted: "Counter[str | None]") -> str:
    return ", ".join(f"{name} x{count}" if count > 1 else str(name) for name, count in sorted(counted.items(), key=str))
