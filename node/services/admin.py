"""Operators: venues, markets, parameters, halts, sealing, snapshots, the node's state."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc

from actors.rulebooks.versions import name_newest
from breakwater.v1 import admin_pb2, admin_pb2_grpc, commands_pb2, refusals_pb2
from cluster.backup import BackupError
from cluster.journal import JournalError
from node.guards import numbers
from node.guards.auth import current_caller
from node.guards.batches import check_rights, rows_of
from node.guards.dev_keys import PRIVATE_FILES
from node.guards.refusals import Refused
from node.logs import logger
from node.services.door import WITH_BOOKS, Door
from node.services.sharding import ShardAdministration

_log = logger("admin")


class AdminService(ShardAdministration, admin_pb2_grpc.AdminServiceServicer):
    """See admin.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def CreateVenue(self, request: admin_pb2.CreateVenueRequest, context: Any) -> admin_pb2.CreateVenueResponse:
        """Lists a venue; its number is taken from the parameters, and its logic is the newest unless they name one."""
        name_newest(request.parameters)
        body = commands_pb2.CreateVenue(parameters=request.parameters)
        outcome = await self._door.command(request.request_key, request.parameters.venue, create_venue=body)
        return admin_pb2.CreateVenueResponse(outcome=outcome)

    async def CreateMarket(
        self, request: admin_pb2.CreateMarketRequest, context: Any
    ) -> admin_pb2.CreateMarketResponse:
        """Lists a market of a venue."""
        body = commands_pb2.CreateMarket(parameters=request.parameters)
        outcome = await self._door.command(request.request_key, request.parameters.venue, create_market=body)
        return admin_pb2.CreateMarketResponse(outcome=outcome)

    async def ChangeParameters(
        self, request: admin_pb2.ChangeParametersRequest, context: Any
    ) -> admin_pb2.ChangeParametersResponse:
        """Replaces the parameters of a venue or of a market, one of them."""
        if request.HasField("venue") == request.HasField("market"):
            raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="venue")
        if request.HasField("venue"):
            venue = request.venue.venue
            body = commands_pb2.SetParameters(venue=request.venue, expected_version=request.expected_version)
        else:
            venue = request.market.venue
            body = commands_pb2.SetParameters(market=request.market, expected_version=request.expected_version)
        outcome = await self._door.command(request.request_key, venue, set_parameters=body)
        return admin_pb2.ChangeParametersResponse(outcome=outcome)

    async def HaltMarket(self, request: admin_pb2.HaltMarketRequest, context: Any) -> admin_pb2.HaltMarketResponse:
        """Halts a market with a reason, or lets it go on."""
        body = commands_pb2.HaltMarket(market=request.market, halted=request.halted, reason=request.reason)
        outcome = await self._door.command(request.request_key, request.venue, halt_market=body)
        _log.warning("market", venue=request.venue, market=request.market, halted=request.halted, reason=request.reason)
        return admin_pb2.HaltMarketResponse(outcome=outcome)

    async def FreezeAccount(
        self, request: admin_pb2.FreezeAccountRequest, context: Any
    ) -> admin_pb2.FreezeAccountResponse:
        """Freezes an account (closes and cancels stay possible), or thaws it."""
        body = commands_pb2.FreezeAccounts(
            account=[numbers.identity(request.account, "account")], frozen=[int(request.frozen)]
        )
        outcome = await self._door.command(request.request_key, request.venue, freeze_accounts=body)
        return admin_pb2.FreezeAccountResponse(outcome=outcome)

    async def DepositInsurance(
        self, request: admin_pb2.DepositInsuranceRequest, context: Any
    ) -> admin_pb2.DepositInsuranceResponse:
        """Pays into a venue's insurance fund (MT-16a, SP-09)."""
        self._door.venue_of(request.venue, *WITH_BOOKS)
        body = commands_pb2.InsuranceDeposit(amount_atoms=numbers.amount(request.amount_atoms, "amount_atoms"))
        outcome = await self._door.command(request.request_key, request.venue, insurance_deposit=body)
        return admin_pb2.DepositInsuranceResponse(outcome=outcome)

    async def Pause(self, request: admin_pb2.PauseRequest, context: Any) -> admin_pb2.PauseResponse:
        """Takes cancels, deposits and ticks only, or everything again."""
        self._door.host.pause(request.paused)
        _log.warning("pause", paused=request.paused, by=current_caller().name)
        return admin_pb2.PauseResponse(paused=request.paused)

    async def TakeSnapshot(
        self, request: admin_pb2.TakeSnapshotRequest, context: Any
    ) -> admin_pb2.TakeSnapshotResponse:
        """Writes a snapshot now; FAILED_PRECONDITION says why none could be written, a full disk for instance."""
        try:
            height: int = await asyncio.wrap_future(self._door.host.take_snapshot())
        except OSError as error:
            _log.error("snapshot", failed=str(error))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no snapshot was written: {error}")
            raise AssertionError("abort does not return") from error
        return admin_pb2.TakeSnapshotResponse(height=height)

    async def Backup(self, request: admin_pb2.BackupRequest, context: Any) -> admin_pb2.BackupResponse:
        """Copies the node into a directory of its machine, named from the root; FAILED_PRECONDITION says why not."""
        directory = Path(request.directory)
        if not directory.is_absolute():
            raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="directory")
        try:
            made = await asyncio.to_thread(self._door.host.back_up, directory, PRIVATE_FILES)
        except (BackupError, JournalError, OSError) as error:
            _log.error("backup", directory=str(directory), failed=str(error))
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, f"no backup was made: {error}")
            raise AssertionError("abort does not return") from error
        _log.info("backup", directory=str(directory), height=made.height, by=current_caller().name)
        return admin_pb2.BackupResponse(height=made.height, snapshot_height=made.snapshot_height, bytes=made.bytes)

    async def SealBlock(self, request: admin_pb2.SealBlockRequest, context: Any) -> admin_pb2.SealBlockResponse:
        """Seals a block of the driver's batches at the driver's time; raises WRONG_MODE outside driver mode."""
        door = self._door
        if not door.config.driver_mode:
            raise Refused(refusals_pb2.REFUSAL_WRONG_MODE, 1, 0, "driver_mode")
        rows = sum(rows_of(batch) for batch in request.batches)
        if rows > door.config.limits.seal_rows:
            raise Refused(refusals_pb2.REFUSAL_BATCH_TOO_LARGE, door.config.limits.seal_rows, rows, "batches")
        caller = current_caller()
        for batch in request.batches:
            check_rights(batch, caller)
            batch.principal = caller.principal
        response = await asyncio.wrap_future(door.host.seal(request))
        for batch, outcome in zip(request.batches, response.outcomes, strict=True):
            await door.bind_opened(batch, outcome)
        return response

    async def GetStatus(self, request: admin_pb2.GetStatusRequest, context: Any) -> admin_pb2.GetStatusResponse:
        """What the node is doing."""
        status = await asyncio.to_thread(self._door.host.status)
        status.version = self._door.version
        return status
