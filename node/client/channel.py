"""A channel that adds the key to every call, and the stubs on it; the same for sync and asyncio."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from breakwater.v1 import (
    accounts_pb2_grpc,
    admin_pb2_grpc,
    block_service_pb2_grpc,
    history_pb2_grpc,
    liquidation_pb2_grpc,
    liquidity_pb2_grpc,
    markets_pb2_grpc,
    oracle_pb2_grpc,
    orders_pb2_grpc,
    trading_pb2_grpc,
    versions_pb2_grpc,
)

_MESSAGE_BYTES: Final = 64 << 20
OPTIONS: Final = [
    ("grpc.max_receive_message_length", _MESSAGE_BYTES),
    ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 50),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class AuthorizedChannel:
    """What generated stubs need of a channel, with the key in the metadata of every call made through it."""

    def __init__(self, channel: Any, api_key: str) -> None:
        """`channel` is a grpc.Channel or a grpc.aio.Channel."""
        self._channel = channel
        self._metadata = (("authorization", f"Bearer {api_key}"),)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A call of one request and one response."""
        return partial(self._channel.unary_unary(*args, **kwargs), metadata=self._metadata)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """A call of one request and many responses."""
        return partial(self._channel.unary_stream(*args, **kwargs), metadata=self._metadata)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A call of many requests and one response."""
        return partial(self._channel.stream_unary(*args, **kwargs), metadata=self._metadata)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """A call of many requests and many responses."""
        return partial(self._channel.stream_stream(*args, **kwargs), metadata=self._metadata)


class Stubs:
    """The generated stubs, one a noun."""

    def __init__(self, channel: Any, api_key: str) -> None:
        """`channel` is a grpc.Channel or a grpc.aio.Channel."""
        authorized: Any = AuthorizedChannel(channel, api_key)
        self.accounts = accounts_pb2_grpc.AccountServiceStub(authorized)
        self.trading = trading_pb2_grpc.TradingServiceStub(authorized)
        self.orders = orders_pb2_grpc.OrderServiceStub(authorized)
        self.history = history_pb2_grpc.HistoryServiceStub(authorized)
        self.markets = markets_pb2_grpc.MarketServiceStub(authorized)
        self.oracle = oracle_pb2_grpc.OracleServiceStub(authorized)
        self.versions = versions_pb2_grpc.VersionServiceStub(authorized)
        self.liquidity = liquidity_pb2_grpc.LiquidityServiceStub(authorized)
        self.liquidations = liquidation_pb2_grpc.LiquidationServiceStub(authorized)
        self.blocks = block_service_pb2_grpc.BlockServiceStub(authorized)
        self.admin = admin_pb2_grpc.AdminServiceStub(authorized)
