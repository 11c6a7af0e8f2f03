"""One block as the auditor's books read it: commands beside their answers, events, marks, parameters, the view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from breakwater.v1 import answers_pb2, commands_pb2, common_pb2, events_pb2, parameters_pb2
from cluster.archiver import split_outcomes
from cluster.commit import BlockResult
from cluster.replica import Replica

REFUSED: Final = common_pb2.OUTCOME_STATUS_REFUSED
LONG: Final = common_pb2.SIDE_LONG
E9: Final = 10**9
MILLION: Final = 10**6
_USABLE: Final = (common_pb2.MARK_STATE_FRESH, common_pb2.MARK_STATE_STALE)

Key = tuple[int, int]


class Told(NamedTuple):
    """One command's answer."""

    status: int
    refusal: int
    reference: int
    amount_atoms: int
    # Its index in the block.
    command: int


class Seen:
    """A block that ran."""

    def __init__(self, view: Replica, block: commands_pb2.BlockInput, result: BlockResult) -> None:
        self.view = view
        self.block = block
        self.result = result
        self.height = block.height
        self.now_ms = block.block_time_ms
        self.events = [events_pb2.Event.FromString(event) for event in result.events]
        self.outcomes: list[answers_pb2.BatchOutcome] = split_outcomes(result)
        self.marks: dict[Key, common_pb2.Mark] = {(mark.venue, mark.market): mark for mark in result.marks}
        self.venues: dict[int, parameters_pb2.VenueParameters] = view.state.venues
        self.markets: dict[Key, parameters_pb2.MarketParameters] = view.state.markets

    def of_venue(self, venue: int) -> list[events_pb2.Event]:
        """The venue's events, in their order."""
        return [event for event in self.events if event.venue == venue]

    def taken(self, body: str, venue: int | None = None) -> Iterator[tuple[int, Any, int, Told]]:
        """(venue, columns, row, answer) of every row of such batches that was not refused."""
        for batch, outcome in zip(self.block.batches, self.outcomes, strict=True):
            if batch.WhichOneof("body") != body or venue not in (None, batch.venue):
                continue
            content = getattr(batch, body)
            columns = (outcome.status, outcome.refusal, outcome.reference, outcome.amount_atoms, outcome.command)
            for row, told in enumerate(zip(*columns, strict=True)):
                if told[0] != REFUSED:
                    yield batch.venue, content, row, Told(*told)

    def is_usable(self, venue: int, market: int) -> bool:
        """Whether the block's mark may be acted on."""
        mark = self.marks.get((venue, market))
        return mark is not None and mark.state in _USABLE

    def mark_ticks(self, venue: int, market: int) -> int:
        """The block's mark, 0 where there is none."""
        mark = self.marks.get((venue, market))
        return mark.mark_ticks if mark is not None else 0


def ceil_div(dividend: int, divisor: int) -> int:
    """Rounded up; the divisor is positive."""
    return -(-dividend // divisor)


def half_away(dividend: int, divisor: int) -> int:
    """Rounded to the nearest, halves away from zero; the divisor is positive."""
    whole = (2 * abs(dividend) + divisor) // (2 * divisor)
    return whole if dividend >= 0 else -whole
