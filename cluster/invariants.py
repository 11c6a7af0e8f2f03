"""Invariants of the design, section 9, that need a look at every position: for validators, audits and tests.

Conservation is checked inside every block (`commit`). Here whole columns are compared, and of the block's events only
those read that say something about a liquidation, so a block costs what kernels take for all positions.
"""

import numpy as np

from actors.isolated.book import IsolatedBook
from actors.units import LONG, SHORT
from actors.ways import in_turn
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from cluster.commit import BlockResult
from cluster.margin_invariants import nobody_left
from cluster.ratio_invariants import ratio_faults
from cluster.replica import Replica
from cluster.versioned_invariants import versioned_faults

_TOLD = frozenset(
    events.Event.DESCRIPTOR.fields_by_name[kind].number
    for kind in (
        "ladder_queued",
        "insurance_moved",
        "shortfall_recorded",
        "takeover_reserved",
        "account_liquidated",
        "position_pinned",
    )
)


def check_after_block(replica: Replica, result: BlockResult) -> list[str]:
    """What does not hold after the block: pool inventory = -traders, nobody liquidatable left over (2, 7, 8).

    Where bots liquidate: reservations, takeovers, the fund, locks, versions, debts (7, 11).
    """
    faults = []
    told = result.events.of_kinds(_TOLD)
    queued, waiting = _queued(told)
    for venue, rules in sorted(replica.state.venues.items()):
        if rules.rulebook == common.RULEBOOK_SPIN:
            faults += ratio_faults(replica, venue, told)
        elif rules.rulebook == common.RULEBOOK_PERENNIAL:
            faults += versioned_faults(replica, venue, told, result.events.facts())
        elif rules.rulebook == common.RULEBOOK_MARGIN_TRADE:
            for cross_book in replica.cross_books(venue):
                faults += nobody_left(cross_book, waiting)
        else:
            books = replica.books(venue)
            faults += _pool_faces_traders(replica, venue, books)
            for book in books:
                faults += _nobody_left(book, queued)
                faults += _wrong_thresholds(book, result.height)
    return faults


def _queued(parsed: list[events.Event]) -> tuple[frozenset[int], frozenset[tuple[int, int]]]:
    """Positions, and (venue, account) of cross accounts, that an event of this block says could not be acted on."""
    told = [event for event in parsed if event.HasField("ladder_queued")]
    positions = frozenset(event.ladder_queued.position for event in told if event.ladder_queued.position)
    return positions, frozenset((event.venue, event.account) for event in told if not event.ladder_queued.position)


def _pool_faces_traders(replica: Replica, venue: int, books: list[IsolatedBook]) -> list[str]:
    """Invariant 2, by market and side; opens that wait in the outbox count as positions."""
    faults = []
    for total in (total for key, total in sorted(replica.state.totals.items()) if key[0] == venue):
        held = [_size(books, total.market, side) + _owed(replica, venue, total.market, side) for side in (LONG, SHORT)]
        counted = [total.long_size, total.short_size]
        if held != counted:
            faults.append(f"venue {venue} market {total.market}: traders hold {held}, the pool counts {counted}")
    return faults


def _size(books: list[IsolatedBook], market: int, side: int) -> int:
    size = 0
    for book in books:
        table = book.positions.table
        slots = table.slots()
        mine = slots[(table.column("market")[slots] == market) & (table.column("side")[slots] == side)]
        size += int(table.column("position_size")[mine].sum())
    return size


def _owed(replica: Replica, venue: int, market: int, side: int) -> int:
    """Sizes of fills whose legs the shards have not settled yet."""
    legs, size = replica.state.outbox, 0
    for index, kind in enumerate(legs.kind):
        if kind == events.LEG_KIND_OPENED and (legs.venue[index], legs.market[index], legs.side[index]) == (
            venue,
            market,
            side,
        ):
            entry_value = legs.initial_margin_atoms[index] * legs.leverage_hundredths[index] // 100
            size += entry_value * legs.entry_ticks[index]
    return size


def _wrong_thresholds(book: IsolatedBook, height: int) -> list[str]:
    """Maintenance and threshold of the positions whose turn it is, by the scalar rulebook (TW-04, TW-06)."""
    table, faults = book.positions.table, []
    slots = table.slots()
    for position in sorted(map(table.key_at, slots[in_turn(slots, height)].tolist())):
        row = book.positions.read(position)
        if row != book.with_maintenance(row):
            faults.append(f"venue {book.venue} position {position} has a threshold that is not the rulebook's")
    return faults


def _nobody_left(book: IsolatedBook, queued: frozenset[int]) -> list[str]:
    """Invariants 7 and 8: in a usable market no threshold is met by the mark (TW-10), but for the queued."""
    table = book.positions.table
    slots = table.slots()
    side, threshold = table.column("side")[slots], table.column("threshold_ticks")[slots]
    faults = []
    for market in book.usable_markets():
        mark = book.marks[market].mark_ticks
        below = np.where(side == LONG, threshold >= mark, threshold <= mark) & (table.column("market")[slots] == market)
        for slot in slots[below].tolist():
            position = table.key_at(slot)
            if position not in queued:
                faults.append(f"venue {book.venue} position {position} is liquidatable at {mark} and was left")
    return faults
