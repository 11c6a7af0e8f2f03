"""Which services a node offers."""

from __future__ import annotations

from typing import Final

import grpc

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
from node.guards.roles import CALLS
from node.services.accounts import AccountService
from node.services.admin import AdminService
from node.services.blocks import BlockService
from node.services.door import Door
from node.services.history import HistoryService
from node.services.liquidations import LiquidationService
from node.services.liquidity import LiquidityService
from node.services.markets import MarketService
from node.services.oracle import OracleService
from node.services.orders import OrderService
from node.services.trading import TradingService
from node.services.versions import VersionService

SERVICE_NAMES: Final = tuple(f"breakwater.v1.{service}" for service in CALLS)


def add_services(server: grpc.aio.Server, door: Door) -> None:
    """Puts every service in front of the door."""
    accounts_pb2_grpc.add_AccountServiceServicer_to_server(AccountService(door), server)
    trading_pb2_grpc.add_TradingServiceServicer_to_server(TradingService(door), server)
    orders_pb2_grpc.add_OrderServiceServicer_to_server(OrderService(door), server)
    history_pb2_grpc.add_HistoryServiceServicer_to_server(HistoryService(door), server)
    markets_pb2_grpc.add_MarketServiceServicer_to_server(MarketService(door), server)
    versions_pb2_grpc.add_VersionServiceServicer_to_server(VersionService(door), server)
    liquidity_pb2_grpc.add_LiquidityServiceServicer_to_server(LiquidityService(door), server)
    oracle_pb2_grpc.add_OracleServiceServicer_to_server(OracleService(door), server)
    liquidation_pb2_grpc.add_LiquidationServiceServicer_to_server(LiquidationService(door), server)
    block_service_pb2_grpc.add_BlockServiceServicer_to_server(BlockService(door), server)
    admin_pb2_grpc.add_AdminServiceServicer_to_server(AdminService(door), server)
