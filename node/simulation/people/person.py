"""What everybody in a simulated world has in common: keys, patience, and retries with the same or with another body."""

from __future__ import annotations

from abc import ABC, abstractmethod
from random import Random
from typing import Any, Final

from breakwater.v1 import answers_pb2, commands_pb2, refusals_pb2
from cluster.refused import Refused
from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.workload import Answer, Reader, Request

Row = list[int]

# What a client hears in time of trouble: the same request again, later.
AGAIN: Final = frozenset(
    (
        refusals_pb2.REFUSAL_UNAVAILABLE,
        refusals_pb2.REFUSAL_INTERNAL,
        refusals_pb2.REFUSAL_FENCED,
        refusals_pb2.REFUSAL_READ_ONLY,
        refusals_pb2.REFUSAL_RESUMING,
        refusals_pb2.REFUSAL_RATE_LIMITED,
    )
)
_MOST_OUT: Final = 3
_REMEMBERED: Final = 12
_TIMEOUTS_MS: Final = (300, 1_000, 3_000)
_LIVES_MS: Final = (1_500, 20_000, 600_000, 600_000)
_PAUSES_MS: Final = (50, 200, 1_000)


class Person(ABC):
    """A client. Whoever it is overrides `act`, and `heard` where an answer teaches something.

    A request without an answer is sent again for ever, the same body under the same key; now and then something
    answered is sent again, and another body under a key that was used.
    """

    def __init__(self, name: str, principal: int, venue: int, seed: int, chaos: Chaos) -> None:
        self.name = name
        self.venue = venue
        self.random = Random(f"{seed}/{name}")
        self.now_ms = 0
        self.height = 1
        self._principal = principal
        self._chaos = chaos
        self._keys = 0
        self._out: set[Request] = set()
        self._again: list[tuple[int, Request]] = []
        self._answered: list[Request] = []
        self._is_finished = False

    def wake(self, now_ms: int, reader: Reader) -> list[Request]:
        """Retries that are due, something new, and now and then mischief."""
        self.now_ms = now_ms
        due = [request for at_ms, request in self._again if at_ms <= now_ms]
        self._again = [entry for entry in self._again if entry[0] > now_ms]
        sent = [Request(request.batch, self.random.choice(_TIMEOUTS_MS), request) for request in due]
        if self.unanswered() + len(sent) < _MOST_OUT:
            batches = self.wind_up() if self._is_finished else self.act(reader)
            sent += [Request(batch, self.random.choice(_TIMEOUTS_MS)) for batch in batches]
        if not self._is_finished:
            sent += self._mischief()
        self._out.update(sent)
        return sent

    def answered(self, request: Request, answer: Answer, now_ms: int) -> None:
        """See `Client`."""
        self.now_ms = now_ms
        self._out.discard(request)
        if answer is None or (isinstance(answer, Refused) and answer.refusal in AGAIN):
            self._again.append((now_ms + self.random.choice(_PAUSES_MS), request))
            return
        self._answered = [*self._answered[1 - _REMEMBERED :], request]
        if not isinstance(answer, Refused):
            self.heard(request.batch, answer)

    def finish(self) -> None:
        """Nothing new from here on, but for what is to be wound up."""
        self._is_finished = True

    def unanswered(self) -> int:
        """See `Client`."""
        return len(self._out) + len(self._again)

    @abstractmethod
    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """What it wants to send now."""

    def wind_up(self) -> list[commands_pb2.CommandBatch]:
        """What it still has to send when everybody finishes."""
        return []

    def heard(self, batch: commands_pb2.CommandBatch, outcome: answers_pb2.BatchOutcome) -> None:
        """An answer of a block; the least it teaches is how high the chain is."""
        self.height = max(self.height, outcome.height)

    def chance(self, likelihood: float) -> bool:
        """Yes, that often."""
        return self.random.random() < likelihood

    def batch(self, body: str, **fields: Any) -> commands_pb2.CommandBatch:
        """A batch under a new key; `fields` are those of its body: columns, numbers, messages."""
        self._keys += 1
        batch = commands_pb2.CommandBatch(
            request_key=f"{self.name}/{self._keys}".encode(),
            expires_ms=self.now_ms + self.random.choice(_LIVES_MS),
            venue=self.venue,
            principal=self._principal,
        )
        content = getattr(batch, body)
        content.SetInParent()
        for name, value in fields.items():
            if isinstance(value, list):
                getattr(content, name).extend(value)
            elif hasattr(value, "CopyFrom"):
                getattr(content, name).CopyFrom(value)
            else:
                setattr(content, name, value)
        return batch

    def rows(self, body: str, names: tuple[str, ...], rows: list[Row]) -> list[commands_pb2.CommandBatch]:
        """Rows as a batch of columns; none where there is no row."""
        if not rows:
            return []
        columns = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
        return [self.batch(body, **columns)]

    def _mischief(self) -> list[Request]:
        """An old request again, perhaps long after it expired; and another body under an old key."""
        sent = []
        if self._answered and self._chaos.strikes(Fault.RETRY_SAME_BODY, self.name):
            old = self.random.choice(self._answered)
            sent.append(Request(old.batch, self.random.choice(_TIMEOUTS_MS), old))
        known = [*self._answered, *(request for _, request in self._again)]
        if known and self._chaos.strikes(Fault.RETRY_OTHER_BODY, self.name):
            old = self.random.choice(known)
            sent.append(Request(other_body(old.batch), self.random.choice(_TIMEOUTS_MS), old))
        return sent


def other_body(batch: commands_pb2.CommandBatch) -> commands_pb2.CommandBatch:
    """The batch with one number more than it had: in the last column that has rows, else in its venue."""
    other = commands_pb2.CommandBatch()
    other.CopyFrom(batch)
    content = getattr(other, other.WhichOneof("body") or "deposits")
    for field in reversed(content.DESCRIPTOR.fields):
        if field.is_repeated and field.message_type is None and len(getattr(content, field.name)):
            getattr(content, field.name)[0] += 1
            return other
    other.venue += 1
    return other
