"""One call's work at the backstop: where its events, answers, legs and demands go, in the order they happen."""

from actors.backing.state import BackstopBook
from actors.columns import RowGatherer
from actors.sinks import ACCOUNT, DESK, LADDER, LADDER_BACKSTOP, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

# Classes of the backstop's legs; those of the books are 1. Takeovers and the fund's payments are settled in the round.
TAKEOVERS, LIQUIDITY = 2, 3
VAULT = 0


class BackstopDesk:
    """Events and legs are numbered from 0 in each call, each for itself."""

    def __init__(self, book: BackstopBook, height: int, ladder_round: int, sink: EventSink) -> None:
        self.book = book
        self.ladder_round = ladder_round
        self.legs = RowGatherer(batches.CrossLegs)
        self.demands = RowGatherer(batches.DeleverageDemands)
        self.answers = AnswerSink(sink)
        self._height = height
        self._sink = sink
        self._events = 0

    def emit(self, account: int, market: int = 0, **body: object) -> None:
        """Adds an event of the venue under the call's next key."""
        event = events.Event(venue=self.book.venue, market=market, account=account, **body)  # type: ignore[arg-type]
        self._sink.emit(self._next_key(), event)

    def done(self, command: int, reference: int, amount_atoms: int) -> None:
        """Answers a command that was carried out."""
        self.answers.answer(command, common.OUTCOME_STATUS_DONE, reference, amount_atoms=amount_atoms)

    def refuse(self, command: int, refused: Refused, account: int = 0) -> None:
        """Answers a command that may not happen, and says so in an event."""
        self.answers.refuse(self._next_key(), command, refused, self.book.venue, account=account)

    def leg(
        self,
        leg_class: int,
        command: int,
        account: int,
        kind: "events.CrossLegKind",
        amount_atoms: int = 0,
        market: int = 0,
        lots: int = 0,
        quote_atoms: int = 0,
        reference: int = 0,
    ) -> None:
        """Adds a posting to an account; `command` is the sequence in a round of the ladder."""
        head = (leg_class, command, market, len(self.legs), self.book.venue, account, kind)
        self.legs.add(*head, 0, lots, quote_atoms, 0, 0, amount_atoms, reference)

    def reference(self, command: int) -> int:
        """What an LP move is known by."""
        return self._height << 20 | command

    def publish(self) -> None:
        """Accounts for the block, where its figures differ from the last."""
        figures = self.book.figures()
        if figures != self.book.published:
            self.book.published = figures
            event = events.Event(venue=self.book.venue, vault_updated=figures)
            self._sink.emit((ACCOUNT, self.book.venue, 0, 0), event)

    def _next_key(self) -> tuple[int, int, int, int]:
        place, self._events = self._events, self._events + 1
        if self.ladder_round:
            return LADDER, self.ladder_round, LADDER_BACKSTOP + self.book.venue, place
        return DESK, self.book.venue << 32, place, 0
