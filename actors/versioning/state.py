"""The book of a version desk: settled totals, values by side, controller, fees, money, debts, and what is pending.

`balance_atoms` is what came into the market less what left it. In every block it is what accounts have, fees and dust
together (docs/perennial.md); a debt is the negative collateral of its account, so it is in no sum of its own.
"""

from collections.abc import Collection

from actors.risk.perennial_terms import terms_of
from actors.rulebooks.perennial import NOTHING, Totals
from actors.rulebooks.perennial_versions import Accumulators, Controller, FeeSplit
from actors.units import PPM
from actors.versioning.pending import Order, PendingAccount, PendingOrders
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import snapshots_pb2 as snapshots


class VersionBook:
    """State of one desk. settled_ms is the version settled last, valid_ms the valid one, 0 before there was any."""

    def __init__(self, venue: int, market: int) -> None:
        self.venue_terms = parameters.VenueParameters(venue=venue)
        self.market_terms = parameters.MarketParameters(venue=venue, market=market)
        self.venue, self.market = venue, market
        self.terms = terms_of(self.venue_terms, self.market_terms)
        self.settled_ms = 0
        self.valid_ms = 0
        self.next_ms = 0
        self.price_ticks = 0
        self.values = Accumulators()
        self.controller = Controller()
        self.totals = NOTHING
        self.pending = PendingOrders()
        self.balance_atoms = 0
        self.fees = FeeSplit(0, 0, 0, 0)
        self.dust_e6 = 0
        self.debts: dict[int, int] = {}
        self.shortfall_atoms = 0

    def set_terms(self, venue: parameters.VenueParameters, market: parameters.MarketParameters) -> None:
        """Takes the parameters in force; they apply from this block on."""
        if (venue, market) != (self.venue_terms, self.market_terms):
            self.venue_terms.CopyFrom(venue)
            self.market_terms.CopyFrom(market)
            self.terms = terms_of(self.venue_terms, self.market_terms)

    def set_debt(self, account: int, amount_atoms: int) -> None:
        """What an account owes the market from now on, 0 or more (PE-17)."""
        assert amount_atoms >= 0, f"account {account} owes {amount_atoms}"
        self.shortfall_atoms += amount_atoms - self.debts.pop(account, 0)
        if amount_atoms:
            self.debts[account] = amount_atoms

    def record(self) -> batches.VersionRecord:
        """The version settled last, as shards need it."""
        return batches.VersionRecord(
            venue=self.venue,
            market=self.market,
            version_ms=self.settled_ms,
            price_ticks=self.price_ticks,
            maker_value_e6=self.values.maker_atoms_per_unit,
            long_value_e6=self.values.long_atoms_per_unit,
            short_value_e6=self.values.short_atoms_per_unit,
        )

    def sums(self) -> batches.VersionSums:
        """The desk's part of the conservation equation."""
        dust_atoms, dust_rest_e6 = divmod(self.dust_e6, PPM)
        return batches.VersionSums(
            venue=self.venue,
            market=self.market,
            balance_atoms=self.balance_atoms,
            fees_atoms=sum(self.fees),
            shortfall_atoms=self.shortfall_atoms,
            dust_atoms=dust_atoms,
            dust_rest_e6=dust_rest_e6,
            maker_lots=self.totals.maker_lots,
            long_lots=self.totals.long_lots,
            short_lots=self.totals.short_lots,
        )

    def view(self, height: int, accounts: Collection[int], everyone: bool = False) -> batches.VersionView:
        """The market as a reader sees it, with the pending orders and debts asked for, by account."""
        pending = self.pending.totals
        view = batches.VersionView(
            height=height,
            venue=self.venue,
            market=self.market,
            record=self.record(),
            sums=self.sums(),
            protocol_fee_atoms=self.fees.protocol_atoms,
            oracle_fee_atoms=self.fees.oracle_atoms,
            risk_fee_atoms=self.fees.risk_atoms,
            donation_atoms=self.fees.donation_atoms,
            funding_rate_ppm=self.controller.rate_ppm,
            skew_ppm=self.controller.skew_ppm,
            pending_maker_lots=pending.maker_lots,
            pending_long_lots=pending.long_lots,
            pending_short_lots=pending.short_lots,
            utilisation_ppm=pending.utilisation_floor_ppm,
            efficiency_ppm=pending.efficiency_floor_ppm,
            requested_ms=self.pending.versions_ms(),
            next_version_ms=self.next_ms,
            valid_ms=self.valid_ms,
        )
        for account in sorted(self.pending.accounts if everyone else set(accounts) & self.pending.accounts.keys()):
            view.pending.extend(_orders(account, self.pending.accounts[account]))
        for account in sorted(self.debts if everyone else set(accounts) & self.debts.keys()):
            view.debts.add(account=account, amount_atoms=self.debts[account])
        return view

    def save(self) -> bytes:
        """Canonical."""
        state = snapshots.VersionDeskState(
            venue=self.venue_terms,
            market=self.market_terms,
            view=self.view(0, ()),
            settled_ms=self.settled_ms,
            valid_ms=self.valid_ms,
        )
        for account, waiting in sorted(self.pending.accounts.items()):
            state.pending.add(
                account=account,
                maker_lots=waiting.settled.maker_lots,
                long_lots=waiting.settled.long_lots,
                short_lots=waiting.settled.short_lots,
                orders=_orders(account, waiting),
            )
        for account, amount_atoms in sorted(self.debts.items()):
            state.debts.add(account=account, amount_atoms=amount_atoms)
        return state.SerializeToString(deterministic=True)

    def load(self, body: bytes) -> None:
        """Takes what `save` gave."""
        saved = snapshots.VersionDeskState.FromString(body)
        view, record, sums = saved.view, saved.view.record, saved.view.sums
        self.set_terms(saved.venue, saved.market)
        self.settled_ms, self.valid_ms, self.next_ms = saved.settled_ms, saved.valid_ms, view.next_version_ms
        self.price_ticks = record.price_ticks
        self.values = Accumulators(record.maker_value_e6, record.long_value_e6, record.short_value_e6)
        self.controller = Controller(view.funding_rate_ppm, view.skew_ppm)
        self.totals = Totals(sums.maker_lots, sums.long_lots, sums.short_lots)
        self.balance_atoms = sums.balance_atoms
        self.fees = FeeSplit(view.protocol_fee_atoms, view.oracle_fee_atoms, view.risk_fee_atoms, view.donation_atoms)
        self.dust_e6 = sums.dust_atoms * PPM + sums.dust_rest_e6
        self.debts = {debt.account: debt.amount_atoms for debt in saved.debts}
        self.shortfall_atoms = sums.shortfall_atoms
        self.pending.restore(
            Totals(view.pending_maker_lots, view.pending_long_lots, view.pending_short_lots),
            {waiting.account: _pending_account(waiting) for waiting in saved.pending},
        )


def _orders(account: int, waiting: PendingAccount) -> list[batches.PendingPosition]:
    return [
        batches.PendingPosition(
            account=account,
            version_ms=version_ms,
            maker_lots=order.target.maker_lots,
            long_lots=order.target.long_lots,
            short_lots=order.target.short_lots,
            fee_atoms=order.fee_atoms,
            settlement_fee_atoms=order.settlement_fee_atoms,
            is_liquidation=order.is_liquidation,
        )
        for version_ms, order in waiting.orders.items()
    ]


def _pending_account(saved: snapshots.PendingAccount) -> PendingAccount:
    orders = {
        order.version_ms: Order(
            Totals(order.maker_lots, order.long_lots, order.short_lots),
            order.fee_atoms,
            order.settlement_fee_atoms,
            order.is_liquidation,
        )
        for order in saved.orders
    }
    return PendingAccount(Totals(saved.maker_lots, saved.long_lots, saved.short_lots), orders)
