"""Orders on a book: one by one, as a stream of columns; what is open, and what an order would do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final

from actors.column_bytes import field_parts
from breakwater.v1 import (
    batches_pb2,
    commands_pb2,
    common_pb2,
    orders_pb2,
    orders_pb2_grpc,
    parameters_pb2,
    refusals_pb2,
)
from cluster.answer import Answer
from node.guards import decimals, numbers
from node.guards.auth import current_caller
from node.guards.batches import body_of, rows_of
from node.guards.refusals import Refused
from node.logs import logger
from node.lots import lot_size_e9
from node.services.asks import Ask
from node.services.batch_stream import BatchStream, answer_of
from node.services.door import WITH_BOOKS, Door, unsequenced
from node.services.estimates import estimate
from node.services.ratio_estimates import estimate_ratio

STREAM_BODIES: Final = ("place_orders", "amend_orders", "cancel_book_orders", "set_leverage")
_MARKET: Final = common_pb2.ORDER_KIND_MARKET
_LIMIT: Final = common_pb2.ORDER_KIND_LIMIT
_DEPTH_LEVELS: Final = 1_000

_log = logger("orders")


class OrderService(orders_pb2_grpc.OrderServiceServicer):
    """See orders.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def PlaceOrder(self, request: orders_pb2.PlaceOrderRequest, context: Any) -> orders_pb2.PlaceOrderResponse:
        """Sends one order; prices and sizes are decimal text, off the tick or the lot they go no further."""
        market = self._door.book_market(request.venue, request.market)
        body = _place_orders(request, market)
        outcome = await self._door.command(request.request_key, request.venue, place_orders=body)
        return orders_pb2.PlaceOrderResponse(outcome=outcome)

    async def AmendOrder(self, request: orders_pb2.AmendOrderRequest, context: Any) -> orders_pb2.AmendOrderResponse:
        """Changes size or price of a live order; what is empty stays as it is. Raises UNKNOWN_ORDER."""
        self._door.venue_of(request.venue, *WITH_BOOKS)
        if not (request.size or request.limit_price):
            raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="size")
        known = await self._live_order(request)
        rules = self._door.market(request.venue, known.market)
        size_lots, limit_ticks = known.size_lots, 0
        if request.size:
            size_lots = decimals.size_lots(request.size, lot_size_e9(rules))
        if request.limit_price:
            limit_ticks = decimals.price_ticks(request.limit_price, rules.tick_size_e9, "limit_price")
        body = commands_pb2.AmendOrders(
            account=[request.account],
            order=[known.order],
            client_order_id=[0],
            size_lots=[size_lots],
            limit_ticks=[limit_ticks],
        )
        outcome = await self._door.command(request.request_key, request.venue, amend_orders=body)
        return orders_pb2.AmendOrderResponse(outcome=outcome)

    async def CancelOrders(
        self, request: orders_pb2.CancelOrdersRequest, context: Any
    ) -> orders_pb2.CancelOrdersResponse:
        """Cancels one order by number or client id, or all of the account's (of one market where it is named)."""
        self._door.venue_of(request.venue, *WITH_BOOKS)
        body = commands_pb2.CancelBookOrders(
            account=[numbers.identity(request.account, "account")],
            market=[request.market],
            order=[numbers.identity(request.order, "order")],
            client_order_id=[request.client_order_id],
        )
        outcome = await self._door.command(request.request_key, request.venue, cancel_book_orders=body)
        return orders_pb2.CancelOrdersResponse(outcome=outcome)

    async def SetLeverage(self, request: orders_pb2.SetLeverageRequest, context: Any) -> orders_pb2.SetLeverageResponse:
        """Chooses the leverage of an account in a market; checked like an order (MT-02)."""
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_MARGIN_TRADE)
        body = commands_pb2.SetLeverage(
            account=[numbers.identity(request.account, "account")],
            market=[request.market],
            leverage=[request.leverage],
        )
        outcome = await self._door.command(request.request_key, request.venue, set_leverage=body)
        return orders_pb2.SetLeverageResponse(outcome=outcome)

    async def StreamOrders(
        self, request_iterator: AsyncIterator[orders_pb2.StreamOrdersRequest], context: Any
    ) -> AsyncIterator[bytes]:
        """Sequences batches of columns as they come, and cancels on disconnect where the first message asks for it.

        The responses are serialised: their columns are long.
        """
        stream = BatchStream(self._door, self._sequence, self._door.config.limits.order_batches_in_flight)
        left = _Left()
        sequence = 0
        try:
            async with aclosing(stream.answers(self._batches(request_iterator, left))) as answers:
                async for answer in answers:
                    sequence += 1
                    head = orders_pb2.StreamOrdersResponse(sequence=sequence).SerializeToString()
                    parts = field_parts(orders_pb2.StreamOrdersResponse, "outcome", [answer.serialised])
                    yield b"".join((head, *parts))
        finally:
            if left.accounts:
                self._door.begin(self._cancel_all(left, stream))

    async def ListOrders(self, request: orders_pb2.ListOrdersRequest, context: Any) -> orders_pb2.ListOrdersResponse:
        """Live orders and triggers of an account; raises UNKNOWN_ACCOUNT."""
        self._door.venue_of(request.venue, *WITH_BOOKS)
        views = await self._door.account(request.venue, request.account)
        orders = [one for one in orders_of(views.accounts[0]) if request.market in (0, one.market)]
        return orders_pb2.ListOrdersResponse(height=views.height, orders=orders)

    async def EstimatePosition(
        self, request: orders_pb2.EstimatePositionRequest, context: Any
    ) -> orders_pb2.EstimatePositionResponse:
        """What an order would do to the account as it stands, by the rulebook that decides it; nothing is sequenced."""
        door = self._door
        rules = door.book_market(request.venue, request.market)
        ask = Ask(
            side=numbers.side(request.side),
            size_lots=decimals.size_lots(request.size, lot_size_e9(rules)),
            price_ticks=decimals.price_ticks(request.price, rules.tick_size_e9, "price") if request.price else 0,
            leverage=request.leverage,
            reduce_only=request.reduce_only,
        )
        views, book = await asyncio.gather(
            door.account(request.venue, request.account),
            asyncio.wrap_future(door.host.order_book(request.venue, request.market, _DEPTH_LEVELS)),
        )
        mark = door.host.mark(request.venue, request.market) or common_pb2.Mark(state=common_pb2.MARK_STATE_NONE)
        if rules.HasField("spin"):
            answer = estimate_ratio(views.accounts[0], rules, mark, book, ask)
        else:
            answer = estimate(views.accounts[0], rules, mark, book, ask)
        answer.height = views.height
        return answer

    async def _live_order(self, request: orders_pb2.AmendOrderRequest) -> batches_pb2.CrossOrderView:
        """The order as its account shows it: its market says how large tick and lot are."""
        named = numbers.identity(request.order, "order")
        if not (named or request.client_order_id):
            raise Refused(refusals_pb2.REFUSAL_UNKNOWN_ORDER, 1, 0, "order")
        views = await self._door.account(request.venue, request.account)
        for order in orders_of(views.accounts[0]):
            if named in (order.order, 0) and (request.order or order.client_order_id == request.client_order_id):
                return order
        raise Refused(refusals_pb2.REFUSAL_UNKNOWN_ORDER, 1, named or request.client_order_id, "order")

    async def _batches(
        self, requests: AsyncIterator[orders_pb2.StreamOrdersRequest], left: _Left
    ) -> AsyncIterator[commands_pb2.CommandBatch]:
        """The batches of a stream. Its first message may be the start, no later one."""
        is_first = True
        async for request in requests:
            if request.HasField("start"):
                if not is_first:
                    raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="start")
                self._begin(request.start, left)
            if request.HasField("batch"):
                yield request.batch
            is_first = False

    def _begin(self, start: orders_pb2.StreamOrdersStart, left: _Left) -> None:
        self._door.venue_of(start.venue, *WITH_BOOKS)
        most = self._door.config.limits.batch_rows
        if len(start.cancel_on_disconnect) > most:
            raise Refused(
                refusals_pb2.REFUSAL_BATCH_TOO_LARGE, most, len(start.cancel_on_disconnect), "cancel_on_disconnect"
            )
        accounts = sorted({numbers.identity(account, "account") for account in start.cancel_on_disconnect})
        for account in accounts:
            current_caller().require_account(start.venue, account)
        left.venue, left.accounts = start.venue, accounts

    async def _sequence(self, batch: commands_pb2.CommandBatch) -> Answer:
        if batch.WhichOneof("body") is not None and body_of(batch) not in STREAM_BODIES:
            return unsequenced(max(1, rows_of(batch)), Refused(refusals_pb2.REFUSAL_MALFORMED))
        return await answer_of(self._door, batch)

    async def _cancel_all(self, left: _Left, stream: BatchStream[Any, Any]) -> None:
        """After what the stream sent was sealed: in one block cancels come before orders (MT-07)."""
        await stream.sealed()
        count = len(left.accounts)
        body = commands_pb2.CancelBookOrders(
            account=left.accounts, market=[0] * count, order=[0] * count, client_order_id=[0] * count
        )
        try:
            await self._door.submit(commands_pb2.CommandBatch(venue=left.venue, cancel_book_orders=body))
        except Exception as error:
            _log.error("cancel on disconnect", venue=left.venue, accounts=count, reason=str(error))


class _Left:
    """Whose orders go when a stream ends."""

    def __init__(self) -> None:
        self.venue = 0
        self.accounts: list[int] = []


def orders_of(view: batches_pb2.AccountView) -> Sequence[batches_pb2.CrossOrderView]:
    """Live orders and triggers of an account on books, whichever rulebook they follow."""
    return view.ratio.orders if view.HasField("ratio") else view.cross.orders


def _place_orders(
    request: orders_pb2.PlaceOrderRequest, market: parameters_pb2.MarketParameters
) -> commands_pb2.PlaceOrders:
    """One row; raises what is wrong with the words and numbers of a request, in the order of its fields."""
    account = numbers.identity(request.account, "account")
    side = numbers.side(request.side)
    kind = numbers.order_kind(request.kind, _LIMIT)
    size_lots = decimals.size_lots(request.size, lot_size_e9(market))
    limit_ticks = _price(request.limit_price, kind == _LIMIT, market.tick_size_e9, "limit_price")
    numbers.choice(request.time_in_force, common_pb2.TIME_IN_FORCE_FOK, "time_in_force")
    numbers.choice(request.self_trade, common_pb2.SELF_TRADE_PREVENTION_EXPIRE_BOTH, "self_trade")
    numbers.choice(request.trigger, common_pb2.TRIGGER_KIND_TAKE_PROFIT, "trigger")
    trigger_ticks = _price(request.trigger_price, request.trigger != 0, market.tick_size_e9, "trigger_price")
    return commands_pb2.PlaceOrders(
        account=[account],
        market=[request.market],
        side=[side],
        kind=[kind],
        size_lots=[size_lots],
        limit_ticks=[limit_ticks],
        time_in_force=[request.time_in_force],
        flags=[request.post_only | request.reduce_only << 1],
        self_trade=[request.self_trade],
        trigger=[request.trigger],
        trigger_ticks=[trigger_ticks],
        client_order_id=[request.client_order_id],
    )


def _price(text: str, is_wanted: bool, tick_size_e9: int, field: str) -> int:
    """Ticks of a price that must be there; 0 of one that must not. Raises MALFORMED for the opposite."""
    if is_wanted:
        return decimals.price_ticks(text, tick_size_e9, field)
    if text:
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, field=field)
    return 0
