"""Venues, markets, marks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from breakwater.v1 import common_pb2, markets_pb2, markets_pb2_grpc
from node.services.door import Door


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
        self._door.market(request.venue, request.market)
        host = self._door.host
        mark = host.mark(request.venue, request.market) or common_pb2.Mark(
            venue=request.venue, market=request.market, state=common_pb2.MARK_STATE_NONE
        )
        return markets_pb2.GetMarkResponse(
            height=host.height(), mark=mark, funding_rate_e9=host.funding_rate_e9(request.venue, request.market)
        )

    async def StreamMarks(
        self, request: markets_pb2.StreamMarksRequest, context: Any
    ) -> AsyncIterator[markets_pb2.StreamMarksResponse]:
        """The marks as they are, then every block in which a version or a state of them is new."""
        if request.market:
            self._door.market(request.venue, request.market)
        else:
            self._door.venue(request.venue)
        seen: dict[int, tuple[int, int]] = {}
        async for block in self._door.feed.blocks(max(1, self._door.feed.latest)):
            changed = [
                mark
                for mark in block.marks
                if mark.venue == request.venue
                and request.market in (0, mark.market)
                and seen.get(mark.market) != (mark.version, mark.state)
            ]
            if changed:
                seen.update({mark.market: (mark.version, mark.state) for mark in changed})
                yield markets_pb2.StreamMarksResponse(
                    height=block.height, block_time_ms=block.block_time_ms, marks=changed
                )
