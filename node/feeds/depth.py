"""Depth of one book, carried on from a view of it by the events of later blocks: which levels each block changed."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import batches_pb2, common_pb2, events_pb2
from node.feeds.block_events import BlockEvents

_KINDS: Final = ("order_placed", "order_filled", "order_done", "order_amended")
_BUY: Final = common_pb2.SIDE_LONG
_SELL: Final = common_pb2.SIDE_SHORT

# Side and price of a level.
Key = tuple[int, int]


class Depth:
    """Levels by side and price: [lots, orders]."""

    def __init__(self, book: batches_pb2.BookView) -> None:
        """`book` must show every level."""
        self._venue = book.venue
        self._market = book.market
        self._levels: dict[Key, list[int]] = {}
        for side, levels in ((_BUY, book.bids), (_SELL, book.asks)):
            for ticks, lots, orders in zip(levels.price_ticks, levels.lots, levels.orders, strict=True):
                self._levels[side, ticks] = [lots, orders]

    def apply(self, block: BlockEvents) -> tuple[batches_pb2.BookLevels, batches_pb2.BookLevels]:
        """Bids and asks the next block left different, as they are now, best first; 0 lots: the level is gone."""
        before: dict[Key, tuple[int, int]] = {}
        for event in block.of_kinds(_KINDS, self._venue, self._market):
            self._take(event, before)
        changed = [key for key, was in before.items() if was != self._now(key)]
        bids = sorted((key for key in changed if key[0] == _BUY), key=lambda key: -key[1])
        asks = sorted((key for key in changed if key[0] == _SELL), key=lambda key: key[1])
        return self._shown(bids), self._shown(asks)

    def _take(self, event: events_pb2.Event, before: dict[Key, tuple[int, int]]) -> None:
        if event.HasField("order_placed"):
            placed = event.order_placed
            self._change((placed.side, placed.price_ticks), placed.remaining_lots, 1, before)
        elif event.HasField("order_filled"):
            fill = event.order_filled
            if fill.is_maker:
                self._change((fill.side, fill.price_ticks), -fill.lots, -(fill.remaining_lots == 0), before)
        elif event.HasField("order_done"):
            done = event.order_done
            if done.was_resting:
                self._change((done.side, done.price_ticks), -done.remaining_lots, -1, before)
        else:
            amended = event.order_amended
            self._change((amended.side, amended.price_ticks_before), -amended.remaining_lots_before, -1, before)
            # An order that lost its place is placed again, with an event of its own.
            if amended.kept_priority:
                self._change((amended.side, amended.price_ticks), amended.remaining_lots, 1, before)

    def _change(self, key: Key, lots: int, orders: int, before: dict[Key, tuple[int, int]]) -> None:
        before.setdefault(key, self._now(key))
        level = self._levels.setdefault(key, [0, 0])
        level[0] += lots
        level[1] += orders
        assert level[0] >= 0 and level[1] >= 0, f"level {key} would have {level[0]} lots of {level[1]} orders"
        if level == [0, 0]:
            del self._levels[key]

    def _now(self, key: Key) -> tuple[int, int]:
        lots, orders = self._levels.get(key, (0, 0))
        return lots, orders

    def _shown(self, keys: list[Key]) -> batches_pb2.BookLevels:
        now = [self._now(key) for key in keys]
        return batches_pb2.BookLevels(
            price_ticks=[ticks for _, ticks in keys],
            lots=[lots for lots, _ in now],
            orders=[orders for _, orders in now],
        )
