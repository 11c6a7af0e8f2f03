"""One committed block as readers share it: an event is decoded once, when the first of them asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

import numpy as np

from actors.chain.numbered_events import EventFacts, NumberedEvents
from actors.columns import among
from breakwater.v1 import blocks_pb2, common_pb2, events_pb2
from cluster.archiving.account_runs import Sorted, entries_of, sort_events

# What a block decided about an account and the next one settles without a word of its own about it: a reading of the
# account at the block lacks it.
_UNSETTLED = ("position_opened", "shares_minted", "order_filled")


class BlockEvents:
    """A block's header and events. Marks of a block from the archive are read from its header."""

    def __init__(
        self,
        height: int,
        block_time_ms: int,
        header: bytes,
        raw_events: Sequence[bytes],
        marks: list[common_pb2.Mark] | None,
    ) -> None:
        """`raw_events` are serialised events in their order."""
        self.height = height
        self.block_time_ms = block_time_ms
        self.header = header
        self.raw_events = raw_events if isinstance(raw_events, NumberedEvents) else NumberedEvents.of(raw_events)
        self._read_before: dict[int, events_pb2.Event] = {}
        self._marks = marks

    @property
    def events(self) -> list[events_pb2.Event]:
        """All events in their order."""
        return self._read(range(len(self.raw_events)))

    @cached_property
    def marks(self) -> list[common_pb2.Mark]:
        """The marks this block used."""
        return list(blocks_pb2.BlockHeader.FromString(self.header).marks) if self._marks is None else self._marks

    @cached_property
    def _facts(self) -> EventFacts:
        return self.raw_events.facts()

    @cached_property
    def _by_account(self) -> Sorted:
        return sort_events(self._facts.venue, self._facts.account)

    def of_account(self, venue: int, account: int) -> list[events_pb2.Event]:
        """Events of one account."""
        return self._read(entries_of(self._by_account, venue, account).tolist())

    def unsettled_of_account(self, venue: int, account: int) -> list[events_pb2.Event]:
        """Events of one account that its state at the end of this block does not show yet."""
        return [
            event
            for event in self.of_account(venue, account)
            # An order the book expired is in the account until its leg has settled; one cancelled by its owner is not.
            if event.WhichOneof("body") in _UNSETTLED or (event.HasField("order_done") and event.order_done.refusal)
        ]

    def of_kinds(self, kinds: Iterable[str], venue: int, market: int = 0) -> list[events_pb2.Event]:
        """Events of some kinds in a venue (0: in all) and a market of it (0: in all), in their order."""
        facts, fields = self._facts, events_pb2.Event.DESCRIPTOR.fields_by_name
        wanted = among(facts.kind, [fields[kind].number for kind in kinds])
        if venue:
            wanted &= facts.venue == venue
        if market:
            wanted &= facts.market == market
        return self._read(np.flatnonzero(wanted).tolist())

    def of_kind(self, kind: str, venue: int) -> list[events_pb2.Event]:
        """Events of one kind in a venue; venue 0 stands for all."""
        return self.of_kinds((kind,), venue)

    def _read(self, places: Iterable[int]) -> list[events_pb2.Event]:
        return [self._event(place) for place in places]

    def _event(self, place: int) -> events_pb2.Event:
        """One event, read once whoever asks."""
        event = self._read_before.get(place)
        if event is None:
            event = self._read_before[place] = events_pb2.Event.FromString(self.raw_events[place])
        return event
