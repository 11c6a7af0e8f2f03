"""Where an actor puts what it has to say while it works: events with their sort keys, and answers to commands.

A refusal is both: an answer to the command and an event of the phase that refused it.
"""

from typing import NamedTuple

import numpy as np

from actors.columns import RowGatherer, Rows
from actors.event_rows import ACCOUNT as EVENT_ACCOUNT
from actors.event_rows import BODY, FIRST_FIELD, MARKET, NO_PIECE, VENUE, Piece, body_number, event_bytes
from actors.pending_events import KEYS, EventPart, EventPile, pending_bytes, strung_together
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
    """Collects events as columns, in the order in which they come."""

    def __init__(self) -> None:
        self._keys = Rows(KEYS)
        self._bodies: list[tuple[int, bytes]] = []
        # By body: place among the events, then the event row.
        self._rows: dict[int, list[tuple[int, ...]]] = {}
        # Place of the first among the events, event rows, what all of them have alike.
        self._blocks: list[tuple[int, np.ndarray, Piece]] = []

    def emit(self, key: tuple[int, int, int, int], event: events.Event) -> None:
        """Adds an event under its sort key (phase, a, b, c)."""
        self._bodies.append((len(self._keys), event.SerializeToString(deterministic=True)))
        self._keys.add(*key)

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
        self._keys.add(*key)

    def emit_rows(
        self,
        keys: np.ndarray,
        body: int,
        venue: int,
        market: np.ndarray,
        account: np.ndarray,
        fields: np.ndarray,
        piece: Piece = NO_PIECE,
    ) -> None:
        """`emit_row` of many: `keys` int64[4, n], `market` and `account` int64[n], `fields` int64[n, fields]."""
        count = keys.shape[1]
        rows = np.empty((count, FIRST_FIELD + fields.shape[1]), dtype=np.int64)
        rows[:, VENUE], rows[:, MARKET], rows[:, BODY], rows[:, EVENT_ACCOUNT] = venue, market, body, account
        rows[:, FIRST_FIELD:] = fields
        self._blocks.append((len(self._keys), rows, piece))
        self._keys.add_columns(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, target: batches.PendingEvents | EventPile) -> None:
        """Appends what was collected to a message; without events it is left as it is."""
        if not len(self._keys):
            return
        if isinstance(target, EventPile):
            target.add(self._keys.matrix(), *self._together())
        else:
            target.MergeFromString(pending_bytes(self._keys.matrix(), *self._together()))

    def message(self) -> batches.PendingEvents:
        """What was collected."""
        pending = batches.PendingEvents()
        self.put(pending)
        return pending

    def _together(self) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            EventPart(np.arange(first, first + len(rows)), *event_bytes(rows, piece))
            for first, rows, piece in self._blocks
        ]
        for one_by_one in self._rows.values():
            rows = np.array(one_by_one, dtype=np.int64)
            parts.append(EventPart(rows[:, 0], *event_bytes(np.ascontiguousarray(rows[:, 1:]))))
        if self._bodies:
            places, bodies = zip(*self._bodies, strict=True)
            parts.append(EventPart.of(places, bodies))
        return strung_together(parts)


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

    def answer_rows(self, rows: np.ndarray) -> None:
        """Answers that are columns already: int64[10, n], the columns of `Outcomes`, none of them a refusal."""
        self._rows.add_columns(rows)

    def refuse_rows(
        self,
        keys: np.ndarray,
        command: np.ndarray,
        refusal: np.ndarray,
        required: np.ndarray,
        actual: np.ndarray,
        venue: int,
        market: np.ndarray,
        account: np.ndarray,
    ) -> None:
        """`refuse` of many: `keys` int64[4, n], everything else but the venue int64[n]."""
        why = np.stack((command, refusal, required, actual))
        rows = np.zeros((len(batches.Outcomes.DESCRIPTOR.fields), len(command)), dtype=np.int64)
        rows[0], rows[1], rows[2:5] = command, common.OUTCOME_STATUS_REFUSED, why[1:]
        self._rows.add_columns(rows)
        self._events.emit_rows(keys, _REFUSED_BODY, venue, market, account, why.T)

    def __len__(self) -> int:
        return len(self._rows)

    def put(self, target: batches.Outcomes) -> None:
        """Appends what was collected to a message."""
        self._rows.put(target)

    def message(self) -> batches.Outcomes:
        """What was collected."""
        return self._rows.message()
