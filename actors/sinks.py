"""Where an actor puts what it has to say while it works: events with their sort keys, and answers to commands.

A refusal is both: an answer to the command and an event of the phase that refused it.
"""

from typing import NamedTuple

import numpy as np

from actors.columns import RowGatherer
from actors.event_rows import body_number, event_bodies
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
_REFUSED_BODY = body_number("command_refused")


class Refused(NamedTuple):
    """Why a command may not happen, and the two numbers that decided (refusals.proto says what they count)."""

    refusal: "refusals.Refusal"
    required: int
    actual: int


class EventSink:
    """Collects events as columns."""

    def __init__(self) -> None:
        self._keys: list[tuple[int, int, int, int]] = []
        self._bodies: list[bytes] = []
        # By body: place among the events, venue, market, then the event row.
        self._rows: dict[int, list[tuple[int, ...]]] = {}

    def emit(self, key: tuple[int, int, int, int], event: events.Event) -> None:
        """Adds an event under its sort key (phase, a, b, c)."""
        self._keys.append(key)
        self._bodies.append(event.SerializeToString(deterministic=True))

    def emit_row(
        self,
        key: tuple[int, int, int, int],
        body: int,
        venue: int,
        market: int,
        account: int,
        fields: tuple[int, ...],
    ) -> None:
        """Adds an event by the number of its body and all fields of that, which are integers, by number from 1."""
        rows = self._rows.get(body)
        if rows is None:
            rows = self._rows[body] = []
        rows.append((len(self._keys), venue, market, body, account, *fields))
        self._keys.append(key)
        self._bodies.append(b"")

    def message(self) -> batches.PendingEvents:
        """What was collected."""
        if not self._keys:
            return batches.PendingEvents()
        for rows in self._rows.values():
            matrix = np.array(rows, dtype=np.int64)
            bodies = event_bodies(np.ascontiguousarray(matrix[:, 3:]), np.ascontiguousarray(matrix[:, 1:3]))
            for row, event in zip(rows, bodies, strict=True):
                self._bodies[row[0]] = event
        self._rows.clear()
        phase, a, b, c = zip(*self._keys, strict=True)
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
        self._events.emit_row(key, _REFUSED_BODY, venue, market, account, (command, refusal, required, actual))

    def message(self) -> batches.Outcomes:
        """What was collected."""
        return self._rows.message()
