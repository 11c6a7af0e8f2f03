"""Who is below the requirement on a Perennial venue, by the rulebook (PE-02); columns say first whom to ask about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.risk.perennial_terms import market_rules, risk_rules
from actors.rulebooks.perennial import (
    NOTHING,
    MarketRules,
    RiskRules,
    Totals,
    is_liquidatable,
    liquidation_fee_floor_atoms,
    requirement_floor_atoms,
    reward_limit_atoms,
)
from actors.rulebooks.perennial_orders import order_effect, position_fee_floor_atoms, settlement_fee_atoms
from actors.rulebooks.perennial_versions import Accumulators, settle_account
from actors.units import PPM, mul_div_floor
from breakwater.v1 import batches_pb2, events_pb2, parameters_pb2
from node.bots.intents import Feed
from node.bots.standing_table import StandingRow, StandingTable

# Far beyond what rounding to 53 bits can do to these few terms: whoever the cut leaves out is sure to be out.
_DOUBT: Final = 1e-9
_DOUBT_ATOMS: Final = 100.0
_KINDS: Final = (
    events_pb2.POSITION_KIND_MAKER,
    events_pb2.POSITION_KIND_LONG,
    events_pb2.POSITION_KIND_SHORT,
)
_FIRST_KIND: Final = _KINDS[0]

Key = tuple[int, int]


class VersionTerms(NamedTuple):
    """A market as its latest valid version left it, and everybody's settled sizes there."""

    record: batches_pb2.VersionRecord
    risk: RiskRules
    rules: MarketRules
    version_ms: int
    totals: Totals
    exact: bool

    @property
    def accumulators(self) -> Accumulators:
        """What one unit of each side has earned (PE-12)."""
        return Accumulators(self.record.maker_value_e6, self.record.long_value_e6, self.record.short_value_e6)

    def is_stale(self, block_time_ms: int) -> bool:
        """Whether the slot an order would be pinned to now is too far from the latest valid version (PE-04)."""
        next_ms = (block_time_ms // self.version_ms + 1) * self.version_ms
        return next_ms - self.record.version_ms >= self.risk.stale_after_ms


class KeeperStanding(NamedTuple):
    """A position as a liquidation would find it. Atoms; collateral is less all pending fees and those of the close."""

    collateral_atoms: int
    requirement_atoms: int
    fee_atoms: int
    reward_limit_atoms: int

    @property
    def is_liquidatable(self) -> bool:
        """PE-02, strict."""
        return is_liquidatable(self.collateral_atoms, self.requirement_atoms)

    @property
    def worst_first(self) -> int:
        """Collateral over requirement in 1e-6, floor."""
        return mul_div_floor(self.collateral_atoms, PPM, max(1, self.requirement_atoms))


class KeeperWatch:
    """One table and who is below on it. Minds of several accounts may share one: a block counts once."""

    def __init__(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Nobody is known yet."""
        self.table = StandingTable()
        self._exact = False
        self._markets: dict[int, parameters_pb2.PerennialMarket] = {}
        self._terms: dict[int, VersionTerms] = {}
        # (Account, market) -> how it stands: all that are below the requirement and not locked.
        self.below: dict[Key, KeeperStanding] = {}
        self.learn_terms(venue, markets)

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Parameters from now on."""
        known = {market.market: market.perennial for market in markets}
        if known != self._markets or venue.perennial.v2_exact != self._exact:
            self._markets, self._exact = known, venue.perennial.v2_exact
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

    def terms(self, market: int) -> VersionTerms | None:
        """Of a market that has a valid version and parameters."""
        return self._terms.get(market)

    def standing(self, row: StandingRow) -> KeeperStanding | None:
        """Exact but for the fees of the close: they are those of a market in which nothing is pending.

        None without a position, where the account is locked, or where the market has no version.
        """
        terms = self._terms.get(row.market)
        if terms is None or not row.lots or row.lock_ms or row.kind not in _KINDS:
            return None
        position = NOTHING._replace(**{Totals._fields[row.kind - _FIRST_KIND]: row.lots})
        earned = settle_account(Accumulators(row.basis, row.basis, row.basis), terms.accumulators, position)
        price, risk = terms.record.price_ticks, terms.risk
        required = requirement_floor_atoms(row.lots, price, risk.maintenance_ppm, risk.min_maintenance_atoms)
        effect = order_effect(terms.totals, position, NOTHING, risk.virtual_taker_lots)
        closing = position_fee_floor_atoms(effect, price, risk, terms.rules.closed)
        closing += settlement_fee_atoms(effect, terms.rules)
        left = row.cost_atoms + earned.amount_atoms - row.fee_atoms
        fee = liquidation_fee_floor_atoms(
            required,
            risk.liquidation_fee_ppm,
            risk.min_liquidation_fee_atoms,
            risk.max_liquidation_fee_atoms,
            terms.exact,
        )
        return KeeperStanding(left - closing, required, fee, reward_limit_atoms(fee, left, closing, terms.exact))

    def _look(self) -> None:
        """Everybody again where a version came, else only those whose rows changed."""
        changed, moved = self.table.drain()
        if not moved and not changed:
            return
        before, self._terms = self._terms, self._terms_now()
        # Sizes move the fees of everybody's close.
        if moved or before != self._terms:
            self.below.clear()
            changed = set(self.candidates().tolist())
        else:
            self.below = {key: standing for key, standing in self.below.items() if key[0] not in changed}
        for account in sorted(changed):
            for row in self.table.rows_of(account):
                standing = self.standing(row)
                if standing is not None and standing.is_liquidatable:
                    self.below[account, row.market] = standing

    def candidates(self) -> np.ndarray:
        """Accounts with a position that may be below the requirement: all that are, and a few at the bound."""
        table = self.table
        if not table.rows:
            return np.zeros(0, dtype=np.int64)
        price, maintenance, least, fee_rate, settlement, values = self._terms_by_place()
        place, lots = table.column("place"), table.column("lots").astype(np.float64)
        side = np.clip(table.column("kind") - _FIRST_KIND, 0, len(_KINDS) - 1)
        moved = (values[place, side] - table.column("basis")).astype(np.float64)
        cost, fees = table.column("cost").astype(np.float64), table.column("fees").astype(np.float64)
        earned, notional = lots * moved / PPM, lots * price[place] / PPM
        left = cost + earned - fees - notional * fee_rate[place] - settlement[place]
        required = np.maximum(notional * maintenance[place], least[place])
        size = np.abs(cost) + np.abs(earned) + np.abs(fees) + notional
        is_doubtful = np.maximum(left, 0.0) < required + size * _DOUBT + _DOUBT_ATOMS
        is_open = (lots > 0) & (table.column("lock") == 0) & (price[place] > 0)
        accounts: np.ndarray = np.unique(table.accounts[table.column("holder")[is_doubtful & is_open]])
        return accounts

    def _terms_now(self) -> dict[int, VersionTerms]:
        table = self.table
        sizes = np.zeros((len(table.markets), len(_KINDS)), dtype=np.int64)
        kind = table.column("kind") - _FIRST_KIND
        has_side = (kind >= 0) & (kind < len(_KINDS))
        np.add.at(sizes, (table.column("place")[has_side], kind[has_side]), table.column("lots")[has_side])
        totals = {market: Totals(*sizes[place].tolist()) for place, market in enumerate(table.markets)}
        return {
            market: VersionTerms(
                table.versions[market],
                risk_rules(parameters),
                market_rules(parameters),
                max(1, parameters.version_ms),
                totals.get(market, NOTHING),
                self._exact,
            )
            for market, parameters in self._markets.items()
            if market in table.versions and table.versions[market].version_ms
        }

    def _terms_by_place(self) -> tuple[np.ndarray, ...]:
        """By place of the market: price, maintenance, its least, the most a close may cost, values by side."""
        places = self.table.markets
        price, maintenance, least, fee_rate, settlement = (np.zeros(len(places)) for _ in range(5))
        values = np.zeros((len(places), len(_KINDS)), dtype=np.int64)
        for place, market in enumerate(places):
            terms = self._terms.get(market)
            if terms is not None:
                risk = terms.risk
                price[place], maintenance[place] = abs(terms.record.price_ticks), risk.maintenance_ppm / PPM
                least[place], settlement[place] = risk.min_maintenance_atoms, terms.rules.settlement_fee_atoms
                # Skew moves by two at the most, all else by one.
                maker = risk.maker_fee_ppm + abs(risk.maker_impact_ppm)
                taker = risk.taker_fee_ppm + 2 * risk.taker_skew_ppm + abs(risk.taker_impact_ppm)
                fee_rate[place] = max(maker, taker) / PPM
                values[place] = terms.accumulators
        return price, maintenance, least, fee_rate, settlement, values
