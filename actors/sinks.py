"""Where an actor puts what it has to say while it works: events with their sort keys, and answers to commands.

A refusal is both: an answer to the command and an event of the phase that refused it.
"""

from typing import NamedTuple

from actors.columns import RowGatherer
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# The first sort key of events (docs/block.md).
REGISTRY, TICK, MARK, SETTLE, FUND, TAKE, LADDER, PAY_OUT, ADMIT, DESK, ACCOUNT = range(1, 12)
LADDER_QUEUED = 99
# The second key inside a round of the ladder, above every sequence of the shards (docs/margin-trade.md).
LADDER_BOOK, LADDER_BACKSTOP, LADDER_DELEVERAGE, LADDER_SETTLE = 1 << 50, 1 << 51, 1 << 52, 1 << 53
NO_COMMAND = -1


class Refused(NamedTuple):
    """Why a command may not happen, and the two numbers that decided (refusals.proto says what they count)."""

    refusal: "refusals.Refusal"
    required: int
    actual: int


class EventSink:
    """Collects events as columns."""

    def __init__(self) -> None:
        self._keys: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])
        self._bodies: list[bytes] = []

    def emit(self, key: tuple[int, int, int, int], event: events.Event) -> None:
        """Adds an event under its sort key (phase, a, b, c)."""
        for column, value in zip(self._keys, key, strict=True):
            column.append(value)
        self._bodies.append(event.SerializeToString(deterministic=True))

    def message(self) -> batches.PendingEvents:
        """What was collected."""
        phase, a, b, c = self._keys
        return batches.PendingEvents(phase=phase, a=a, b=b, c=c, event=self._bodies)


class AnswerSink:
    """Collects answers as columns; refusals also become events."""

    def __init__(self, event_sink: EventSink) -> None:
        self._events = event_sink
        self._rows = RowGatherer(batches.Outcomes)

    def answer(
        self,
        command: int,
        status: "common.OutcomeStatus",
        reference: int = 0,
        price_ticks: int = 0,
        amount_atoms: int = 0,
        filled_lots: int = 0,
        remaining_lots: int = 0,
        why: Refused | None = None,
    ) -> None:
        """The command was carried out; `why` is what ended an order early."""
        because = why or (0, 0, 0)
        self._rows.add(command, status, *because, reference, price_ticks, amount_atoms, filled_lots, remaining_lots)

    def refuse(
        self,
        key: tuple[int, int, int, int],
        command: int,
        refused: Refused,
        venue: int,
        market: int = 0,
        account: int = 0,
    ) -> None:
        """The command may not happen; `key` is the sort key of the event."""
        refusal, required, actual = refused
        self._rows.add(command, common.OUTCOME_STATUS_REFUSED, refusal, required, actual, 0, 0, 0, 0, 0)
        body = events.CommandRefused(command=command, refusal=refusal, required=required, actual=actual)
        self._events.emit(key, events.Event(venue=venue, market=market, account=account, command_refused=body))

    def message(self) -> batches.Outcomes:
        """What was collected."""
        return self._rows.message()
