"""Invariants of a Perennial venue after a block: rows, versions that wait, locks, and the ledger of debts.

Columns are looked over for everybody; what is pending is gone through only in markets an event of the block names.
Conservation and sizes are checked inside the block (`commit`).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from actors.chain.numbered_events import EventFacts
from actors.columns import rows
from actors.ledger.versioned_positions import COLLATERAL_BOUND, VersionedPosition
from actors.rulebooks.perennial import NOTHING
from actors.rulebooks.perennial_orders import totals_after
from actors.units import POSITION_LOTS_BOUND
from actors.versioned.book import VersionedBook
from actors.versioning.pending import PendingAccount
from actors.versioning.settling import VALUE_BOUND
from actors.versioning.state import VersionBook
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events
from cluster.replica import Replica

_SETTLED = 1


class _Owed(NamedTuple):
    """Legs of one market that shards have not settled: collateral by account, and whose versions have settled."""

    collateral_atoms: dict[int, int]
    settled: set[int]


def versioned_faults(replica: Replica, venue: int, told: Iterable[events.Event], facts: EventFacts) -> list[str]:
    """What does not hold; `told` are events of the block, `facts` is what all of them name."""
    books, now_ms = replica.versioned_books(venue), replica.state.block_time_ms
    mine = [event for event in told if event.venue == venue]
    named = set(facts.market[(facts.venue == venue) & (facts.account != 0)].tolist())
    faults = [fault for book in books for fault in _row_faults(book)]
    for desk in replica.version_books(venue):
        found = _waiting_faults(desk, now_ms)
        if desk.market in named:
            about = [event for event in mine if event.market == desk.market]
            found += _pending_faults(desk) + _pinned_faults(desk, about)
        found += _debt_faults(desk, books, _owed(replica.state.version_outbox, venue, desk.market))
        faults += [f"market {desk.market} {fault}" for fault in found]
    return [f"venue {venue} {fault}" for fault in faults]


def _row_faults(book: VersionedBook) -> list[str]:
    """Every row is on one side or on none, its numbers in range (PE-12)."""
    table = book.positions.table
    columns = [table.column(name)[: table.slots_made] for name in ("kind", "lots", "basis", "collateral")]
    kind, lots, basis, collateral = columns
    wrong = (kind < 0) | (kind > len(NOTHING)) | ((kind > 0) != (lots > 0)) | ((lots == 0) & (basis != 0))
    wrong |= (lots < 0) | (lots >= POSITION_LOTS_BOUND) | (np.abs(basis) > VALUE_BOUND)
    wrong |= np.abs(collateral) >= COLLATERAL_BOUND
    found = [VersionedPosition._make(table.row(table.key_at(slot))) for slot in np.flatnonzero(wrong).tolist()]
    return [f"{row} is no position" for row in sorted(found)]


def _waiting_faults(desk: VersionBook, now_ms: int) -> list[str]:
    """Versions that wait lie behind the last one settled, and none is past its grace (PE-04, PE-06)."""
    grace_ms, faults = desk.market_terms.perennial.grace_ms, []
    if max(map(abs, desk.values)) > VALUE_BOUND:
        faults.append(f"values {desk.values} are out of range")
    for version_ms in desk.pending.versions_ms():
        if version_ms <= desk.settled_ms:
            faults.append(f"version {version_ms} waits behind {desk.settled_ms}, which has settled")
        elif version_ms + grace_ms < now_ms:
            faults.append(f"version {version_ms} waits though its grace was over at {version_ms + grace_ms}")
    return faults


def _pending_faults(desk: VersionBook) -> list[str]:
    """Orders of an account ascend, a close that locks is its last and only one, totals are what all come to (PE-07)."""
    faults, totals = [], desk.totals
    waiting = desk.pending.versions_ms()
    for account, pending in sorted(desk.pending.accounts.items()):
        totals = totals_after(totals, pending.settled, pending.target)
        if not pending.orders or list(pending.orders) != sorted(pending.orders.keys() & set(waiting)):
            faults.append(f"account {account} has orders at {list(pending.orders)}, versions {waiting} wait")
        faults += _lock_faults(account, pending)
    if totals != desk.pending.totals:
        faults.append(f"with all orders sizes are {totals}, counted are {desk.pending.totals}")
    return faults


def _lock_faults(account: int, pending: PendingAccount) -> list[str]:
    closes = [version_ms for version_ms, order in pending.orders.items() if order.is_liquidation]
    if not closes:
        return []
    if closes != [max(pending.orders)] or pending.target != NOTHING:
        return [f"account {account} is locked by {closes}, its orders are {pending.orders}"]
    return []


def _pinned_faults(desk: VersionBook, told: Sequence[events.Event]) -> list[str]:
    """Who pinned an order waits for no more versions than it may, nor does the market (PE-04)."""
    rules = desk.market_terms.perennial
    pinned = sorted({event.account for event in told if event.HasField("position_pinned")})
    faults = []
    if pinned and len(desk.pending.versions_ms()) > rules.max_pending_versions:
        faults.append(f"waits for {desk.pending.versions_ms()}, {rules.max_pending_versions} versions at most")
    for account in pinned:
        pending = desk.pending.accounts.get(account)
        if pending and len(pending.orders) > rules.max_pending:
            faults.append(f"account {account} waits for {list(pending.orders)}, {rules.max_pending} at most")
    return faults


def _owed(outbox: batches.VersionLegs, venue: int, market: int) -> _Owed:
    owed = _Owed({}, set())
    for leg_class, _, leg_market, _, leg_venue, account, _, collateral, *_ in rows(outbox):
        if (leg_venue, leg_market) != (venue, market):
            continue
        if leg_class == _SETTLED:
            owed.settled.add(account)
        elif collateral:
            owed.collateral_atoms[account] = owed.collateral_atoms.get(account, 0) + collateral
    return owed


def _debt_faults(desk: VersionBook, books: Sequence[VersionedBook], owed: _Owed) -> list[str]:
    """The ledger names who is below zero with neither position nor order, and the whole of it (PE-17)."""
    faults = []
    if desk.shortfall_atoms != sum(desk.debts.values()):
        faults.append(f"shortfall {desk.shortfall_atoms} atoms, debts {sum(desk.debts.values())}")
    unsure = owed.settled | desk.pending.accounts.keys()
    found = {}
    for book in books:
        for account, collateral in _below_zero(book, desk.market):
            debt = -collateral - owed.collateral_atoms.get(account, 0)
            if account not in unsure and debt > 0:
                found[account] = debt
    named = {account: debt for account, debt in desk.debts.items() if account not in unsure}
    if found != named:
        faults.append(f"below zero without position are {found}, the ledger says {named}")
    return faults


def _below_zero(book: VersionedBook, market: int) -> Iterable[tuple[int, int]]:
    """(account, collateral) of rows without lots and below zero."""
    table = book.positions.table
    columns = [table.column(name)[: table.slots_made] for name in ("market", "lots", "collateral")]
    slots = np.flatnonzero((columns[0] == market) & (columns[1] == 0) & (columns[2] < 0))
    for row in (VersionedPosition._make(table.row(table.key_at(slot))) for slot in slots.tolist()):
        yield row.account, row.collateral
