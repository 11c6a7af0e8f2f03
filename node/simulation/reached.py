"""What a seed's world came to: how often each kind of thing happened that a campaign has to have seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from breakwater.v1 import common_pb2, events_pb2, refusals_pb2
from node.simulation.auditing.seen import Seen

_TIERS = {2: "partial", 3: "complete"}


def reached_in(seen: Seen) -> Counter[str]:
    """Of one block: events by kind, liquidations by rung, refusals by name."""
    counts: Counter[str] = Counter()
    for event in seen.events:
        kind = event.WhichOneof("body") or ""
        if kind != "command_refused":
            counts[kind] += 1
        counts.update(_rungs(event))
    for refusal in seen.result.outcomes.refusal:
        if refusal:
            counts[f"refused {refusals_pb2.Refusal.Name(refusal).removeprefix('REFUSAL_')}"] += 1
    return counts


def _rungs(event: events_pb2.Event) -> Iterator[str]:
    match event.WhichOneof("body"):
        case "position_liquidated":
            yield "twilight liquidation" if event.position_liquidated.round else "twilight negative close"
        case "liquidation_ordered":
            yield "margin-trade rung 1 partial" if event.liquidation_ordered.is_partial else "margin-trade rung 1 whole"
        case "taken_over":
            yield "margin-trade rung 2"
        case "deleverage_run":
            yield "margin-trade rung 3"
        case "account_liquidated":
            yield f"spin {_TIERS[event.account_liquidated.tier]} takeover"
        case "position_locked":
            yield "perennial lock"
        case "version_settled":
            yield "valid version" if event.version_settled.valid else "invalid version"
        case "market_state_changed":
            yield f"market {common_pb2.MarkState.Name(event.market_state_changed.after).removeprefix('MARK_STATE_')}"
