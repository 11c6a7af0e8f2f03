"""The conservation equations of the pages in docs/: every venue, every block, to the atom."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from actors.columns import RowGatherer, array, field_names, matrix, row_count, rows, split_columns
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import events_pb2 as events

CrossOutbox = batches.CrossLegs | RowGatherer[batches.CrossLegs]
_MICRO = 10**6
_LOTS = field_names(batches.CrossLegs).index("lots")
_HALF_BITS = 32
_HALF_MASK = (1 << _HALF_BITS) - 1


class InvariantBroken(Exception):
    """A block left the books in a state that must not be; it is not acknowledged and the node stops."""


class _Sums(NamedTuple):
    """A venue's columns of `VenueSums`, in their order, over all shards; Python ints, for they may leave 64 bits."""

    free: int
    held: int
    margin: int
    pending: int
    deposited: int
    withdrawn: int

    @property
    def money(self) -> int:
        """What accounts have, in whatever form."""
        return self.free + self.held + self.margin + self.pending


_NOTHING = _Sums(0, 0, 0, 0, 0, 0)


def check_pool(sums: batches.VenueSums, outbox: batches.Legs, pool: batches.PoolSums) -> None:
    """Twilight: accounts, outbox and NAV against what came in and went out. Raises InvariantBroken."""
    mine = _sums_of(sums, pool.venue)
    held = pool.nav_realised_atoms - pool.shortfall_atoms + mine.money
    margin_owed = _of_venue(outbox, pool.venue, "margin_atoms")
    held += sum(_of_venue(outbox, pool.venue, name) for name in ("free_atoms", "held_atoms")) + margin_owed
    _compare(pool.venue, held, mine.deposited, mine.withdrawn)
    margin = mine.margin + margin_owed
    if margin != pool.trader_margin_atoms:
        raise InvariantBroken(
            f"venue {pool.venue}: traders hold {margin} atoms of margin, the pool counts {pool.trader_margin_atoms}"
        )


def check_backstop(sums: batches.VenueSums, outbox: CrossOutbox, backstop: batches.BackstopSums) -> None:
    """Margin Trade: cash less cost of accounts and vault, outbox, funds, shortfall. Raises InvariantBroken."""
    venue = backstop.venue
    mine = _sums_of(sums, venue)
    held = backstop.fees_atoms + backstop.fund_atoms - backstop.shortfall_atoms
    held += mine.money + _owed_by_legs(outbox, venue)
    _compare(venue, held, mine.deposited + backstop.deposited_atoms, mine.withdrawn)


def check_insurance(sums: batches.VenueSums, outbox: CrossOutbox, desk: batches.InsuranceSums) -> None:
    """Spin: cash less cost, outbox, fees, fund, funding on its way, shortfall. Raises InvariantBroken."""
    venue = desk.venue
    mine = _sums_of(sums, venue)
    held = desk.fees_atoms + desk.fund_atoms + desk.funding_atoms - desk.shortfall_atoms
    held += mine.money + _owed_by_legs(outbox, venue)
    _compare(venue, held, mine.deposited + desk.deposited_atoms, mine.withdrawn)


# What the amount of a leg adds to an account's cash; every leg's quote is cost it takes on.
_AMOUNT_SIGNS: dict[int, int] = {
    events.CROSS_LEG_KIND_CASH: 1,
    events.CROSS_LEG_KIND_REDEMPTION: 1,
    events.CROSS_LEG_KIND_MINTED: -1,
    events.CROSS_LEG_KIND_LIQUIDATED: 1,
    events.CROSS_LEG_KIND_TRANSFER: 1,
}


def _owed_by_legs(outbox: CrossOutbox, venue: int) -> int:
    """What the venue's undelivered legs will add to cash less cost of its accounts, atoms."""
    if not row_count(outbox):
        return 0
    mine = array(outbox.venue) == venue
    kind, amount = array(outbox.kind)[mine], array(outbox.amount_atoms)[mine]
    owed = -_exact_sum(array(outbox.quote_atoms)[mine])
    return owed + sum(sign * _exact_sum(amount[kind == named]) for named, sign in _AMOUNT_SIGNS.items())


def check_versioned_venues(
    sums: batches.VenueSums, outbox: batches.VersionLegs, desks: Iterable[batches.VersionSums]
) -> None:
    """Perennial: balances of accounts and markets, and what is on its way between them. Raises InvariantBroken."""
    balances: dict[int, int] = {}
    for desk in desks:
        balances[desk.venue] = balances.get(desk.venue, 0) + desk.balance_atoms
    for venue, free, held in zip(outbox.venue, outbox.free_atoms, outbox.held_atoms, strict=True):
        balances[venue] += free + held
    for venue, balance in sorted(balances.items()):
        mine = _sums_of(sums, venue)
        _compare(venue, balance + mine.money, mine.deposited, mine.withdrawn)


def check_markets(desks: Mapping[tuple[int, int], batches.VersionSums], holdings: batches.VersionHoldings) -> None:
    """Perennial, market by market: what accounts are owed, fees and dust are what the market holds, in 1e-6 atoms.

    `desks` are the sums of the block before, whose legs and record the shards have settled. Raises InvariantBroken.
    """
    held: dict[tuple[int, int], int] = {}
    sizes: dict[tuple[int, int], list[int]] = {}
    for venue, market, collateral, unsettled, unsettled_rest, dust, dust_rest, *lots in rows(holdings):
        amount = (collateral + unsettled + dust) * _MICRO + unsettled_rest + dust_rest
        held[venue, market] = held.get((venue, market), 0) + amount
        before = sizes.get((venue, market), [0, 0, 0])
        sizes[venue, market] = [one + more for one, more in zip(before, lots, strict=True)]
    for (venue, market), desk in sorted(desks.items()):
        found = held.get((venue, market), 0) + (desk.fees_atoms + desk.dust_atoms) * _MICRO + desk.dust_rest_e6
        if found != desk.balance_atoms * _MICRO:
            raise InvariantBroken(
                f"venue {venue} market {market}: {found} micro-atoms are owed, {desk.balance_atoms} atoms are there"
            )
        counted = [desk.maker_lots, desk.long_lots, desk.short_lots]
        if sizes.get((venue, market), [0, 0, 0]) != counted:
            raise InvariantBroken(
                f"venue {venue} market {market}: shards hold {sizes.get((venue, market))}, the desk counts {counted}"
            )


def check_longs_equal_shorts(open_interest: batches.OpenInterest, outbox: CrossOutbox) -> None:
    """In every book market the lots of positions and outbox sum to nothing. Raises InvariantBroken."""
    net: dict[tuple[int, int], int] = {}
    for venue, market, long_lots, short_lots in rows(open_interest):
        net[venue, market] = net.get((venue, market), 0) + long_lots - short_lots
    by_market = split_columns(batches.CrossLegs, matrix(outbox), "venue", "market") if row_count(outbox) else {}
    for (venue, market), legs in by_market.items():
        net[venue, market] = net.get((venue, market), 0) + _exact_sum(legs[_LOTS])
    for (venue, market), lots in sorted(net.items()):
        if lots:
            raise InvariantBroken(f"venue {venue} market {market}: longs exceed shorts by {lots} lots")


def check_conservation(
    sums: batches.VenueSums,
    outbox: batches.Legs,
    cross_outbox: CrossOutbox,
    pools: Sequence[batches.PoolSums],
    backstops: Sequence[batches.BackstopSums],
) -> None:
    """Every venue's equation. Raises InvariantBroken."""
    for pool in pools:
        check_pool(sums, outbox, pool)
    for backstop in backstops:
        check_backstop(sums, cross_outbox, backstop)


def _sums_of(sums: batches.VenueSums, venue: int) -> _Sums:
    """What all shards say of a venue, a row each."""
    mine = [row[1:-1] for row in rows(sums) if row[0] == venue]
    return _Sums(*map(sum, zip(*mine, strict=True))) if mine else _NOTHING


def _of_venue(legs: batches.Legs, venue: int, column: str) -> int:
    """Sum of a column over a venue's legs; a Python int, because a sum may leave 64 bits."""
    if not row_count(legs):
        return 0
    return _exact_sum(array(getattr(legs, column))[array(legs.venue) == venue])


def _exact_sum(values: np.ndarray) -> int:
    """The sum of a column of int64, which itself may leave 64 bits: halves are summed apart."""
    return (int((values >> _HALF_BITS).sum()) << _HALF_BITS) + int((values & _HALF_MASK).sum())


def _compare(venue: int, held: int, deposited: int, withdrawn: int) -> None:
    if held != deposited - withdrawn:
        raise InvariantBroken(f"venue {venue}: {held} atoms held against {deposited} deposited - {withdrawn} withdrawn")
