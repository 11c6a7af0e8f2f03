"""One call's work at the backstop: where its events, answers, legs and demands go, in the order they happen."""

from actors.backing.state import BackstopBook
from actors.columns import RowGatherer
from actors.sinks import ACCOUNT, DESK, LADDER, LADDER_BACKSTOP, EventSink
from actors.venue_desk import VenueDesk
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

# Classes of the backstop's legs; those of the books are 1. Takeovers and the fund's payments are settled in the round.
TAKEOVERS, LIQUIDITY = 2, 3
VAULT = 0


class BackstopDesk(VenueDesk):
    """Events and legs are numbered from 0 in each call, each for itself."""

    def __init__(self, book: BackstopBook, height: int, ladder_round: int, sink: EventSink) -> None:
        super().__init__(book.venue, sink)
        self.book = book
        self.ladder_round = ladder_round
        self.demands = RowGatherer(batches.DeleverageDemands)
        self._height = height

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

    def _key(self, place: int) -> tuple[int, int, int, int]:
        if self.ladder_round:
            return LADDER, self.ladder_round, LADDER_BACKSTOP + self.book.venue, place
        return DESK, self.book.venue << 32, place, 0
