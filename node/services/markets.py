"""Venues, markets, marks; depth and trades of order books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from actors.rulebooks import margin_trade
from breakwater.v1 import common_pb2, events_pb2, markets_pb2, markets_pb2_grpc, parameters_pb2, refusals_pb2
from cluster.archive import Archive, Cursor
from node.feeds.depth import Depth
from node.feeds.trades import trade_of, trades_of
from node.guards import pages
from node.guards.refusals import Refused
from node.services.door import WITH_BOOKS, Door

_FILLED: Final = events_pb2.Event.ORDER_FILLED_FIELD_NUMBER
_LEVELS: Final = 20
_MOST_LEVELS: Final = 1_000
_WHOLE_BOOK: Final = (1 << 32) - 1
_SCAN_ROWS: Final = 1_000


class MarketService(markets_pb2_grpc.MarketServiceServicer):
    """See markets.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def ListVenues(self, request: markets_pb2.ListVenuesRequest, context: Any) -> markets_pb2.ListVenuesResponse:
        """Every venue with its parameters."""
        return markets_pb2.ListVenuesResponse(height=self._door.host.height(), venues=self._door.host.venues())

    async def ListMarkets(
        self, request: markets_pb2.ListMarketsRequest, context: Any
    ) -> markets_pb2.ListMarketsResponse:
        """Every market of a venue with its parameters."""
        markets = self._door.markets(request.venue)
        return markets_pb2.ListMarketsResponse(height=self._door.host.height(), markets=markets)

    async def GetMark(self, request: markets_pb2.GetMarkRequest, context: Any) -> markets_pb2.GetMarkResponse:
        """The mark with its version, age and state; state NONE before the first price."""
        rules = self._door.market(request.venue, request.market)
        host = self._door.host
        mark = host.mark(request.venue, request.market) or common_pb2.Mark(
            venue=request.venue, market=request.market, state=common_pb2.MARK_STATE_NONE
        )
        predicted_e9, next_ms = _next_funding(rules, mark)
        return markets_pb2.GetMarkResponse(
            height=host.height(),
            mark=mark,
            funding_rate_e9=host.funding_rate_e9(request.venue, request.market),
            predicted_funding_rate_e9=predicted_e9,
            next_funding_ms=next_ms,
        )

    async def StreamMarks(
        self, request: markets_pb2.StreamMarksRequest, context: Any
    ) -> AsyncIterator[markets_pb2.StreamMarksResponse]:
        """The marks as they are, then every block in which one has a new version, state, oracle price or premium."""
        if request.market:
            self._door.market(request.venue, request.market)
        else:
            self._door.venue(request.venue)
        seen: dict[int, tuple[int, ...]] = {}
        async for block in self._door.feed.blocks(max(1, self._door.feed.latest)):
            changed = [
                mark
                for mark in block.marks
                if mark.venue == request.venue
                and request.market in (0, mark.market)
                and seen.get(mark.market) != _what_counts(mark)
            ]
            if changed:
                seen.update({mark.market: _what_counts(mark) for mark in changed})
                yield markets_pb2.StreamMarksResponse(
                    height=block.height, block_time_ms=block.block_time_ms, marks=changed
                )

    async def GetDepth(self, request: markets_pb2.GetDepthRequest, context: Any) -> markets_pb2.GetDepthResponse:
        """The best levels of a book as it stands."""
        self._door.book_market(request.venue, request.market)
        if request.levels > _MOST_LEVELS:
            raise Refused(refusals_pb2.REFUSAL_MESSAGE_TOO_LARGE, _MOST_LEVELS, request.levels, "levels")
        levels = request.levels or _LEVELS
        book = await asyncio.wrap_future(self._door.host.order_book(request.venue, request.market, levels))
        return markets_pb2.GetDepthResponse(book=book)

    async def StreamDepth(
        self, request: markets_pb2.StreamDepthRequest, context: Any
    ) -> AsyncIterator[markets_pb2.StreamDepthResponse]:
        """The whole book, then the levels every later block changed; each message is numbered."""
        self._door.book_market(request.venue, request.market)
        book = await asyncio.wrap_future(self._door.host.order_book(request.venue, request.market, _WHOLE_BOOK))
        depth = Depth(book)
        sequence = 1
        yield markets_pb2.StreamDepthResponse(sequence=sequence, height=book.height, snapshot=book)
        async for block in self._door.feed.blocks(book.height + 1):
            bids, asks = depth.apply(block)
            if bids.price_ticks or asks.price_ticks:
                sequence += 1
                yield markets_pb2.StreamDepthResponse(sequence=sequence, height=block.height, bids=bids, asks=asks)

    async def ListTrades(self, request: markets_pb2.ListTradesRequest, context: Any) -> markets_pb2.ListTradesResponse:
        """A page of the trades of a venue, or of one market in it."""
        self._book_or_venue(request.venue, request.market)
        size, after = pages.page_size(request.page_size), pages.cursor(request.page_token)
        await self._door.feed.reach(self._door.host.height())
        trades, last = await asyncio.to_thread(
            _trades, self._door.host.archive, request.venue, request.market, request.from_height, size, after
        )
        return markets_pb2.ListTradesResponse(trades=trades, next_page_token=pages.token(*last) if last else "")

    async def StreamTrades(
        self, request: markets_pb2.StreamTradesRequest, context: Any
    ) -> AsyncIterator[markets_pb2.StreamTradesResponse]:
        """Trades from a height on (0: from now), each once, a message a block that has some."""
        self._book_or_venue(request.venue, request.market)
        async for block in self._door.feed.blocks(request.from_height or self._door.feed.latest + 1):
            trades = trades_of(block, request.venue, request.market)
            if trades:
                yield markets_pb2.StreamTradesResponse(trades=trades)

    def _book_or_venue(self, venue: int, market: int) -> None:
        if market:
            self._door.book_market(venue, market)
        else:
            self._door.venue_of(venue, *WITH_BOOKS)


def _what_counts(mark: common_pb2.Mark) -> tuple[int, ...]:
    return (mark.version, mark.state, mark.index_ticks, mark.premium_e9, mark.average_premium_e9)


def _next_funding(rules: parameters_pb2.MarketParameters, mark: common_pb2.Mark) -> tuple[int, int]:
    """Rate and time of the next boundary on the average premium so far (MT-10); zeros on Twilight.

    On Spin only the time: what the mids of the epoch come to is told when it ends (SP-11).
    """
    interval_ms = rules.oracle.funding_interval_ms
    if not interval_ms or not mark.published_ms or not (rules.HasField("margin_trade") or rules.HasField("spin")):
        return 0, 0
    next_ms = ((mark.published_ms + mark.age_ms) // interval_ms + 1) * interval_ms
    if rules.HasField("spin"):
        return 0, next_ms
    terms = rules.margin_trade
    rate_e9 = margin_trade.funding_rate_hourly_e9(
        mark.average_premium_e9, terms.interest_rate_e9, terms.interest_clamp_e9, terms.funding_cap_e9
    )
    return rate_e9, next_ms


def _trades(
    archive: Archive, venue: int, market: int, from_height: int, size: int, after: Cursor | None
) -> tuple[list[markets_pb2.Trade], Cursor | None]:
    """Up to `size` trades past the cursor, and the last one's event where there are more. Runs in a thread."""
    found: list[markets_pb2.Trade] = []
    last: Cursor | None = None
    while rows := archive.events_by_kind([_FILLED], from_height, _SCAN_ROWS, after):
        for row in rows:
            trade = trade_of(events_pb2.Event.FromString(row.bytes)) if row.venue == venue else None
            if trade is None or market not in (0, trade.market):
                continue
            if len(found) == size:
                return found, last
            found.append(trade)
            last = Cursor(row.height, row.idx)
        after = Cursor(rows[-1].height, rows[-1].idx)
    return found, None
