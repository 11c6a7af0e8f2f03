"""What the asyncio client does on a Margin Trade venue: orders, margin, depth, trades, history, vault, insurance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from breakwater.v1 import (
    accounts_pb2,
    admin_pb2,
    answers_pb2,
    batches_pb2,
    commands_pb2,
    events_pb2,
    history_pb2,
    liquidation_pb2,
    liquidity_pb2,
    markets_pb2,
    orders_pb2,
)
from node.client import order_requests
from node.client.aio_calls import AsyncCalls
from node.client.column_bytes import ColumnAnswer
from node.client.column_stream import ColumnStream, submit_columns
from node.client.order_requests import MARGIN_TRADE_VENUE, HistoryWord, SelfTradeWord, TimeInForceWord, TriggerWord
from node.client.requests import DEFAULT_MARKET, SideWord, new_key


class AsyncMarginTrade(AsyncCalls):
    """Calls of order books and cross margin. Side long buys, short sells; sizes and prices are decimal text."""

    async def place_order(
        self,
        account: int,
        side: SideWord,
        size: str,
        limit_price: str | None = None,
        market: int = DEFAULT_MARKET,
        *,
        time_in_force: TimeInForceWord = "gtc",
        post_only: bool = False,
        reduce_only: bool = False,
        trigger: TriggerWord | None = None,
        trigger_price: str | None = None,
        self_trade: SelfTradeWord = "expire-maker",
        client_order_id: int = 0,
        venue: int = MARGIN_TRADE_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """A market order, or a limit where a price is given; `reference` is the order."""
        request = order_requests.place_order(
            venue,
            account,
            market,
            side,
            size,
            limit_price,
            time_in_force,
            post_only,
            reduce_only,
            trigger,
            trigger_price,
            self_trade,
            client_order_id,
            key,
        )
        return await self._command(self.orders.PlaceOrder, request)

    async def amend_order(
        self,
        account: int,
        order: int = 0,
        size: str | None = None,
        limit_price: str | None = None,
        client_order_id: int = 0,
        venue: int = MARGIN_TRADE_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """New total size, new price, or both; the order is named by number or by client id."""
        request = order_requests.amend_order(venue, account, order, client_order_id, size, limit_price, key)
        return await self._command(self.orders.AmendOrder, request)

    async def cancel_orders(
        self,
        account: int,
        order: int = 0,
        client_order_id: int = 0,
        market: int = 0,
        venue: int = MARGIN_TRADE_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """One order by number or client id, or with neither all of the account's (in a market where it is named)."""
        request = order_requests.cancel_orders(venue, account, order, client_order_id, market, key)
        return await self._command(self.orders.CancelOrders, request)

    async def set_leverage(
        self,
        account: int,
        leverage: int,
        market: int = DEFAULT_MARKET,
        venue: int = MARGIN_TRADE_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """Chooses the leverage of a market; checked like an order."""
        request = order_requests.set_leverage(venue, account, market, leverage, key)
        return await self._command(self.orders.SetLeverage, request)

    async def order_stream(
        self,
        batches: AsyncIterator[commands_pb2.CommandBatch],
        cancel_on_disconnect: Iterable[int] = (),
        venue: int = MARGIN_TRADE_VENUE,
    ) -> AsyncIterator[orders_pb2.StreamOrdersResponse]:
        """Sends batches of columns as they come; one numbered answer each, in order.

        When the stream ends, however it does, all orders of the accounts in `cancel_on_disconnect` are cancelled.
        """

        async def requests() -> AsyncIterator[orders_pb2.StreamOrdersRequest]:
            yield order_requests.order_stream_start(venue, cancel_on_disconnect)
            async for batch in batches:
                yield order_requests.order_stream_batch(batch)

        async for response in self._stream(self.orders.StreamOrders, requests()):
            yield response

    def column_stream(self, cancel_on_disconnect: Iterable[int] = (), venue: int = MARGIN_TRADE_VENUE) -> ColumnStream:
        """The same stream for batches that are bytes already, as `column_bytes.batch_bytes` makes them."""
        return ColumnStream(self._doors, venue, list(cancel_on_disconnect))

    async def submit_columns(self, batch: bytes) -> ColumnAnswer:
        """`submit_batch` for a batch that is bytes already, which has a key of its own; it is not repeated."""
        return await submit_columns(self._doors, batch, self.timeout_s)

    async def open_orders(
        self, account: int, market: int = 0, venue: int = MARGIN_TRADE_VENUE
    ) -> list[batches_pb2.CrossOrderView]:
        """Live orders and triggers of an account, in a market or in all (0)."""
        request = orders_pb2.ListOrdersRequest(venue=venue, account=account, market=market)
        response: orders_pb2.ListOrdersResponse = await self._call(self.orders.ListOrders, request)
        return list(response.orders)

    async def estimate_position(
        self,
        account: int,
        side: SideWord,
        size: str,
        price: str | None = None,
        market: int = DEFAULT_MARKET,
        leverage: int = 0,
        reduce_only: bool = False,
        venue: int = MARGIN_TRADE_VENUE,
    ) -> orders_pb2.EstimatePositionResponse:
        """What an order would do to the account now, at a price or at the book's depth."""
        request = order_requests.estimate_position(venue, account, market, side, size, price, leverage, reduce_only)
        response: orders_pb2.EstimatePositionResponse = await self._call(self.orders.EstimatePosition, request)
        return response

    async def margin(self, account: int, venue: int = MARGIN_TRADE_VENUE) -> accounts_pb2.GetMarginResponse:
        """Equity, requirements, holds, positions with liquidation prices and deleveraging ranks."""
        request = accounts_pb2.GetMarginRequest(venue=venue, account=account)
        response: accounts_pb2.GetMarginResponse = await self._call(self.accounts.GetMargin, request)
        return response

    async def depth(
        self, market: int = DEFAULT_MARKET, levels: int = 20, venue: int = MARGIN_TRADE_VENUE
    ) -> batches_pb2.BookView:
        """The best levels of a book."""
        request = markets_pb2.GetDepthRequest(venue=venue, market=market, levels=levels)
        response: markets_pb2.GetDepthResponse = await self._call(self.markets.GetDepth, request)
        return response.book

    async def stream_depth(
        self, market: int = DEFAULT_MARKET, venue: int = MARGIN_TRADE_VENUE
    ) -> AsyncIterator[markets_pb2.StreamDepthResponse]:
        """A whole book, then numbered changes; `node.client.depth.DepthBook` puts them together."""
        request = markets_pb2.StreamDepthRequest(venue=venue, market=market)
        async for response in self._stream(self.markets.StreamDepth, request):
            yield response

    async def trades(
        self, market: int = 0, from_height: int = 0, venue: int = MARGIN_TRADE_VENUE
    ) -> AsyncIterator[markets_pb2.Trade]:
        """Trades from a height on up to now, page by page."""
        request = markets_pb2.ListTradesRequest(venue=venue, market=market, from_height=from_height, page_size=1_000)
        while True:
            response: markets_pb2.ListTradesResponse = await self._call(self.markets.ListTrades, request)
            for trade in response.trades:
                yield trade
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def stream_trades(
        self, market: int = 0, from_height: int = 0, venue: int = MARGIN_TRADE_VENUE
    ) -> AsyncIterator[markets_pb2.Trade]:
        """Trades from a height on (0: from now), as they come."""
        request = markets_pb2.StreamTradesRequest(venue=venue, market=market, from_height=from_height)
        async for response in self._stream(self.markets.StreamTrades, request):
            for trade in response.trades:
                yield trade

    async def account_history(
        self,
        account: int,
        kinds: Iterable[HistoryWord] = (),
        from_height: int = 0,
        to_height: int = 0,
        venue: int = MARGIN_TRADE_VENUE,
        page_size: int = 1_000,
    ) -> AsyncIterator[history_pb2.HistoryEntry]:
        """Rows of an account's history, page by page: of these kinds or of all, up to a height or to now (0)."""
        request = order_requests.history(venue, account, kinds, from_height, to_height, page_size)
        while True:
            response: history_pb2.ListHistoryResponse = await self._call(self.history.ListHistory, request)
            for entry in response.entries:
                yield entry
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def statement(
        self, account: int, from_height: int = 0, to_height: int = 0, venue: int = MARGIN_TRADE_VENUE
    ) -> history_pb2.GetStatementResponse:
        """Totals of the same rows."""
        request = history_pb2.GetStatementRequest(
            venue=venue, account=account, from_height=from_height, to_height=to_height
        )
        response: history_pb2.GetStatementResponse = await self._call(self.history.GetStatement, request)
        return response

    async def list_liquidations(
        self, account: int = 0, market: int = 0, from_height: int = 0, venue: int = MARGIN_TRADE_VENUE
    ) -> AsyncIterator[events_pb2.Event]:
        """What the ladder did from a height on up to now, page by page: every rung with its numbers."""
        request = liquidation_pb2.ListLiquidationsRequest(
            venue=venue, account=account, market=market, from_height=from_height, page_size=1_000
        )
        while True:
            response: liquidation_pb2.ListLiquidationsResponse = await self._call(
                self.liquidations.ListLiquidations, request
            )
            for event in response.events:
                yield event
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def insurance(self, venue: int = MARGIN_TRADE_VENUE) -> liquidation_pb2.GetInsuranceResponse:
        """The insurance fund and the shortfall ledger."""
        request = liquidation_pb2.GetInsuranceRequest(venue=venue)
        response: liquidation_pb2.GetInsuranceResponse = await self._call(self.liquidations.GetInsurance, request)
        return response

    async def deposit_insurance(
        self, amount_atoms: int, venue: int = MARGIN_TRADE_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Pays into the insurance fund; operators only."""
        request = admin_pb2.DepositInsuranceRequest(request_key=new_key(key), venue=venue, amount_atoms=amount_atoms)
        return await self._command(self.admin.DepositInsurance, request)

    async def vault(self, accounts: Iterable[int] = (), venue: int = MARGIN_TRADE_VENUE) -> batches_pb2.BackstopView:
        """The vault, with the holdings and locks of the accounts."""
        request = liquidity_pb2.GetVaultRequest(venue=venue, accounts=list(accounts))
        response: liquidity_pb2.GetVaultResponse = await self._call(self.liquidity.GetVault, request)
        return response.vault

    async def stream_vault(self, venue: int = MARGIN_TRADE_VENUE) -> AsyncIterator[liquidity_pb2.StreamVaultResponse]:
        """The vault and the venue's funds as they change."""
        async for response in self._stream(self.liquidity.StreamVault, liquidity_pb2.StreamVaultRequest(venue=venue)):
            yield response
