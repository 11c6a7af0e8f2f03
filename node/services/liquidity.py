"""Liquidity providers, the pool of a Twilight venue and the vault of a Margin Trade venue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from breakwater.v1 import commands_pb2, common_pb2, liquidity_pb2, liquidity_pb2_grpc
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
        """Puts atoms of an account into the pool or the vault for shares."""
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
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_TWILIGHT)
        self._require(request.venue, request.accounts)
        pool = await asyncio.wrap_future(self._door.host.pool(request.venue, list(request.accounts)))
        return liquidity_pb2.GetPoolResponse(pool=pool)

    async def StreamPool(
        self, request: liquidity_pb2.StreamPoolRequest, context: Any
    ) -> AsyncIterator[liquidity_pb2.StreamPoolResponse]:
        """The pool after every block that changes it, from now on."""
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_TWILIGHT)
        async for block in self._door.feed.blocks(self._door.feed.latest + 1):
            for event in block.of_kind("pool_updated", request.venue):
                yield liquidity_pb2.StreamPoolResponse(
                    height=block.height, block_time_ms=block.block_time_ms, pool=event.pool_updated
                )

    async def GetVault(self, request: liquidity_pb2.GetVaultRequest, context: Any) -> liquidity_pb2.GetVaultResponse:
        """The vault as it stands (MT-14), with the holdings and locks of accounts the key is bound to."""
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_MARGIN_TRADE)
        self._require(request.venue, request.accounts)
        vault = await asyncio.wrap_future(self._door.host.backstop(request.venue, list(request.accounts)))
        return liquidity_pb2.GetVaultResponse(vault=vault)

    async def StreamVault(
        self, request: liquidity_pb2.StreamVaultRequest, context: Any
    ) -> AsyncIterator[liquidity_pb2.StreamVaultResponse]:
        """The vault and the venue's funds after every block that changes them, from now on."""
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_MARGIN_TRADE)
        async for block in self._door.feed.blocks(self._door.feed.latest + 1):
            for event in block.of_kind("vault_updated", request.venue):
                yield liquidity_pb2.StreamVaultResponse(
                    height=block.height, block_time_ms=block.block_time_ms, vault=event.vault_updated
                )

    def _require(self, venue: int, accounts: Iterable[int]) -> None:
        for account in accounts:
            current_caller().require_account(venue, numbers.identity(account, "accounts"))
