"""Liquidity providers and the pool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from breakwater.v1 import commands_pb2, liquidity_pb2, liquidity_pb2_grpc
from node.guards import numbers
from node.guards.auth import current_caller
from node.services.door import Door


class LiquidityService(liquidity_pb2_grpc.LiquidityServiceServicer):
    """See liquidity.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def DepositLiquidity(
        self, request: liquidity_pb2.DepositLiquidityRequest, context: Any
    ) -> liquidity_pb2.DepositLiquidityResponse:
        """Puts atoms of an account into the pool for shares."""
        body = commands_pb2.LiquidityDeposits(
            account=[numbers.identity(request.account, "account")],
            amount_atoms=[numbers.amount(request.amount_atoms, "amount_atoms")],
        )
        outcome = await self._door.command(request.request_key, request.venue, liquidity_deposits=body)
        return liquidity_pb2.DepositLiquidityResponse(outcome=outcome)

    async def WithdrawLiquidity(
        self, request: liquidity_pb2.WithdrawLiquidityRequest, context: Any
    ) -> liquidity_pb2.WithdrawLiquidityResponse:
        """Redeems shares of an account for atoms."""
        body = commands_pb2.LiquidityWithdrawals(
            account=[numbers.identity(request.account, "account")],
            micro_shares=[numbers.amount(request.micro_shares, "micro_shares")],
        )
        outcome = await self._door.command(request.request_key, request.venue, liquidity_withdrawals=body)
        return liquidity_pb2.WithdrawLiquidityResponse(outcome=outcome)

    async def GetPool(self, request: liquidity_pb2.GetPoolRequest, context: Any) -> liquidity_pb2.GetPoolResponse:
        """The pool as it stands, with the holdings of accounts the key is bound to."""
        self._door.venue(request.venue)
        for account in request.accounts:
            current_caller().require_account(request.venue, numbers.identity(account, "accounts"))
        pool = await asyncio.wrap_future(self._door.host.pool(request.venue, list(request.accounts)))
        return liquidity_pb2.GetPoolResponse(pool=pool)

    async def StreamPool(
        self, request: liquidity_pb2.StreamPoolRequest, context: Any
    ) -> AsyncIterator[liquidity_pb2.StreamPoolResponse]:
        """The pool after every block that changes it, from now on."""
        self._door.venue(request.venue)
        async for block in self._door.feed.blocks(self._door.feed.latest + 1):
            for event in block.of_kind("pool_updated", request.venue):
                yield liquidity_pb2.StreamPoolResponse(
                    height=block.height, block_time_ms=block.block_time_ms, pool=event.pool_updated
                )
