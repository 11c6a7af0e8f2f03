"""A book put together from a depth stream: the snapshot, then every numbered change."""

from __future__ import annotations

from breakwater.v1 import batches_pb2, markets_pb2

Level = tuple[int, int, int]


class DepthGap(Exception):
    """A message of the stream is missing: what is known of the book is worth nothing, subscribe again."""


class DepthBook:
    """Levels as the last message left them."""

    def __init__(self) -> None:
        """Empty until the snapshot is taken in."""
        self.height = 0
        self.sequence = 0
        self._bids: dict[int, tuple[int, int]] = {}
        self._asks: dict[int, tuple[int, int]] = {}

    def apply(self, message: markets_pb2.StreamDepthResponse) -> None:
        """Takes the next message in; raises DepthGap where it is not the next one."""
        if message.HasField("snapshot"):
            self._bids.clear()
            self._asks.clear()
            _put(self._bids, message.snapshot.bids)
            _put(self._asks, message.snapshot.asks)
        elif message.sequence != self.sequence + 1 or not self.sequence:
            raise DepthGap(f"message {message.sequence} follows message {self.sequence}: subscribe again")
        _put(self._bids, message.bids)
        _put(self._asks, message.asks)
        self.sequence, self.height = message.sequence, message.height

    def bids(self) -> list[Level]:
        """(price in ticks, lots, orders), best first."""
        return [(ticks, *self._bids[ticks]) for ticks in sorted(self._bids, reverse=True)]

    def asks(self) -> list[Level]:
        """(price in ticks, lots, orders), best first."""
        return [(ticks, *self._asks[ticks]) for ticks in sorted(self._asks)]


def _put(side: dict[int, tuple[int, int]], levels: batches_pb2.BookLevels) -> None:
    for ticks, lots, orders in zip(levels.price_ticks, levels.lots, levels.orders, strict=True):
        if lots:
            side[ticks] = lots, orders
        else:
            side.pop(ticks, None)
