"""History of an account: rows of its events page by page, and their totals. Read from the archive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from breakwater.v1 import events_pb2, history_pb2, history_pb2_grpc, refusals_pb2
from cluster.archive import Archive, Cursor
from node.feeds.history import entry_of
from node.guards import numbers, pages
from node.guards.auth import current_caller
from node.guards.refusals import Refused
from node.services.door import Door

_KINDS: Final = frozenset(history_pb2.HistoryKind.values())
_HIGHEST_KIND: Final = max(_KINDS)
_SCAN_ROWS: Final = 1_000
_DEPOSITS: Final = ("deposited",)
_WITHDRAWALS: Final = ("withdrawal_requested", "withdrawal_decided")


class _Owner(NamedTuple):
    """Whose history is read, by which rules, and where."""

    archive: Archive
    account: int
    venue: int
    rulebook: int


class HistoryService(history_pb2_grpc.HistoryServiceServicer):
    """See history.proto."""

    def __init__(self, door: Door) -> None:
        """`door` leads to the host."""
        self._door = door

    async def ListHistory(
        self, request: history_pb2.ListHistoryRequest, context: Any
    ) -> history_pb2.ListHistoryResponse:
        """A page of the account's rows, of the kinds asked for or of all."""
        size, after = pages.page_size(request.page_size), pages.cursor(request.page_token)
        for kind in request.kinds:
            if kind not in _KINDS:
                raise Refused(refusals_pb2.REFUSAL_MALFORMED, _HIGHEST_KIND, kind, "kinds")
        first, last = await self._heights(request)
        kinds = frozenset(request.kinds) - {history_pb2.HISTORY_KIND_UNSPECIFIED}
        entries, more = await asyncio.to_thread(_page, self._of(request), first, last, kinds, size, after)
        token = pages.token(entries[-1].height, entries[-1].index) if more else ""
        return history_pb2.ListHistoryResponse(entries=entries, next_page_token=token)

    async def GetStatement(
        self, request: history_pb2.GetStatementRequest, context: Any
    ) -> history_pb2.GetStatementResponse:
        """Totals of the account's rows between two heights, both included."""
        first, last = await self._heights(request)
        return await asyncio.to_thread(_statement, self._of(request), first, last)

    def _of(self, request: history_pb2.ListHistoryRequest | history_pb2.GetStatementRequest) -> _Owner:
        rulebook = self._door.venue(request.venue).rulebook
        return _Owner(self._door.host.archive, request.account, request.venue, rulebook)

    async def _heights(
        self, request: history_pb2.ListHistoryRequest | history_pb2.GetStatementRequest
    ) -> tuple[int, int]:
        """First and last height asked for, once the archive has them; raises UNKNOWN_VENUE, NOT_ALLOWED, OVERFLOW."""
        self._door.venue(request.venue)
        current_caller().require_account(request.venue, numbers.identity(request.account, "account"))
        first = numbers.identity(request.from_height, "from_height")
        last = numbers.identity(request.to_height, "to_height") or self._door.host.height()
        await self._door.feed.reach(min(last, self._door.host.height()))
        return first, last


def _entries(owner: _Owner, first: int, last: int, after: Cursor | None) -> Iterator[history_pb2.HistoryEntry]:
    """Rows of an account past a cursor, up to a height. Runs in a thread."""
    while rows := owner.archive.events_by_account(owner.account, owner.venue, first, _SCAN_ROWS, after):
        for row in rows:
            if row.height > last:
                return
            entry = entry_of(events_pb2.Event.FromString(row.bytes), owner.rulebook)
            if entry is not None:
                yield entry
        after = Cursor(rows[-1].height, rows[-1].idx)


def _page(
    owner: _Owner,
    first: int,
    last: int,
    kinds: frozenset[int],
    size: int,
    after: Cursor | None,
) -> tuple[list[history_pb2.HistoryEntry], bool]:
    """Up to `size` rows, and whether there are more."""
    found: list[history_pb2.HistoryEntry] = []
    for entry in _entries(owner, first, last, after):
        if kinds and entry.kind not in kinds:
            continue
        if len(found) == size:
            return found, True
        found.append(entry)
    return found, False


def _statement(owner: _Owner, first: int, last: int) -> history_pb2.GetStatementResponse:
    totals = history_pb2.GetStatementResponse(from_height=first, to_height=last)
    for entry in _entries(owner, first, last, None):
        totals.change_atoms += entry.amount_atoms
        if entry.kind == history_pb2.HISTORY_KIND_TRANSFER:
            _add_transfer(totals, entry)
        elif entry.kind == history_pb2.HISTORY_KIND_FUNDING:
            totals.funding_atoms += entry.amount_atoms
        else:
            _add_trading(totals, entry)
    return totals


def _add_transfer(totals: history_pb2.GetStatementResponse, entry: history_pb2.HistoryEntry) -> None:
    if entry.event in _DEPOSITS:
        totals.deposited_atoms += entry.amount_atoms
    elif entry.event in _WITHDRAWALS:
        totals.withdrawn_atoms -= entry.amount_atoms
    else:
        totals.transferred_atoms += entry.amount_atoms


def _add_trading(totals: history_pb2.GetStatementResponse, entry: history_pb2.HistoryEntry) -> None:
    """Fees count where they change the balance: a fill on a book is paid for in the row that settles it."""
    if entry.kind == history_pb2.HISTORY_KIND_FILL:
        totals.fills += 1
        totals.volume_atoms += abs(entry.quote_atoms)
    if entry.amount_atoms or entry.kind == history_pb2.HISTORY_KIND_PNL:
        totals.realised_atoms += entry.realised_atoms
        totals.fee_atoms += entry.fee_atoms
        totals.liquidation_fee_atoms += entry.liquidation_fee_atoms
