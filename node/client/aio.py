"""The asyncio client. Amounts are atoms, prices and leverage decimal text, times milliseconds of block time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

from breakwater.v1 import (
    accounts_pb2,
    admin_pb2,
    answers_pb2,
    batches_pb2,
    block_service_pb2,
    blocks_pb2,
    commands_pb2,
    events_pb2,
    liquidation_pb2,
    liquidity_pb2,
    markets_pb2,
    oracle_pb2,
    parameters_pb2,
    trading_pb2,
)
from node.client import requests
from node.client.aio_bots import AsyncBotRun
from node.client.requests import DEFAULT_MARKET, DEFAULT_VENUE, SideWord, TickRow


class AsyncClient(AsyncBotRun):
    """A connection to a node under one API key. The raw stubs are its attributes: accounts, trading, markets, ...

    Every method raises RefusedError for a refusal and grpc.aio.AioRpcError for a call that failed on its way. While the
    node is away a call is repeated until `timeout_s` is over, which its request key makes safe.
    """

    async def open_account(self, venue: int = DEFAULT_VENUE, key: bytes | None = None) -> int:
        """Opens an account, which becomes the key's own; its number."""
        return (await self.open_accounts(1, venue, key))[0]

    async def open_accounts(self, count: int, venue: int = DEFAULT_VENUE, key: bytes | None = None) -> list[int]:
        """Opens accounts in a row; their numbers."""
        request = requests.open_account(venue, count, key)
        response: accounts_pb2.OpenAccountResponse = await self._call(self.accounts.OpenAccount, request)
        return list(response.accounts)

    async def deposit(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Credits an account; custodian only."""
        return await self._command(self.accounts.Deposit, requests.deposit(venue, account, amount_atoms, key))

    async def faucet(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Credits an account of one's own; dev mode only."""
        return await self._command(self.accounts.Faucet, requests.faucet(venue, account, amount_atoms, key))

    async def withdraw(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Asks for a withdrawal; `reference` is its number."""
        return await self._command(self.accounts.Withdraw, requests.withdraw(venue, account, amount_atoms, key))

    async def decide_withdrawal(
        self, account: int, withdrawal: int, confirm: bool, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Confirms a withdrawal or gives it back; custodian only."""
        request = requests.decide_withdrawal(venue, account, withdrawal, confirm, key)
        return await self._command(self.accounts.DecideWithdrawal, request)

    async def open_position(
        self,
        account: int,
        side: SideWord,
        margin_atoms: int,
        leverage: str,
        limit_price: str | None = None,
        market: int = DEFAULT_MARKET,
        venue: int = DEFAULT_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """Opens at the mark, or rests a limit; `reference` is the position or the order."""
        request = requests.open_position(venue, account, market, side, margin_atoms, leverage, limit_price, key)
        return await self._command(self.trading.OpenPosition, request)

    async def close_position(
        self,
        account: int,
        position: int,
        limit_price: str | None = None,
        venue: int = DEFAULT_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """Closes at the mark, or at a level; `amount_atoms` is the payout."""
        request = requests.close_position(venue, account, position, limit_price, key)
        return await self._command(self.trading.ClosePosition, request)

    async def set_stop_loss(
        self, account: int, position: int, price: str, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Sets or replaces the stop loss."""
        return await self._command(self.trading.SetStopLoss, requests.stop_loss(venue, account, position, price, key))

    async def set_take_profit(
        self, account: int, position: int, price: str, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Sets or replaces the take profit."""
        request = requests.take_profit(venue, account, position, price, key)
        return await self._command(self.trading.SetTakeProfit, request)

    async def cancel(
        self, account: int, order: int = 0, kind: int = 0, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Cancels a resting order, a position's level of `kind`, or with order 0 everything of the account."""
        return await self._command(self.trading.CancelOrder, requests.cancel(venue, account, order, kind, key))

    async def cancel_all_after(
        self, account: int, after_ms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Arms the dead man's switch; 0 disarms."""
        request = requests.cancel_all_after(venue, account, after_ms, key)
        return await self._command(self.trading.CancelAllAfter, request)

    async def submit_batch(self, batch: commands_pb2.CommandBatch) -> answers_pb2.BatchOutcome:
        """Sends columns; the answer has a row for each of theirs."""
        response: trading_pb2.SubmitBatchResponse = await self._call(self.trading.SubmitBatch, requests.batch(batch))
        return response.outcome

    async def publish(
        self, ticks: Iterable[TickRow], venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.BatchOutcome:
        """Publishes one batch of (market, publisher, price_ticks, published_ms)."""
        batch = commands_pb2.CommandBatch(request_key=key or b"", venue=venue, ticks=requests.tick_columns(ticks))
        return await self.submit_batch(batch)

    async def deposit_liquidity(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Atoms into the pool; `reference` is the micro-shares minted."""
        request = requests.deposit_liquidity(venue, account, amount_atoms, key)
        return await self._command(self.liquidity.DepositLiquidity, request)

    async def withdraw_liquidity(
        self, account: int, micro_shares: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Micro-shares out of the pool; `amount_atoms` is what they brought."""
        request = requests.withdraw_liquidity(venue, account, micro_shares, key)
        return await self._command(self.liquidity.WithdrawLiquidity, request)

    async def account(self, account: int, venue: int = DEFAULT_VENUE) -> batches_pb2.AccountView:
        """The account as it stands."""
        request = accounts_pb2.GetAccountRequest(venue=venue, account=account)
        response: accounts_pb2.GetAccountResponse = await self._call(self.accounts.GetAccount, request)
        return response.account

    async def positions(self, account: int, venue: int = DEFAULT_VENUE) -> list[batches_pb2.PositionView]:
        """Open positions of an account."""
        request = accounts_pb2.ListPositionsRequest(venue=venue, account=account)
        response: accounts_pb2.ListPositionsResponse = await self._call(self.accounts.ListPositions, request)
        return list(response.positions)

    async def outcome(self, key: bytes) -> answers_pb2.BatchOutcome | None:
        """What became of a request key; None when it reached no block."""
        request = accounts_pb2.GetOutcomeRequest(request_key=key)
        response: accounts_pb2.GetOutcomeResponse = await self._call(self.accounts.GetOutcome, request)
        return response.outcome if response.known else None

    async def pool(self, venue: int = DEFAULT_VENUE, accounts: Iterable[int] = ()) -> batches_pb2.PoolView:
        """The pool, with the holdings of the accounts."""
        request = liquidity_pb2.GetPoolRequest(venue=venue, accounts=list(accounts))
        response: liquidity_pb2.GetPoolResponse = await self._call(self.liquidity.GetPool, request)
        return response.pool

    async def venues(self) -> list[parameters_pb2.VenueParameters]:
        """Every venue."""
        response: markets_pb2.ListVenuesResponse = await self._call(
            self.markets.ListVenues, markets_pb2.ListVenuesRequest()
        )
        return list(response.venues)

    async def list_markets(self, venue: int = DEFAULT_VENUE) -> list[parameters_pb2.MarketParameters]:
        """Every market of a venue."""
        request = markets_pb2.ListMarketsRequest(venue=venue)
        response: markets_pb2.ListMarketsResponse = await self._call(self.markets.ListMarkets, request)
        return list(response.markets)

    async def mark(self, market: int = DEFAULT_MARKET, venue: int = DEFAULT_VENUE) -> markets_pb2.GetMarkResponse:
        """The mark with its state, and the funding rate."""
        request = markets_pb2.GetMarkRequest(venue=venue, market=market)
        response: markets_pb2.GetMarkResponse = await self._call(self.markets.GetMark, request)
        return response

    async def estimate_liquidation(
        self,
        side: SideWord,
        margin_atoms: int,
        leverage: str,
        entry_price: str | None = None,
        market: int = DEFAULT_MARKET,
        venue: int = DEFAULT_VENUE,
    ) -> liquidation_pb2.EstimateLiquidationPriceResponse:
        """Where a position would be liquidated, opened at a price or at the mark."""
        request = requests.estimate(venue, market, side, margin_atoms, leverage, entry_price)
        response: liquidation_pb2.EstimateLiquidationPriceResponse = await self._call(
            self.liquidations.EstimateLiquidationPrice, request
        )
        return response

    async def header(self, height: int = 0) -> blocks_pb2.SignedHeader:
        """A block's header, 0 for the newest."""
        request = block_service_pb2.GetHeaderRequest(height=height)
        response: block_service_pb2.GetHeaderResponse = await self._call(self.blocks.GetHeader, request)
        return response.header

    async def events(self, height: int) -> list[events_pb2.Event]:
        """All events of a block."""
        request = block_service_pb2.ListEventsRequest(height=height)
        response: block_service_pb2.ListEventsResponse = await self._call(self.blocks.ListEvents, request)
        return list(response.events)

    async def receipt(self, height: int, index: int) -> blocks_pb2.Receipt:
        """The proof of one event."""
        request = block_service_pb2.GetReceiptRequest(height=height, index=index)
        response: block_service_pb2.GetReceiptResponse = await self._call(self.blocks.GetReceipt, request)
        return response.receipt

    async def validator_key(self) -> bytes:
        """The public key headers are signed with."""
        response: block_service_pb2.GetValidatorKeyResponse = await self._call(
            self.blocks.GetValidatorKey, block_service_pb2.GetValidatorKeyRequest()
        )
        return response.public_key

    async def seal_block(
        self, block_time_ms: int, batches: Iterable[commands_pb2.CommandBatch], root: bool = False
    ) -> admin_pb2.SealBlockResponse:
        """Seals a block of a node in driver mode. Batches have keys of their own: sent again, nothing is redone."""
        request = admin_pb2.SealBlockRequest(block_time_ms=block_time_ms, root=root, batches=list(batches))
        response: admin_pb2.SealBlockResponse = await self._call(self.admin.SealBlock, request)
        return response

    async def shards(self) -> admin_pb2.ListShardsResponse:
        """Which shard owns which buckets, and how much each holds."""
        response: admin_pb2.ListShardsResponse = await self._call(self.admin.ListShards, admin_pb2.ListShardsRequest())
        return response

    async def move_buckets(self, buckets: Iterable[int], to: int) -> admin_pb2.MoveBucketsResponse:
        """Gives buckets to a shard between two blocks."""
        request = admin_pb2.MoveBucketsRequest(buckets=buckets, to_shard=to)
        response: admin_pb2.MoveBucketsResponse = await self._call(self.admin.MoveBuckets, request)
        return response

    async def add_shards(self, count: int = 1, empty: bool = False) -> admin_pb2.AddShardsResponse:
        """Starts more shards, with an even part of everybody's buckets or with none."""
        request = admin_pb2.AddShardsRequest(count=count, empty=empty)
        response: admin_pb2.AddShardsResponse = await self._call(self.admin.AddShards, request)
        return response

    async def status(self) -> admin_pb2.GetStatusResponse:
        """What the node is doing."""
        response: admin_pb2.GetStatusResponse = await self._call(self.admin.GetStatus, admin_pb2.GetStatusRequest())
        return response

    async def stream_liquidations(
        self, venue: int = DEFAULT_VENUE, from_height: int = 0, market: int = 0, account: int = 0
    ) -> AsyncIterator[events_pb2.Event]:
        """What the ladder did from a height on (0: from now), of a market or an account where they are named."""
        request = liquidation_pb2.StreamLiquidationsRequest(
            venue=venue, from_height=from_height, market=market, account=account
        )
        async for response in self._stream(self.liquidations.StreamLiquidations, request):
            yield response.event

    async def stream_account(
        self, account: int, venue: int = DEFAULT_VENUE
    ) -> AsyncIterator[accounts_pb2.StreamAccountResponse]:
        """A snapshot of an account, then its events."""
        request = accounts_pb2.StreamAccountRequest(venue=venue, account=account)
        async for response in self._stream(self.accounts.StreamAccount, request):
            yield response

    async def stream_marks(
        self, venue: int = DEFAULT_VENUE, market: int = 0
    ) -> AsyncIterator[markets_pb2.StreamMarksResponse]:
        """Marks as they change."""
        request = markets_pb2.StreamMarksRequest(venue=venue, market=market)
        async for response in self._stream(self.markets.StreamMarks, request):
            yield response

    async def stream_pool(self, venue: int = DEFAULT_VENUE) -> AsyncIterator[liquidity_pb2.StreamPoolResponse]:
        """The pool as it changes."""
        async for response in self._stream(self.liquidity.StreamPool, liquidity_pb2.StreamPoolRequest(venue=venue)):
            yield response

    async def stream_headers(
        self, from_height: int = 1, signed_only: bool = False
    ) -> AsyncIterator[blocks_pb2.SignedHeader]:
        """Headers from a height on."""
        request = block_service_pb2.StreamHeadersRequest(from_height=from_height, signed_only=signed_only)
        async for response in self._stream(self.blocks.StreamHeaders, request):
            yield response.header

    async def stream_events(self, from_height: int = 1) -> AsyncIterator[block_service_pb2.StreamEventsResponse]:
        """Every event from a height on, a message a block."""
        request = block_service_pb2.StreamEventsRequest(from_height=from_height)
        async for response in self._stream(self.blocks.StreamEvents, request):
            yield response

    async def stream_releases(
        self, venue: int = DEFAULT_VENUE, from_height: int = 1
    ) -> AsyncIterator[accounts_pb2.StreamReleasesResponse]:
        """Withdrawals whose block is signed."""
        request = accounts_pb2.StreamReleasesRequest(venue=venue, from_height=from_height)
        async for response in self._stream(self.accounts.StreamReleases, request):
            yield response

    async def publish_stream(
        self, batches: AsyncIterator[oracle_pb2.PublishTicksRequest]
    ) -> AsyncIterator[answers_pb2.BatchOutcome]:
        """Publishes batches as they come; one answer each, in order."""
        async for response in self._stream(self.oracle.PublishTicks, batches):
            yield response.outcome
