"""Invariants of the design, section 9, that are checked by reading all accounts: for audits, validators and tests.

Conservation is checked inside every block (`commit`); what is here costs a read of every position.
"""

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from cluster.commit import BlockResult
from cluster.replica import Replica

USABLE = (common.MARK_STATE_FRESH, common.MARK_STATE_STALE)
_PAGE = 4_096


def check_after_block(replica: Replica, result: BlockResult) -> list[str]:
    """What does not hold after the block: pool against traders, nobody below zero, nobody liquidatable left over."""
    if not result.state_root:
        return []  # reading every position costs as much as a root: done as often
    queued = _queued(result.events)
    usable = {(mark.venue, mark.market) for mark in result.marks if mark.state in USABLE}
    faults = []
    for venue in sorted(replica.state.venues):
        views = list(_accounts(replica, venue))
        faults += _pool_faces_traders(replica, venue, views)
        for view in views:
            for position in view.positions:
                if (venue, position.market) in usable and position.position not in queued:
                    faults += _healthy(view.account, position)
    return faults


def _accounts(replica: Replica, venue: int) -> list[batches.AccountView]:
    """Every account of a venue; numbers are dense."""
    found: list[batches.AccountView] = []
    first = 1
    while True:
        page = replica.accounts(venue, range(first, first + _PAGE)).accounts
        existing = [view for view in page if view.exists]
        found += existing
        if len(existing) < _PAGE:
            return found
        first += _PAGE


def _queued(serialised: list[bytes]) -> set[int]:
    parsed = (events.Event.FromString(event) for event in serialised)
    return {event.ladder_queued.position for event in parsed if event.HasField("ladder_queued")}


def _pool_faces_traders(replica: Replica, venue: int, views: list[batches.AccountView]) -> list[str]:
    """Pool inventory = -traders: sums of size and margin, with the opens that wait in the outbox (invariant 2)."""
    sizes: dict[tuple[int, int], int] = {}
    for view in views:
        for position in view.positions:
            key = (position.market, position.side)
            sizes[key] = sizes.get(key, 0) + position.position_size
    outbox = replica.state.outbox
    rows = zip(outbox.venue, outbox.kind, outbox.market, outbox.side, outbox.entry_ticks, strict=True)
    terms = zip(outbox.initial_margin_atoms, outbox.leverage_hundredths, strict=True)
    for (leg_venue, kind, market, side, entry), (margin, leverage) in zip(rows, terms, strict=True):
        if leg_venue == venue and kind == events.LEG_KIND_OPENED:
            key = (market, common.SIDE_LONG if side > 0 else common.SIDE_SHORT)
            sizes[key] = sizes.get(key, 0) + margin * leverage // 100 * entry
    faults = []
    for total in replica.pool(venue).totals:
        held = (sizes.get((total.market, common.SIDE_LONG), 0), sizes.get((total.market, common.SIDE_SHORT), 0))
        if held != (total.long_size, total.short_size):
            counted = (total.long_size, total.short_size)
            faults.append(f"venue {venue} market {total.market}: traders hold {held}, the pool counts {counted}")
    return faults


def _healthy(account: int, position: batches.PositionView) -> list[str]:
    """Invariants 7 and 8: equity above maintenance after the ladder."""
    if position.equity_atoms >= position.maintenance_atoms:
        return []
    # Equity is floored and maintenance rounded up: one atom apart they may still be equal or the right way round.
    if position.maintenance_atoms - position.equity_atoms <= 1 and position.equity_atoms >= 0:
        return []
    return [
        f"account {account} position {position.position}: equity {position.equity_atoms} atoms below "
        f"maintenance {position.maintenance_atoms} atoms after the ladder"
    ]
