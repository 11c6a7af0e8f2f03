"""One committed block as readers share it: decoded once, when the first of them looks, sorted by who it concerns."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from operator import attrgetter

from breakwater.v1 import blocks_pb2, common_pb2, events_pb2

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
        self.raw_events = raw_events
        self._marks = marks

    @cached_property
    def events(self) -> list[events_pb2.Event]:
        """All events in their order."""
        return [events_pb2.Event.FromString(raw) for raw in self.raw_events]

    @cached_property
    def marks(self) -> list[common_pb2.Mark]:
        """The marks this block used."""
        return list(blocks_pb2.BlockHeader.FromString(self.header).marks) if self._marks is None else self._marks

    @cached_property
    def _by_account(self) -> dict[tuple[int, int], list[events_pb2.Event]]:
        found: dict[tuple[int, int], list[events_pb2.Event]] = defaultdict(list)
        for event in self.events:
            if event.account:
                found[event.venue, event.account].append(event)
        return found

    @cached_property
    def _by_kind(self) -> dict[str, list[events_pb2.Event]]:
        found: dict[str, list[events_pb2.Event]] = defaultdict(list)
        for event in self.events:
            kind = event.WhichOneof("body")
            if kind is not None:
                found[kind].append(event)
        return found

    def of_account(self, venue: int, account: int) -> list[events_pb2.Event]:
        """Events of one account."""
        return self._by_account.get((venue, account), [])

    def unsettled_of_account(self, venue: int, account: int) -> list[events_pb2.Event]:
        """Events of one account that its state at the end of this block does not show yet."""
        return [
            event
            for event in self.of_account(venue, account)
            # An order the book expired is in the account until its leg has settled; one cancelled by its owner is not.
            if event.WhichOneof("body") in _UNSETTLED or (event.HasField("order_done") and event.order_done.refusal)
        ]

    def of_kinds(self, kinds: Iterable[str], venue: int, market: int = 0) -> list[events_pb2.Event]:
        """Events of some kinds in a venue and a market of it (0: in all), in their order."""
        found = [event for kind in kinds for event in self.of_kind(kind, venue) if market in (0, event.market)]
        return sorted(found, key=attrgetter("index"))

    def of_kind(self, kind: str, venue: int) -> list[events_pb2.Event]:
        """Events of one kind in a venue; venue 0 stands for all."""
        return [event for event in self._by_kind.get(kind, []) if venue in (0, event.venue)]
