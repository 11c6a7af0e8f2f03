"""Isolated positions: open, close, levels, cancel; one by one and as columns."""

from __future__ import annotations

import asyncio
from typing import Any

from actors.column_bytes import field_bytes
from breakwater.v1 import answers_pb2, commands_pb2, common_pb2, refusals_pb2, trading_pb2, trading_pb2_grpc
from node.guards import decimals, numbers
from node.guards.auth import current_caller
from node.guards.refusals import Refused
from node.services.door import Door

_MARKET = common_pb2.ORDER_KIND_MARKET
_LIMIT = common_pb2.ORDER_KIND_LIMIT


class TradingService(trading_pb2_grpc.TradingServiceServicer):
    """See trading.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def OpenPosition(
        self, request: trading_pb2.OpenPositionRequest, context: Any
    ) -> trading_pb2.OpenPositionResponse:
        """Opens a position at the mark, or rests a limit."""
        venue = self._door.venue(request.venue)
        if not venue.HasField("twilight"):
            raise Refused(refusals_pb2.REFUSAL_WRONG_RULEBOOK, common_pb2.RULEBOOK_TWILIGHT, venue.rulebook, "venue")
        bounds = venue.twilight
        kind = numbers.order_kind(request.kind, _LIMIT)
        body = commands_pb2.OpenPositions(
            account=[numbers.identity(request.account, "account")],
            market=[request.market],
            side=[numbers.side(request.side)],
            kind=[kind],
            margin_atoms=[numbers.amount(request.margin_atoms, "margin_atoms")],
            leverage_hundredths=[
                decimals.leverage_hundredths(
                    request.leverage, bounds.min_leverage_hundredths, bounds.max_leverage_hundredths
                )
            ],
            limit_ticks=[self._limit_ticks(request, kind)],
        )
        outcome = await self._door.command(request.request_key, request.venue, open_positions=body)
        return trading_pb2.OpenPositionResponse(outcome=outcome)

    async def ClosePosition(
        self, request: trading_pb2.ClosePositionRequest, context: Any
    ) -> trading_pb2.ClosePositionResponse:
        """Closes at the mark, or at a level where a limit price is given."""
        kind = _LIMIT if request.limit_price else _MARKET
        return trading_pb2.ClosePositionResponse(outcome=await self._exit(request, kind, request.limit_price))

    async def SetStopLoss(
        self, request: trading_pb2.SetStopLossRequest, context: Any
    ) -> trading_pb2.SetStopLossResponse:
        """Sets or replaces the stop loss of a position."""
        outcome = await self._exit(request, common_pb2.ORDER_KIND_STOP_LOSS, request.price)
        return trading_pb2.SetStopLossResponse(outcome=outcome)

    async def SetTakeProfit(
        self, request: trading_pb2.SetTakeProfitRequest, context: Any
    ) -> trading_pb2.SetTakeProfitResponse:
        """Sets or replaces the take profit of a position."""
        outcome = await self._exit(request, common_pb2.ORDER_KIND_TAKE_PROFIT, request.price)
        return trading_pb2.SetTakeProfitResponse(outcome=outcome)

    async def CancelOrder(
        self, request: trading_pb2.CancelOrderRequest, context: Any
    ) -> trading_pb2.CancelOrderResponse:
        """Cancels a resting open, a level of a position, or everything that rests."""
        if request.kind == _MARKET or not 0 <= request.kind <= common_pb2.ORDER_KIND_TAKE_PROFIT:
            raise Refused(refusals_pb2.REFUSAL_BAD_ORDER_KIND, common_pb2.ORDER_KIND_TAKE_PROFIT, request.kind, "kind")
        body = commands_pb2.CancelOrders(
            account=[numbers.identity(request.account, "account")],
            order=[numbers.identity(request.order, "order")],
            kind=[request.kind],
        )
        outcome = await self._door.command(request.request_key, request.venue, cancel_orders=body)
        return trading_pb2.CancelOrderResponse(outcome=outcome)

    async def CancelAllAfter(
        self, request: trading_pb2.CancelAllAfterRequest, context: Any
    ) -> trading_pb2.CancelAllAfterResponse:
        """Arms the dead man's switch of an account; 0 disarms."""
        after_ms = numbers.amount(request.after_ms, "after_ms") if request.after_ms else 0
        body = commands_pb2.CancelAllAfter(account=[numbers.identity(request.account, "account")], after_ms=[after_ms])
        outcome = await self._door.command(request.request_key, request.venue, cancel_all_after=body)
        return trading_pb2.CancelAllAfterResponse(outcome=outcome)

    async def SubmitBatch(self, request: trading_pb2.SubmitBatchRequest, context: Any) -> bytes:
        """Any batch of columns the caller's roles allow; refusals of single rows are in the answer's columns.

        The response is serialised: its columns may be long.
        """
        answer = await self._door.submit(request.batch)
        return field_bytes(trading_pb2.SubmitBatchResponse, "outcome", answer.serialised)

    def _limit_ticks(self, request: trading_pb2.OpenPositionRequest, kind: int) -> int:
        if kind == _MARKET:
            if request.limit_price:
                raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="limit_price")
            return 0
        market = self._door.market(request.venue, request.market)
        return decimals.price_ticks(request.limit_price, market.tick_size_e9, "limit_price")

    async def _exit(
        self,
        request: trading_pb2.ClosePositionRequest | trading_pb2.SetStopLossRequest | trading_pb2.SetTakeProfitRequest,
        kind: int,
        price: str,
    ) -> answers_pb2.CommandOutcome:
        position = numbers.identity(request.position, "position")
        account = numbers.identity(request.account, "account")
        level_ticks = 0
        if kind != _MARKET:
            tick_size_e9 = await self._tick_size_e9(request.venue, account, position)
            level_ticks = decimals.price_ticks(price, tick_size_e9, "limit_price" if kind == _LIMIT else "price")
        body = commands_pb2.ClosePositions(
            account=[account], position=[position], kind=[kind], level_ticks=[level_ticks]
        )
        return await self._door.command(request.request_key, request.venue, close_positions=body)

    async def _tick_size_e9(self, venue: int, account: int, position: int) -> int:
        """Tick size of a position's market; the position is looked up only where markets differ in it."""
        markets = self._door.markets(venue)
        sizes = {market.tick_size_e9 for market in markets}
        if len(sizes) == 1:
            return sizes.pop()
        current_caller().require_account(venue, account)
        views = await asyncio.wrap_future(self._door.host.accounts(venue, [account]))
        for view in views.accounts:
            for held in view.positions:
                if held.position == position:
                    return self._door.market(venue, held.market).tick_size_e9
        raise Refused(refusals_pb2.REFUSAL_UNKNOWN_POSITION, 1, position, "position")
