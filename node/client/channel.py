"""The ways to a node, a gateway each or its own door, and the stubs on them; the same for sync and asyncio."""

from __future__ import annotations

from collections.abc import Sequence
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
    # As long may a connection take to come about, over the farthest way and to a busy node.
    ("grpc.min_reconnect_backoff_ms", 1_000),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]


class Doors:
    """What generated stubs need of a channel: one at a time of several, with the key in the metadata of every call."""

    def __init__(self, channels: Sequence[Any], api_key: str) -> None:
        """`channels` are of grpc or of grpc.aio; the first is used until `turn`."""
        self._channels = channels
        self._metadata = (("authorization", f"Bearer {api_key}"),)
        self.at = 0

    def __len__(self) -> int:
        return len(self._channels)

    def turn(self, door: int) -> None:
        """Calls go to the door after this one now, if they still went to this one: many calls may fail at once."""
        if self.at == door:
            self.at = (door + 1) % len(self._channels)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A call of one request and one response."""
        return self._callable("unary_unary", *args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """A call of one request and many responses."""
        return self._callable("unary_stream", *args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A call of many requests and one response."""
        return self._callable("stream_unary", *args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """A call of many requests and many responses."""
        return self._callable("stream_stream", *args, **kwargs)

    def _callable(self, kind: str, *args: Any, **kwargs: Any) -> Any:
        there = [partial(getattr(one, kind)(*args, **kwargs), metadata=self._metadata) for one in self._channels]

        def call(*values: Any, **options: Any) -> Any:
            return there[self.at](*values, **options)

        return there[0] if len(there) == 1 else call


class Stubs:
    """The generated stubs, one a noun."""

    def __init__(self, doors: Doors) -> None:
        """`doors` lead to one node."""
        authorized: Any = doors
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


def addresses_of(address: str | Sequence[str]) -> list[str]:
    """One address or several, none of them twice. Raises ValueError where there is none."""
    found = list(dict.fromkeys([address] if isinstance(address, str) else address))
    if not found:
        raise ValueError("a client needs at least one address")
    return found
