"""The sync client. Amounts are atoms, prices and leverage decimal text, times milliseconds of block time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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
from node.client.requests import DEFAULT_MARKET, DEFAULT_VENUE, SideWord, TickRow
from node.client.sync_bots import BotRun


class Client(BotRun):
    """A connection to a node under one API key. The raw stubs are its attributes: accounts, trading, markets, ...

    Every method raises RefusedError for a refusal and grpc.RpcError for a call that failed on its way. While the
    node is away a call is repeated until `timeout_s` is over, which its request key makes safe.
    """

    def open_account(self, venue: int = DEFAULT_VENUE, key: bytes | None = None) -> int:
        """Opens an account, which becomes the key's own; its number."""
        return (self.open_accounts(1, venue, key))[0]

    def open_accounts(self, count: int, venue: int = DEFAULT_VENUE, key: bytes | None = None) -> list[int]:
        """Opens accounts in a row; their numbers."""
        request = requests.open_account(venue, count, key)
        response: accounts_pb2.OpenAccountResponse = self._call(self.accounts.OpenAccount, request)
        return list(response.accounts)

    def deposit(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Credits an account; custodian only."""
        return self._command(self.accounts.Deposit, requests.deposit(venue, account, amount_atoms, key))

    def faucet(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Credits an account of one's own; dev mode only."""
        return self._command(self.accounts.Faucet, requests.faucet(venue, account, amount_atoms, key))

    def withdraw(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Asks for a withdrawal; `reference` is its number."""
        return self._command(self.accounts.Withdraw, requests.withdraw(venue, account, amount_atoms, key))

    def decide_withdrawal(
        self, account: int, withdrawal: int, confirm: bool, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Confirms a withdrawal or gives it back; custodian only."""
        request = requests.decide_withdrawal(venue, account, withdrawal, confirm, key)
        return self._command(self.accounts.DecideWithdrawal, request)

    def open_position(
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
        return self._command(self.trading.OpenPosition, request)

    def close_position(
        self,
        account: int,
        position: int,
        limit_price: str | None = None,
        venue: int = DEFAULT_VENUE,
        key: bytes | None = None,
    ) -> answers_pb2.CommandOutcome:
        """Closes at the mark, or at a level; `amount_atoms` is the payout."""
        request = requests.close_position(venue, account, position, limit_price, key)
        return self._command(self.trading.ClosePosition, request)

    def set_stop_loss(
        self, account: int, position: int, price: str, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Sets or replaces the stop loss."""
        return self._command(self.trading.SetStopLoss, requests.stop_loss(venue, account, position, price, key))

    def set_take_profit(
        self, account: int, position: int, price: str, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Sets or replaces the take profit."""
        request = requests.take_profit(venue, account, position, price, key)
        return self._command(self.trading.SetTakeProfit, request)

    def cancel(
        self, account: int, order: int = 0, kind: int = 0, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Cancels a resting order, a position's level of `kind`, or with order 0 everything of the account."""
        return self._command(self.trading.CancelOrder, requests.cancel(venue, account, order, kind, key))

    def cancel_all_after(
        self, account: int, after_ms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Arms the dead man's switch; 0 disarms."""
        request = requests.cancel_all_after(venue, account, after_ms, key)
        return self._command(self.trading.CancelAllAfter, request)

    def submit_batch(self, batch: commands_pb2.CommandBatch) -> answers_pb2.BatchOutcome:
        """Sends columns; the answer has a row for each of theirs."""
        response: trading_pb2.SubmitBatchResponse = self._call(self.trading.SubmitBatch, requests.batch(batch))
        return response.outcome

    def publish(
        self, ticks: Iterable[TickRow], venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.BatchOutcome:
        """Publishes one batch of (market, publisher, price_ticks, published_ms)."""
        batch = commands_pb2.CommandBatch(request_key=key or b"", venue=venue, ticks=requests.tick_columns(ticks))
        return self.submit_batch(batch)

    def deposit_liquidity(
        self, account: int, amount_atoms: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Atoms into the pool; `reference` is the micro-shares minted."""
        request = requests.deposit_liquidity(venue, account, amount_atoms, key)
        return self._command(self.liquidity.DepositLiquidity, request)

    def withdraw_liquidity(
        self, account: int, micro_shares: int, venue: int = DEFAULT_VENUE, key: bytes | None = None
    ) -> answers_pb2.CommandOutcome:
        """Micro-shares out of the pool; `amount_atoms` is what they brought."""
        request = requests.withdraw_liquidity(venue, account, micro_shares, key)
        return self._command(self.liquidity.WithdrawLiquidity, request)

    def account(self, account: int, venue: int = DEFAULT_VENUE) -> batches_pb2.AccountView:
        """The account as it stands."""
        request = accounts_pb2.GetAccountRequest(venue=venue, account=account)
        response: accounts_pb2.GetAccountResponse = self._call(self.accounts.GetAccount, request)
        return response.account

    def positions(self, account: int, venue: int = DEFAULT_VENUE) -> list[batches_pb2.PositionView]:
        """Open positions of an account."""
        request = accounts_pb2.ListPositionsRequest(venue=venue, account=account)
        response: accounts_pb2.ListPositionsResponse = self._call(self.accounts.ListPositions, request)
        return list(response.positions)

    def outcome(self, key: bytes) -> answers_pb2.BatchOutcome | None:
        """What became of a request key; None when it reached no block."""
        request = accounts_pb2.GetOutcomeRequest(request_key=key)
        response: accounts_pb2.GetOutcomeResponse = self._call(self.accounts.GetOutcome, request)
        return response.outcome if response.known else None

    def pool(self, venue: int = DEFAULT_VENUE, accounts: Iterable[int] = ()) -> batches_pb2.PoolView:
        """The pool, with the holdings of the accounts."""
        request = liquidity_pb2.GetPoolRequest(venue=venue, accounts=list(accounts))
        response: liquidity_pb2.GetPoolResponse = self._call(self.liquidity.GetPool, request)
        return response.pool

    def venues(self) -> list[parameters_pb2.VenueParameters]:
        """Every venue."""
        response: markets_pb2.ListVenuesResponse = self._call(self.markets.ListVenues, markets_pb2.ListVenuesRequest())
        return list(response.venues)

    def list_markets(self, venue: int = DEFAULT_VENUE) -> list[parameters_pb2.MarketParameters]:
        """Every market of a venue."""
        request = markets_pb2.ListMarketsRequest(venue=venue)
        response: markets_pb2.ListMarketsResponse = self._call(self.markets.ListMarkets, request)
        return list(response.markets)

    def mark(self, market: int = DEFAULT_MARKET, venue: int = DEFAULT_VENUE) -> markets_pb2.GetMarkResponse:
        """The mark with its state, and the funding rate."""
        request = markets_pb2.GetMarkRequest(venue=venue, market=market)
        response: markets_pb2.GetMarkResponse = self._call(self.markets.GetMark, request)
        return response

    def estimate_liquidation(
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
        response: liquidation_pb2.EstimateLiquidationPriceResponse = self._call(
            self.liquidations.EstimateLiquidationPrice, request
        )
        return response

    def header(self, height: int = 0) -> blocks_pb2.SignedHeader:
        """A block's header, 0 for the newest."""
        request = block_service_pb2.GetHeaderRequest(height=height)
        response: block_service_pb2.GetHeaderResponse = self._call(self.blocks.GetHeader, request)
        return response.header

    def events(self, height: int) -> list[events_pb2.Event]:
        """All events of a block."""
        request = block_service_pb2.ListEventsRequest(height=height)
        response: block_service_pb2.ListEventsResponse = self._call(self.blocks.ListEvents, request)
        return list(response.events)

    def receipt(self, height: int, index: int) -> blocks_pb2.Receipt:
        """The proof of one event."""
        request = block_service_pb2.GetReceiptRequest(height=height, index=index)
        response: block_service_pb2.GetReceiptResponse = self._call(self.blocks.GetReceipt, request)
        return response.receipt

    def validator_key(self) -> bytes:
        """The public key headers are signed with."""
        response: block_service_pb2.GetValidatorKeyResponse = self._call(
            self.blocks.GetValidatorKey, block_service_pb2.GetValidatorKeyRequest()
        )
        return response.public_key

    def seal_block(
        self, block_time_ms: int, batches: Iterable[commands_pb2.CommandBatch], root: bool = False
    ) -> admin_pb2.SealBlockResponse:
        """Seals a block of a node in driver mode. Batches have keys of their own: sent again, nothing is redone."""
        request = admin_pb2.SealBlockRequest(block_time_ms=block_time_ms, root=root, batches=list(batches))
        response: admin_pb2.SealBlockResponse = self._call(self.admin.SealBlock, request)
        return response

    def shards(self) -> admin_pb2.ListShardsResponse:
        """Which shard owns which buckets, and how much each holds."""
        response: admin_pb2.ListShardsResponse = self._call(self.admin.ListShards, admin_pb2.ListShardsRequest())
        return response

    def move_buckets(self, buckets: Iterable[int], to: int) -> admin_pb2.MoveBucketsResponse:
        """Gives buckets to a shard between two blocks."""
        request = admin_pb2.MoveBucketsRequest(buckets=buckets, to_shard=to)
        response: admin_pb2.MoveBucketsResponse = self._call(self.admin.MoveBuckets, request)
        return response

    def add_shards(self, count: int = 1, empty: bool = False) -> admin_pb2.AddShardsResponse:
        """Starts more shards, with an even part of everybody's buckets or with none."""
        request = admin_pb2.AddShardsRequest(count=count, empty=empty)
        response: admin_pb2.AddShardsResponse = self._call(self.admin.AddShards, request)
        return response

    def status(self) -> admin_pb2.GetStatusResponse:
        """What the node is doing."""
        response: admin_pb2.GetStatusResponse = self._call(self.admin.GetStatus, admin_pb2.GetStatusRequest())
        return response

    def stream_liquidations(
        self, venue: int = DEFAULT_VENUE, from_height: int = 0, market: int = 0, account: int = 0
    ) -> Iterator[events_pb2.Event]:
        """What the ladder did from a height on (0: from now), of a market or an account where they are named."""
        request = liquidation_pb2.StreamLiquidationsRequest(
            venue=venue, from_height=from_height, market=market, account=account
        )
        for response in self._stream(self.liquidations.StreamLiquidations, request):
            yield response.event

    def stream_account(self, account: int, venue: int = DEFAULT_VENUE) -> Iterator[accounts_pb2.StreamAccountResponse]:
        """A snapshot of an account, then its events."""
        request = accounts_pb2.StreamAccountRequest(venue=venue, account=account)
        yield from self._stream(self.accounts.StreamAccount, request)

    def stream_marks(self, venue: int = DEFAULT_VENUE, market: int = 0) -> Iterator[markets_pb2.StreamMarksResponse]:
        """Marks as they change."""
        yield from self._stream(self.markets.StreamMarks, markets_pb2.StreamMarksRequest(venue=venue, market=market))

    def stream_pool(self, venue: int = DEFAULT_VENUE) -> Iterator[liquidity_pb2.StreamPoolResponse]:
        """The pool as it changes."""
        yield from self._stream(self.liquidity.StreamPool, liquidity_pb2.StreamPoolRequest(venue=venue))

    def stream_headers(self, from_height: int = 1, signed_only: bool = False) -> Iterator[blocks_pb2.SignedHeader]:
        """Headers from a height on."""
        request = block_service_pb2.StreamHeadersRequest(from_height=from_height, signed_only=signed_only)
        for response in self._stream(self.blocks.StreamHeaders, request):
            yield response.header

    def stream_events(self, from_height: int = 1) -> Iterator[block_service_pb2.StreamEventsResponse]:
        """Every event from a height on, a message a block."""
        request = block_service_pb2.StreamEventsRequest(from_height=from_height)
        yield from self._stream(self.blocks.StreamEvents, request)

    def stream_releases(
        self, venue: int = DEFAULT_VENUE, from_height: int = 1
    ) -> Iterator[accounts_pb2.StreamReleasesResponse]:
        """Withdrawals whose block is signed."""
        request = accounts_pb2.StreamReleasesRequest(venue=venue, from_height=from_height)
        yield from self._stream(self.accounts.StreamReleases, request)

    def publish_stream(self, batches: Iterable[oracle_pb2.PublishTicksRequest]) -> Iterator[answers_pb2.BatchOutcome]:
        """Publishes batches as they come; one answer each, in order."""
        for response in self._stream(self.oracle.PublishTicks, iter(batches)):
            yield response.outcome
