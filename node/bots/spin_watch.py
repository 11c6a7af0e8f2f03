"""Who is below 0.7 on a Spin venue, by the rulebook itself (SP-05); columns say first for whom it need not be asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.rulebooks import spin
from actors.units import E9, mul_div_floor
from breakwater.v1 import common_pb2, parameters_pb2
from node.bots.intents import Feed
from node.bots.standing_table import CASH_MARKET, StandingTable

# Far beyond what rounding to 53 bits can do to sums of a few hundred terms: who is left out is sure to be out.
_DOUBT: Final = 1e-9
_DOUBT_ATOMS: Final = 100.0
# As actors/risk/tradable.py says, which a client without kernels cannot import.
_USABLE: Final = (common_pb2.MARK_STATE_FRESH, common_pb2.MARK_STATE_STALE)
_NO_MARK: Final = common_pb2.Mark()


class MarketTerms(NamedTuple):
    """What counts of a market, and its mark now; `usable` is False where nobody may be liquidated in it."""

    mark_ticks: int
    funding_index_e9: int
    usable: bool
    quote_atoms_per_tick_lot: int
    collateral_e9: int
    step_lots: int
    max_position_lots: int
    max_order_lots: int

    @property
    def lot_atoms(self) -> int:
        """What a lot is worth at the mark."""
        return self.mark_ticks * self.quote_atoms_per_tick_lot

    @property
    def lot_collateral_atoms_e9(self) -> int:
        """What a lot needs at the mark (SP-02)."""
        return self.lot_atoms * self.collateral_e9


class SpinStanding(NamedTuple):
    """An account without its orders (SP-05): equity, the collateral of its positions in 1e-9 atoms, lots by market."""

    equity_atoms: int
    collateral_atoms_e9: int
    lots: dict[int, int]

    @property
    def ratio_floor_e9(self) -> int:
        """Mr, for the order of the worst; it must have a position."""
        return mul_div_floor(self.equity_atoms * E9, E9, self.collateral_atoms_e9)


class SpinWatch:
    """One table and who is below on it. Minds of several accounts may share one: a block counts once."""

    def __init__(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Nobody is known yet."""
        self.table = StandingTable()
        self.rules = parameters_pb2.SpinParameters()
        self._markets: dict[int, parameters_pb2.SpinMarket] = {}
        self._terms: dict[int, MarketTerms] = {}
        # Account -> Mr without orders, floor, 1e-9: all that are below 0.7.
        self.below: dict[int, int] = {}
        self.learn_terms(venue, markets)

    @property
    def penalty_e9(self) -> int:
        """Tf of SP-06."""
        return self.rules.liquidator_reward_e9 + self.rules.insurance_share_e9

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Parameters from now on."""
        known = {market.market: market.spin for market in markets}
        if known != self._markets or venue.spin != self.rules:
            self._markets, self.rules = known, venue.spin
            self.table.has_moved = True
            self._look()

    def begin(self, listing: Feed) -> None:
        """These are all accounts there are."""
        self.table.begin(listing)
        self.below.clear()
        self._look()

    def take(self, feed: Feed) -> None:
        """One block more."""
        if self.table.take(feed):
            self._look()

    @property
    def smallest_step_atoms_e9(self) -> int:
        """The least collateral a takeover can need now (SP-07); 0 where nothing can be taken over."""
        steps = [one.step_lots * one.lot_collateral_atoms_e9 for one in self._terms.values() if one.usable]
        return min(steps, default=0)

    def terms(self, market: int) -> MarketTerms | None:
        """Of a market that has a mark and parameters."""
        return self._terms.get(market)

    def standing(self, account: int) -> SpinStanding:
        """Exact, by the rulebook; a gain in a market whose mark is not usable counts as zero, funding does not."""
        cash = 0
        positions: list[spin.PositionAtMark] = []
        lots: dict[int, int] = {}
        for row in self.table.rows_of(account):
            if row.market == CASH_MARKET:
                cash = row.cost_atoms
                continue
            terms = self._terms.get(row.market)
            if terms is None or not row.lots:
                continue
            k = terms.quote_atoms_per_tick_lot
            value = spin.value_atoms(row.lots, terms.mark_ticks, k)
            cost = row.cost_atoms if terms.usable else max(row.cost_atoms, value)
            accrued = spin.accrued_ceil_atoms(row.lots, row.basis, terms.funding_index_e9, k)
            positions.append(spin.PositionAtMark(row.lots, cost, terms.mark_ticks, k, terms.collateral_e9, accrued))
            lots[row.market] = row.lots
        equity = spin.equity_atoms(cash, positions)
        return SpinStanding(equity, spin.position_collateral_atoms_e9(positions), lots)

    def _look(self) -> None:
        """Everybody again where a mark moved, else only those whose rows changed."""
        changed, moved = self.table.drain()
        if moved:
            self._terms = {market: self._terms_of(market) for market in self._markets if market in self.table.marks}
            changed = set(self.candidates().tolist())
            self.below.clear()
        for account in sorted(changed):
            standing = self.standing(account)
            if spin.tier_of(standing.equity_atoms, standing.collateral_atoms_e9) >= spin.Tier.PARTIAL:
                self.below[account] = standing.ratio_floor_e9
            else:
                self.below.pop(account, None)

    def candidates(self) -> np.ndarray:
        """Accounts that may be below 0.7: all that are, and a few at the bound."""
        table = self.table
        if not table.rows:
            return np.zeros(0, dtype=np.int64)
        mark, index, usable, k, rate = self._terms_by_place()
        place, lots, cost = table.column("place"), table.column("lots"), table.column("cost").astype(np.float64)
        # A market without mark or parameters is as if nobody had a position in it.
        is_counted = (k[place] > 0) & (lots != 0)
        value = np.where(is_counted, lots * (mark * k)[place], 0.0)
        gain = np.where(is_counted, value - cost, 0.0)
        gain = np.where(usable[place], gain, np.minimum(gain, 0.0))
        moved = (index[place] - table.column("basis")).astype(np.float64)
        accrued = np.where(is_counted, lots * moved * k[place] / E9, 0.0)
        worth = np.where(place == 0, cost, gain - accrued)
        need = np.abs(value) * rate[place]
        size = np.abs(cost) + np.abs(value) + np.abs(accrued)
        holder, count = table.column("holder"), len(table.accounts)
        equity, needed, sizes = (np.bincount(holder, weights=one, minlength=count) for one in (worth, need, size))
        is_doubtful = equity * spin.TENTHS < needed * spin.TARGET_TENTHS + sizes * _DOUBT + _DOUBT_ATOMS
        accounts: np.ndarray = table.accounts[is_doubtful & (needed > 0)]
        return accounts

    def _terms_of(self, market: int) -> MarketTerms:
        mark, rules = self.table.marks.get(market, _NO_MARK), self._markets[market]
        return MarketTerms(
            mark.mark_ticks,
            mark.funding_index_e9,
            mark.state in _USABLE,
            rules.quote_atoms_per_tick_lot,
            rules.collateral_ratio_e9,
            max(1, rules.step_lots),
            rules.max_position_lots,
            rules.max_order_lots,
        )

    def _terms_by_place(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Mark, funding index, usable, k and Cc, by the table's place of the market; zeros where there are none."""
        places = self.table.markets
        mark, k, rate = (np.zeros(len(places)) for _ in range(3))
        index, usable = np.zeros(len(places), dtype=np.int64), np.ones(len(places), dtype=bool)
        for place, market in enumerate(places):
            terms = self._terms.get(market)
            if terms is not None:
                mark[place], k[place] = terms.mark_ticks, terms.quote_atoms_per_tick_lot
                rate[place], usable[place] = terms.collateral_e9 / E9, terms.usable
                index[place] = terms.funding_index_e9
        return mark, index, usable, k, rate
