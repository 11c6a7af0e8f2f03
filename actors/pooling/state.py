"""The pool's book: NAV, shares, claims, totals by market; inflows and outflows and what they pay first (TW-15a, TW-17).

NAV realised is never negative. What the pool cannot pay of a profit is a claim; what it is owed by a margin that
funding drove below zero is recorded shortfall. Inflows fill the shortfall, then the claims, then NAV.
"""

from collections import deque
from dataclasses import dataclass

from actors.risk.tradable import is_usable
from actors.rulebooks import twilight
from actors.units import PPM, div_floor
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import snapshots_pb2 as snapshots


@dataclass(slots=True)
class Claim:
    """Profit the pool owes and could not pay, atoms."""

    account: int
    position: int
    amount_atoms: int


class PoolBook:
    """State of one pool."""

    def __init__(self, venue: int) -> None:
        self.venue = venue
        self.terms = parameters.VenueParameters()
        self.nav_atoms = 0
        self.shortfall_atoms = 0
        self.trader_margin_atoms = 0
        self.deficit_atoms = 0
        self.fees_atoms = 0
        self.funding_atoms = 0
        self.shares: dict[int, int] = {}
        self.total_shares = 0
        self.claims: deque[Claim] = deque()
        self.claims_atoms = 0
        self.totals: dict[int, batches.MarketTotals] = {}
        self.rates_e9: dict[int, int] = {}
        self.marks: dict[int, common.Mark] = {}
        self.halt_age_ms: dict[int, int] = {}
        self.published = events.PoolUpdated()

    def total(self, market: int) -> batches.MarketTotals:
        """Totals of a market, made where there are none."""
        return self.totals.setdefault(market, batches.MarketTotals(venue=self.venue, market=market))

    def sizes(self, market: int) -> tuple[int, int]:
        """Open position sizes of a market, long and short; reads only."""
        total = self.totals.get(market)
        return (total.long_size, total.short_size) if total else (0, 0)

    def count_position(self, market: int, side: int, size: int, entry_value: int, margin_held: int, sign: int) -> None:
        """Adds (sign +1) or takes out (-1) a position."""
        total = self.total(market)
        if side > 0:
            total.long_size += sign * size
            total.long_entry_atoms += sign * entry_value
        else:
            total.short_size += sign * size
            total.short_entry_atoms += sign * entry_value
        total.positions += sign
        self.trader_margin_atoms += sign * margin_held

    def outflow(self, amount_atoms: int) -> int:
        """Pays out of NAV; returns what NAV could not pay."""
        paid = min(amount_atoms, self.nav_atoms)
        self.nav_atoms -= paid
        return amount_atoms - paid

    def inflow(self, amount_atoms: int) -> list[Claim]:
        """Fills the shortfall, then claims in their order, then NAV; returns the claims paid (or their paid parts)."""
        filled = min(amount_atoms, self.shortfall_atoms)
        self.shortfall_atoms -= filled
        amount_atoms -= filled
        paid = []
        while amount_atoms and self.claims:
            claim = self.claims[0]
            part = min(amount_atoms, claim.amount_atoms)
            claim.amount_atoms -= part
            self.claims_atoms -= part
            amount_atoms -= part
            paid.append(Claim(claim.account, claim.position, part))
            if not claim.amount_atoms:
                self.claims.popleft()
        self.nav_atoms += amount_atoms
        return paid

    def unrealised_floor_atoms(self) -> int:
        """What NAV would lose or gain if all positions closed at their marks: minus the sum of uPnL, floored a market.

        With PS = EV * entry the sum over a side is EV - PS / mark: no position is read (TW-05, TW-17). A trader's loss
        counts up to the margin held: after the ladder nobody's loss exceeds it.
        """
        owed = 0
        for market, total in self.totals.items():
            if total.positions:
                mark = self.marks[market].mark_ticks
                longs = total.long_entry_atoms * mark - total.long_size
                shorts = total.short_size - total.short_entry_atoms * mark
                owed += div_floor(-(longs + shorts), mark)
        return owed

    def nav_marked_atoms(self) -> int:
        """NAV realised - claims - shortfall - sum of uPnL (TW-17)."""
        return self.nav_atoms - self.claims_atoms - self.shortfall_atoms + self.unrealised_floor_atoms()

    def untradable_market(self) -> int | None:
        """A market with open positions whose mark may not be acted on, the lowest."""
        for market in sorted(self.totals):
            if self.totals[market].positions and not is_usable(self.marks[market]):
                return market
        return None

    def sums(self) -> batches.PoolSums:
        """The pool's part of the conservation equation, and beside it what is owed."""
        return batches.PoolSums(
            venue=self.venue,
            nav_realised_atoms=self.nav_atoms,
            shortfall_atoms=self.shortfall_atoms,
            trader_margin_atoms=self.trader_margin_atoms,
            claims_atoms=self.claims_atoms,
            deficit_atoms=self.deficit_atoms,
        )

    def figures(self) -> events.PoolUpdated:
        """What is published after a block."""
        totals = self.totals.values()
        return events.PoolUpdated(
            nav_realised_atoms=self.nav_atoms,
            nav_marked_atoms=self.nav_marked_atoms(),
            trader_margin_atoms=self.trader_margin_atoms,
            micro_shares=self.total_shares,
            claims_atoms=self.claims_atoms,
            shortfall_atoms=self.shortfall_atoms,
            deficit_atoms=self.deficit_atoms,
            fees_atoms=self.fees_atoms,
            funding_atoms=self.funding_atoms,
            open_long=sum(total.long_size for total in totals),
            open_short=sum(total.short_size for total in totals),
            positions=sum(total.positions for total in totals),
        )

    def redeem_basis_atoms(self) -> int:
        """NAV redemptions are priced at: realised in `seed`, the lower of realised and marked in `safe` (TW-17)."""
        realised = self.nav_atoms
        return min(realised, self.nav_marked_atoms()) if self.terms.twilight.price_shares_marked else realised

    def mint_basis_atoms(self) -> int:
        """NAV deposits are priced at: realised in `seed`, the higher of realised and marked in `safe` (TW-17)."""
        realised = self.nav_atoms
        return max(realised, self.nav_marked_atoms()) if self.terms.twilight.price_shares_marked else realised

    def view(self, height: int, accounts: list[int]) -> batches.PoolView:
        """The pool as a reader sees it, with the holdings asked for."""
        figures = self.figures()
        view = batches.PoolView(
            height=height,
            venue=self.venue,
            nav_realised_atoms=self.nav_atoms,
            nav_marked_atoms=figures.nav_marked_atoms,
            trader_margin_atoms=self.trader_margin_atoms,
            micro_shares=self.total_shares,
            claims_atoms=self.claims_atoms,
            shortfall_atoms=self.shortfall_atoms,
            deficit_atoms=self.deficit_atoms,
            fees_atoms=self.fees_atoms,
            funding_atoms=self.funding_atoms,
            withdrawable_atoms=twilight.withdrawable_atoms(self.nav_atoms, self.trader_margin_atoms),
            utilisation_ppm=self.trader_margin_atoms * PPM // self.nav_atoms if self.nav_atoms else 0,
            totals=[self.totals[market] for market in sorted(self.totals)],
        )
        basis = self.redeem_basis_atoms()
        for account in accounts:
            held = self.shares.get(account, 0)
            worth = twilight.redeem_floor_atoms(held, self.total_shares, basis) if held else 0
            view.holdings.add(account=account, micro_shares=held, value_atoms=worth)
        return view

    def save(self) -> snapshots.PoolState:
        """The book as a message, in defined order."""
        return snapshots.PoolState(
            parameters=self.terms,
            nav_realised_atoms=self.nav_atoms,
            shortfall_atoms=self.shortfall_atoms,
            trader_margin_atoms=self.trader_margin_atoms,
            deficit_atoms=self.deficit_atoms,
            fees_atoms=self.fees_atoms,
            funding_atoms=self.funding_atoms,
            totals=[self.totals[market] for market in sorted(self.totals)],
            rates=[snapshots.MarketRate(market=key, rate_e9=rate) for key, rate in sorted(self.rates_e9.items())],
            shares=[snapshots.ShareEntry(account=key, micro_shares=held) for key, held in sorted(self.shares.items())],
            claims=[
                snapshots.Claim(account=claim.account, position=claim.position, amount_atoms=claim.amount_atoms)
                for claim in self.claims
            ],
            published=self.published,
            marks=[self.marks[market] for market in sorted(self.marks)],
            halt_ages=[
                snapshots.MarketAge(market=key, halt_age_ms=age) for key, age in sorted(self.halt_age_ms.items())
            ],
        )

    def load(self, saved: snapshots.PoolState) -> None:
        """Takes what `save` gave."""
        self.terms.CopyFrom(saved.parameters)
        self.nav_atoms, self.shortfall_atoms = saved.nav_realised_atoms, saved.shortfall_atoms
        self.trader_margin_atoms, self.deficit_atoms = saved.trader_margin_atoms, saved.deficit_atoms
        self.fees_atoms, self.funding_atoms = saved.fees_atoms, saved.funding_atoms
        self.totals = {total.market: total for total in saved.totals}
        self.rates_e9 = {rate.market: rate.rate_e9 for rate in saved.rates}
        self.shares = {entry.account: entry.micro_shares for entry in saved.shares}
        self.total_shares = sum(self.shares.values())
        self.claims = deque(Claim(claim.account, claim.position, claim.amount_atoms) for claim in saved.claims)
        self.claims_atoms = sum(claim.amount_atoms for claim in self.claims)
        self.published.CopyFrom(saved.published)
        self.marks = {mark.market: mark for mark in saved.marks}
        self.halt_age_ms = {age.market: age.halt_age_ms for age in saved.halt_ages}
