"""How a desk of a venue's money says what it does in one call: events under keys that count, answers, refusals."""

from abc import ABC, abstractmethod

from actors.columns import RowGatherer
from actors.sinks import AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events


class VenueDesk(ABC):
    """Events are numbered from 0 in each call; `legs` go to accounts of the venue."""

    def __init__(self, venue: int, sink: EventSink) -> None:
        self.legs = RowGatherer(batches.CrossLegs)
        self.answers = AnswerSink(sink)
        self._venue = venue
        self._sink = sink
        self._events = 0

    def emit(self, account: int, market: int = 0, **body: object) -> None:
        """Adds an event of the venue under the call's next key."""
        event = events.Event(venue=self._venue, market=market, account=account, **body)  # type: ignore[arg-type]
        self._sink.emit(self._next_key(), event)

    def done(self, command: int, reference: int, amount_atoms: int) -> None:
        """Answers a command that was carried out."""
        self.answers.answer(command, common.OUTCOME_STATUS_DONE, reference, amount_atoms=amount_atoms)

    def refuse(self, command: int, refused: Refused, account: int = 0) -> None:
        """Answers a command that may not happen, and says so in an event."""
        self.answers.refuse(self._next_key(), command, refused, self._venue, account=account)

    def _next_key(self) -> tuple[int, int, int, int]:
        place, self._events = self._events, self._events + 1
        return self._key(place)

    @abstractmethod
    def _key(self, place: int) -> tuple[int, int, int, int]:
        """The sort key of the call's event of this place."""
