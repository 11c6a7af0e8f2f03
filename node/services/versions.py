"""Makers and takers of Perennial: changes pinned to oracle versions, repayments, versions as they settle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from breakwater.v1 import batches_pb2, commands_pb2, common_pb2, versions_pb2, versions_pb2_grpc
from node.guards import decimals, numbers
from node.guards.auth import current_caller
from node.guards.refusals import INT64_MIN
from node.lots import lot_size_e9
from node.services.door import Door

_RULEBOOK: Final = common_pb2.RULEBOOK_PERENNIAL
_EVERYTHING: Final = "all"


class VersionService(versions_pb2_grpc.VersionServiceServicer):
    """See versions.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def ChangePosition(
        self, request: versions_pb2.ChangePositionRequest, context: Any
    ) -> versions_pb2.ChangePositionResponse:
        """Pins new sizes to the next version and moves collateral (PE-03, PE-04); what is empty stays as it is."""
        venue = self._door.venue_of(request.venue, _RULEBOOK)
        lot_e9 = lot_size_e9(self._door.market(request.venue, request.market))
        body = commands_pb2.ChangePositions(
            account=[numbers.identity(request.account, "account")],
            market=[request.market],
            maker_lots=[decimals.new_size_lots(request.maker, lot_e9, "maker")],
            long_lots=[decimals.new_size_lots(request.long, lot_e9, "long")],
            short_lots=[decimals.new_size_lots(request.short, lot_e9, "short")],
            collateral_atoms=[_collateral_atoms(request.collateral, venue.asset_decimals)],
        )
        outcome = await self._door.command(request.request_key, request.venue, change_positions=body)
        return versions_pb2.ChangePositionResponse(outcome=outcome)

    async def RepayShortfall(
        self, request: versions_pb2.RepayShortfallRequest, context: Any
    ) -> versions_pb2.RepayShortfallResponse:
        """Pays what an account owes a market after its close, whole or in part (PE-17)."""
        self._door.venue_of(request.venue, _RULEBOOK)
        body = commands_pb2.ShortfallRepayments(
            account=[numbers.identity(request.account, "account")],
            market=[request.market],
            debtor=[numbers.identity(request.debtor, "debtor")],
            amount_atoms=[numbers.amount(request.amount_atoms, "amount_atoms")],
        )
        outcome = await self._door.command(request.request_key, request.venue, shortfall_repayments=body)
        return versions_pb2.RepayShortfallResponse(outcome=outcome)

    async def GetVersionStatus(
        self, request: versions_pb2.GetVersionStatusRequest, context: Any
    ) -> versions_pb2.GetVersionStatusResponse:
        """A market as its version desk has it, with pending orders and debts of accounts the key is bound to."""
        self._door.venue_of(request.venue, _RULEBOOK)
        self._door.market(request.venue, request.market)
        for account in request.accounts:
            current_caller().require_account(request.venue, numbers.identity(account, "accounts"))
        asked = self._door.host.version_desk(request.venue, request.market, list(request.accounts))
        view: batches_pb2.VersionView = await asyncio.wrap_future(asked)
        return versions_pb2.GetVersionStatusResponse(market=view)

    async def StreamVersions(
        self, request: versions_pb2.StreamVersionsRequest, context: Any
    ) -> AsyncIterator[versions_pb2.StreamVersionsResponse]:
        """Versions from a height on (0: from now), valid or not, each once, in the order they settle."""
        self._door.venue_of(request.venue, _RULEBOOK)
        if request.market:
            self._door.market(request.venue, request.market)
        async for block in self._door.feed.blocks(request.from_height or self._door.feed.latest + 1):
            for event in block.of_kinds(("version_settled",), request.venue, request.market):
                yield versions_pb2.StreamVersionsResponse(
                    height=block.height, market=event.market, version=event.version_settled
                )


def _collateral_atoms(text: str, asset_decimals: int) -> int:
    """What goes into the market, negative out of it; the smallest number of a column takes everything out."""
    if text == _EVERYTHING:
        return INT64_MIN
    return decimals.amount_atoms(text, asset_decimals, "collateral") if text else 0
