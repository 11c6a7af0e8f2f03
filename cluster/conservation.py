"""The conservation equations of docs/block.md and docs/margin-trade.md: every venue, every block, to the atom."""

from collections.abc import Sequence

import numpy as np

from actors.columns import array, rows
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

_MONEY = ("free_atoms", "held_atoms", "margin_atoms", "pending_atoms")


class InvariantBroken(Exception):
    """A block left the books in a state that must not be; it is not acknowledged and the node stops."""


def check_pool(sums: batches.VenueSums, outbox: batches.Legs, pool: batches.PoolSums) -> None:
    """Twilight: accounts, outbox and NAV against what came in and went out. Raises InvariantBroken."""
    held = pool.nav_realised_atoms - pool.shortfall_atoms
    held += sum(_of_venue(sums, pool.venue, name) for name in _MONEY)
    held += sum(_of_venue(outbox, pool.venue, name) for name in ("free_atoms", "held_atoms", "margin_atoms"))
    _compare(pool.venue, held, _of_venue(sums, pool.venue, "deposited_atoms"), sums)
    margin = _of_venue(sums, pool.venue, "margin_atoms") + _of_venue(outbox, pool.venue, "margin_atoms")
    if margin != pool.trader_margin_atoms:
        raise InvariantBroken(
            f"venue {pool.venue}: traders hold {margin} atoms of margin, the pool counts {pool.trader_margin_atoms}"
        )


def check_backstop(sums: batches.VenueSums, outbox: batches.CrossLegs, backstop: batches.BackstopSums) -> None:
    """Margin Trade: cash less cost of accounts and vault, outbox, funds, shortfall. Raises InvariantBroken."""
    venue = backstop.venue
    held = backstop.fees_atoms + backstop.fund_atoms - backstop.shortfall_atoms
    held += sum(_of_venue(sums, venue, name) for name in _MONEY)
    moved: dict[int, int] = {
        events.CROSS_LEG_KIND_CASH: 1,
        events.CROSS_LEG_KIND_REDEMPTION: 1,
        events.CROSS_LEG_KIND_MINTED: -1,
    }
    for leg_venue, kind, quote, amount in zip(
        outbox.venue, outbox.kind, outbox.quote_atoms, outbox.amount_atoms, strict=True
    ):
        if leg_venue == venue:
            held += moved.get(kind, 0) * amount - quote
    _compare(venue, held, _of_venue(sums, venue, "deposited_atoms") + backstop.deposited_atoms, sums)


def check_longs_equal_shorts(open_interest: batches.OpenInterest, outbox: batches.CrossLegs) -> None:
    """In every book market the lots of positions and outbox sum to nothing. Raises InvariantBroken."""
    net: dict[tuple[int, int], int] = {}
    for venue, market, long_lots, short_lots in rows(open_interest):
        net[venue, market] = net.get((venue, market), 0) + long_lots - short_lots
    for venue, market, lots in zip(outbox.venue, outbox.market, outbox.lots, strict=True):
        net[venue, market] = net.get((venue, market), 0) + lots
    for (venue, market), lots in sorted(net.items()):
        if lots:
            raise InvariantBroken(f"venue {venue} market {market}: longs exceed shorts by {lots} lots")


def check_conservation(
    sums: batches.VenueSums,
    outbox: batches.Legs,
    cross_outbox: batches.CrossLegs,
    pools: Sequence[batches.PoolSums],
    backstops: Sequence[batches.BackstopSums],
) -> None:
    """Every venue's equation. Raises InvariantBroken."""
    for pool in pools:
        check_pool(sums, outbox, pool)
    for backstop in backstops:
        check_backstop(sums, cross_outbox, backstop)


def _of_venue(message: batches.VenueSums | batches.Legs, venue: int, column: str) -> int:
    """Sum of a column over a venue's rows; Python ints, because sums of sums may leave 64 bits."""
    mine = np.flatnonzero(array(message.venue) == venue)
    return sum(array(getattr(message, column))[mine].tolist())


def _compare(venue: int, held: int, deposited: int, sums: batches.VenueSums) -> None:
    withdrawn = _of_venue(sums, venue, "withdrawn_atoms")
    if held != deposited - withdrawn:
        raise InvariantBroken(f"venue {venue}: {held} atoms held against {deposited} deposited - {withdrawn} withdrawn")
