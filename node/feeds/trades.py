"""Trades of order books: the taker's side of every fill, without names."""

from __future__ import annotations

from breakwater.v1 import events_pb2, markets_pb2
from node.feeds.block_events import BlockEvents


def trades_of(block: BlockEvents, venue: int, market: int = 0) -> list[markets_pb2.Trade]:
    """Trades of a block in a venue and a market of it (0: in all), in their order."""
    events = block.of_kinds(("order_filled",), venue, market)
    return [trade for trade in map(trade_of, events) if trade is not None]


def trade_of(event: events_pb2.Event) -> markets_pb2.Trade | None:
    """The trade an OrderFilled is the taker's side of, None for the maker's."""
    fill = event.order_filled
    if fill.is_maker:
        return None
    return markets_pb2.Trade(
        height=event.height,
        block_time_ms=event.block_time_ms,
        market=event.market,
        trade=fill.trade,
        side=fill.side,
        price_ticks=fill.price_ticks,
        lots=fill.lots,
        quote_atoms=fill.quote_atoms,
        is_liquidation=fill.is_liquidation,
        is_unwinding=fill.is_unwinding,
    )
