"""Accounts: open, fund, read, follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from actors.sealing.batches import key_digest
from breakwater.v1 import (
    accounts_pb2,
    accounts_pb2_grpc,
    answers_pb2,
    batches_pb2,
    commands_pb2,
    common_pb2,
    refusals_pb2,
)
from node.guards import numbers
from node.guards.auth import current_caller
from node.guards.refusals import Refused
from node.services.door import Door, first_row

_WITH_MARGIN: Final = (
    common_pb2.RULEBOOK_MARGIN_TRADE,
    common_pb2.RULEBOOK_PERENNIAL,
    common_pb2.RULEBOOK_SPIN,
)


class AccountService(accounts_pb2_grpc.AccountServiceServicer):
    """See accounts.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def OpenAccount(
        self, request: accounts_pb2.OpenAccountRequest, context: Any
    ) -> accounts_pb2.OpenAccountResponse:
        """Opens one account or several in a row; they become the key's own."""
        key = request.request_key
        batch = commands_pb2.CommandBatch(
            request_key=key.key,
            expires_ms=key.expires_ms,
            venue=request.venue,
            open_accounts=commands_pb2.OpenAccounts(count=request.count or 1),
        )
        outcome = (await self._door.submit(batch)).outcome()
        if outcome.refusal[0]:
            raise Refused(outcome.refusal[0], outcome.required[0], outcome.actual[0])
        return accounts_pb2.OpenAccountResponse(outcome=first_row(outcome), accounts=outcome.reference)

    async def OpenSubaccount(
        self, request: accounts_pb2.OpenSubaccountRequest, context: Any
    ) -> accounts_pb2.OpenSubaccountResponse:
        """A further account of the owner of `owner` (SP-01); it becomes the key's own."""
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_SPIN)
        body = commands_pb2.OpenSubaccounts(owner=[numbers.identity(request.owner, "owner")])
        outcome = await self._door.command(request.request_key, request.venue, open_subaccounts=body)
        return accounts_pb2.OpenSubaccountResponse(outcome=outcome)

    async def Transfer(self, request: accounts_pb2.TransferRequest, context: Any) -> accounts_pb2.TransferResponse:
        """Moves collateral to another account of the same owner; checked like a withdrawal (SP-04)."""
        self._door.venue_of(request.venue, common_pb2.RULEBOOK_SPIN)
        body = commands_pb2.Transfers(
            account=[numbers.identity(request.account, "account")],
            to_account=[numbers.identity(request.to_account, "to_account")],
            amount_atoms=[numbers.amount(request.amount_atoms, "amount_atoms")],
        )
        outcome = await self._door.command(request.request_key, request.venue, transfers=body)
        return accounts_pb2.TransferResponse(outcome=outcome)

    async def Deposit(self, request: accounts_pb2.DepositRequest, context: Any) -> accounts_pb2.DepositResponse:
        """Credits an account; the custodian's word."""
        return accounts_pb2.DepositResponse(outcome=await self._credit(request))

    async def Faucet(self, request: accounts_pb2.FaucetRequest, context: Any) -> accounts_pb2.FaucetResponse:
        """Credits an account of one's own out of nothing, in dev mode; raises WRONG_MODE elsewhere."""
        if not self._door.config.dev:
            raise Refused(refusals_pb2.REFUSAL_WRONG_MODE, 1, 0, "dev")
        return accounts_pb2.FaucetResponse(outcome=await self._credit(request, from_faucet=True))

    async def Withdraw(self, request: accounts_pb2.WithdrawRequest, context: Any) -> accounts_pb2.WithdrawResponse:
        """Asks for a withdrawal; `reference` of the answer is its number."""
        body = commands_pb2.Withdrawals(
            account=[numbers.identity(request.account, "account")],
            amount_atoms=[numbers.amount(request.amount_atoms, "amount_atoms")],
        )
        outcome = await self._door.command(request.request_key, request.venue, withdrawals=body)
        return accounts_pb2.WithdrawResponse(outcome=outcome)

    async def DecideWithdrawal(
        self, request: accounts_pb2.DecideWithdrawalRequest, context: Any
    ) -> accounts_pb2.DecideWithdrawalResponse:
        """Confirms a pending withdrawal, or gives the amount back."""
        body = commands_pb2.WithdrawalDecisions(
            account=[numbers.identity(request.account, "account")],
            withdrawal=[numbers.identity(request.withdrawal, "withdrawal")],
            confirm=[int(request.confirm)],
        )
        outcome = await self._door.command(request.request_key, request.venue, withdrawal_decisions=body)
        return accounts_pb2.DecideWithdrawalResponse(outcome=outcome)

    async def StreamReleases(
        self, request: accounts_pb2.StreamReleasesRequest, context: Any
    ) -> AsyncIterator[accounts_pb2.StreamReleasesResponse]:
        """Withdrawals whose block is signed, with the signature; none before."""
        self._door.venue(request.venue)
        async for block in self._door.feed.blocks(request.from_height):
            released = block.of_kind("withdrawal_requested", request.venue)
            if released:
                signature = await self._door.feed.signature(block.height)
                for event in released:
                    yield accounts_pb2.StreamReleasesResponse(event=event, signature=signature)

    async def GetAccount(
        self, request: accounts_pb2.GetAccountRequest, context: Any
    ) -> accounts_pb2.GetAccountResponse:
        """The account as it stands at a height; raises UNKNOWN_ACCOUNT."""
        views = await self._door.account(request.venue, request.account)
        await self._add_pending(views.accounts[0])
        return accounts_pb2.GetAccountResponse(height=views.height, account=views.accounts[0])

    async def GetMargin(self, request: accounts_pb2.GetMarginRequest, context: Any) -> accounts_pb2.GetMarginResponse:
        """An account's margin by its rulebook: cross (with its places in the queue of MT-15), ratio or versioned."""
        rulebook = self._door.venue_of(request.venue, *_WITH_MARGIN).rulebook
        views = await self._door.account(request.venue, request.account)
        account = views.accounts[0]
        await self._add_pending(account)
        if rulebook != common_pb2.RULEBOOK_MARGIN_TRADE:
            return accounts_pb2.GetMarginResponse(height=views.height, account=account)
        ranks = await self._ranks(account) if account.cross.equity_atoms > 0 else _unranked(account)
        return accounts_pb2.GetMarginResponse(height=views.height, account=account, ranks=ranks)

    async def ListPositions(
        self, request: accounts_pb2.ListPositionsRequest, context: Any
    ) -> accounts_pb2.ListPositionsResponse:
        """Open positions and resting orders of an account; raises UNKNOWN_ACCOUNT."""
        views = await self._door.account(request.venue, request.account)
        account = views.accounts[0]
        return accounts_pb2.ListPositionsResponse(
            height=views.height, positions=account.positions, orders=account.orders
        )

    async def StreamAccount(
        self, request: accounts_pb2.StreamAccountRequest, context: Any
    ) -> AsyncIterator[accounts_pb2.StreamAccountResponse]:
        """A snapshot, then the events of every later block that has one; each message is numbered."""
        views = await self._door.account(request.venue, request.account)
        block = await self._door.feed.block(views.height)
        yield accounts_pb2.StreamAccountResponse(
            sequence=1,
            height=views.height,
            snapshot=views.accounts[0],
            events=block.unsettled_of_account(request.venue, request.account),
        )
        sequence = 1
        async for block in self._door.feed.blocks(views.height + 1):
            events = block.of_account(request.venue, request.account)
            if events:
                sequence += 1
                yield accounts_pb2.StreamAccountResponse(sequence=sequence, height=block.height, events=events)

    async def GetOutcome(
        self, request: accounts_pb2.GetOutcomeRequest, context: Any
    ) -> accounts_pb2.GetOutcomeResponse:
        """What became of a request key of the caller; `known` is false for one that never reached a block."""
        key = key_digest(current_caller().principal, request.request_key)
        await self._door.feed.reach(self._door.host.height())
        found = await asyncio.to_thread(self._door.host.archive.outcome, key)
        if found is None:
            return accounts_pb2.GetOutcomeResponse(known=False)
        return accounts_pb2.GetOutcomeResponse(known=True, outcome=answers_pb2.BatchOutcome.FromString(found.outcome))

    async def _credit(
        self, request: accounts_pb2.DepositRequest | accounts_pb2.FaucetRequest, from_faucet: bool = False
    ) -> answers_pb2.CommandOutcome:
        body = commands_pb2.Deposits(
            account=[numbers.identity(request.account, "account")],
            amount_atoms=[numbers.amount(request.amount_atoms, "amount_atoms")],
        )
        return await self._door.command(request.request_key, request.venue, from_faucet=from_faucet, deposits=body)

    async def _add_pending(self, account: batches_pb2.AccountView) -> None:
        """What the version desks have pending of the account, and the version that ends a lock (PE-08)."""
        for position in account.versioned:
            asked = self._door.host.version_desk(account.venue, position.market, [account.account])
            desk: batches_pb2.VersionView = await asyncio.wrap_future(asked)
            position.pending.extend(desk.pending)
            locks = (order.version_ms for order in desk.pending if order.is_liquidation)
            position.locked_version_ms = next(locks, 0)

    async def _ranks(self, account: batches_pb2.AccountView) -> list[accounts_pb2.DeleverageRank]:
        held = [position for position in account.cross.positions if position.lots]
        queries = [
            batches_pb2.DeleverageRankQuery(
                venue=account.venue,
                market=position.market,
                side=common_pb2.SIDE_LONG if position.lots > 0 else common_pb2.SIDE_SHORT,
                score=position.deleverage_score,
                account=account.account,
            )
            for position in held
        ]
        found = await asyncio.wrap_future(self._door.host.deleverage_ranks(queries))
        return [
            accounts_pb2.DeleverageRank(market=position.market, rank=view.before + 1, positions=view.positions)
            for position, view in zip(held, found, strict=True)
        ]


def _unranked(account: batches_pb2.AccountView) -> list[accounts_pb2.DeleverageRank]:
    """Without equity nobody is deleveraged (MT-15)."""
    held = (position for position in account.cross.positions if position.lots)
    return [accounts_pb2.DeleverageRank(market=position.market) for position in held]
