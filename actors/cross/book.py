"""One Margin Trade venue on one shard: accounts, positions, orders, and what the block told of the markets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from actors.columns import among
from actors.cross.health import Health, health
from actors.cross.margin_zones import MarginZones
from actors.ledger.account_images import (
    DigestedRows,
    RowsOfAccounts,
    chained_rows,
    orders_of_accounts,
    single_rows,
)
from actors.ledger.account_marks import AccountMarks, Int64Array
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.cross_positions import KEPT_COLUMNS, CrossPosition, CrossPositions
from actors.ledger.position_rows import MARKET_BITS
from actors.ledger.table import Owned, StagingLog, Table, dumped_rows
from actors.orders.adverse import losing_orders
from actors.orders.book import OrderedBook
from actors.risk.slack_zones import SlackZones
from actors.risk.tiers import Tiers, tiers_of
from actors.rulebooks import margin_trade
from actors.ways import Way
from breakwater.v1 import parameters_pb2 as parameters

if TYPE_CHECKING:
    from actors.cross.caps import MarginRules

VAULT = 0
# What the ladder remembers of an account: the end of its cooldown and the pair kept from right after its last partial
# (MT-12), the last block the ladder acted in, told as queued for its market, a partial whose legs have not settled, the
# rung of that last act.
LADDER_COLUMNS = (
    "account",
    "cooldown_until_ms",
    "kept_equity",
    "kept_maintenance",
    "acted_height",
    "waiting",
    "partial_pending",
    "acted_rung",
)


class CrossBook(OrderedBook):
    """State of a venue on a shard. `owns_vault`: bucket 0 is here, and with it account 0."""

    positions: CrossPositions

    def __init__(self, venue: int, log: StagingLog, way: Way, owns_vault: bool) -> None:
        super().__init__(venue, log, way)
        self.owns_vault = owns_vault
        # Accounts whose cash or positions changed since the last scan, and what that scan found out about the others.
        self.unscanned = AccountMarks()
        self.zones = SlackZones()
        # The same for margins, which change with orders too.
        self.touched.follow()
        self.margin_zones = MarginZones()
        self.margin_rules: MarginRules | None = None
        self.positions = CrossPositions(log, self.money, self.accounts.table)
        self.ladder = Table(LADDER_COLUMNS, log)
        self.tiers: dict[int, Tiers] = {}
        self.unwound_ms: dict[int, int] = {}

    @property
    def rules(self) -> parameters.MarginTradeParameters:
        """The venue's parameters in force."""
        return self.terms.margin_trade

    @property
    def max_orders(self) -> int:
        """Live orders an account may have, triggers included."""
        return self.rules.max_orders_per_account

    def set_terms(self, terms: parameters.VenueParameters) -> None:
        """The venue's parameters from here on; with the first ones the vault's account is opened."""
        super().set_terms(terms)
        if self.owns_vault and VAULT not in self.accounts:
            self.accounts.open(VAULT)

    def set_market(self, market: parameters.MarketParameters) -> None:
        """A market's parameters from here on."""
        super().set_market(market)
        rows = [(tier.lower_notional_atoms, tier.max_leverage) for tier in market.margin_trade.tiers]
        self.tiers[market.market] = tiers_of(rows)

    def k(self, market: int) -> int:
        """What one lot is worth at one tick, atoms."""
        return self.markets[market].margin_trade.quote_atoms_per_tick_lot

    def leverage(self, row: CrossPosition) -> int:
        """The leverage in force in the row's market: the account's choice, else the first tier's (MT-02)."""
        return row.leverage or self.tiers[row.market].max_leverages[0]

    def health(self, account: int) -> Health:
        """Equity, requirements and holds at the marks in force, atoms."""
        return health(self, account)

    def rung_acted(self, account: int) -> int:
        """The rung at which the ladder acted on the account in this block (MT-12), 0 where it did not."""
        if account not in self.ladder or self.ladder.get(account, "acted_height") != self.height:
            return 0
        return self.ladder.get(account, "acted_rung")

    def retake_adverse(self, before: Mapping[int, int]) -> None:
        """`buy_adverse` and `sell_adverse` of every row in the markets whose mark was another `before`, in ticks.

        Never while staging.
        """
        assert not self.log.is_open, "marks are never staged"
        if self.way.trades_by_row:
            self._retake_scalar(set(before))
            return
        self._add_adverse(before, -1)
        self._add_adverse({market: self.mark_ticks(market) for market in before}, 1)

    def _add_adverse(self, marks: Mapping[int, int], times: int) -> None:
        """What orders would lose at these marks joins their rows so often."""
        table, layout = self.positions.table, self.positions.layout
        losing = losing_orders(self, marks, with_reduce_only=False)
        slots, cells = table.slots_of(losing.keys), table.whole()
        assert bool((slots >= 0).all()), "an order rests without a row of its position"
        for cell, mine in ((layout.buy_adverse, losing.sides > 0), (layout.sell_adverse, losing.sides < 0)):
            np.add.at(cells[cell], slots[mine], times * losing.atoms[mine])
            assert bool((cells[cell, slots[mine]] >= 0).all()), "orders would lose less than nothing"

    def _retake_scalar(self, moved: set[int]) -> None:
        table = self.positions.table
        slots = table.slots_made
        buys, sells = np.zeros(slots, dtype=object), np.zeros(slots, dtype=object)
        for row in map(self.orders.read, self.orders.numbers()):
            if row.market in moved and not row.trigger and not row.flags & REDUCE_ONLY:
                slot = table.slot(row.account << MARKET_BITS | row.market)
                (buys if row.side > 0 else sells)[slot] += self.adverse(row, row.remaining)
        in_moved = among(table.column("market")[:slots], moved)
        for name, sums in (("buy_adverse", buys), ("sell_adverse", sells)):
            changed = np.flatnonzero(in_moved & (table.column(name)[:slots] != sums))
            table.put_column(name, changed, sums[changed])

    def _touch_money(self, account: int) -> None:
        self.touched.add(account)
        self.unscanned.add(account)

    def _touch_money_of(self, accounts: Int64Array) -> None:
        self.touched.add_many(accounts)
        self.unscanned.add_many(accounts)

    def adverse(self, row: BookOrder, lots: int) -> int:
        """What this many lots of the order, filled at its limit, would lose at the mark, atoms (MT-02)."""
        mark = self.mark_ticks(row.market)
        return margin_trade.adverse_atoms(row.side, row.limit, mark, lots, self.k(row.market))

    def _add_to_sums(self, order: BookOrder, lots: int, step: int) -> None:
        """Signed lots of an order join the sums of its side, linear so exact, and `step` the row's counts."""
        account, market, side, limit, _, _, _, flags, *_ = order
        if flags & REDUCE_ONLY:
            self.positions.count_reduce_only(account, market, step)
            return
        per_tick = lots * self.k(market)
        gap = side * (limit - self.mark_ticks(market))
        self.positions.add_to_sums(
            account, market, side, lots, limit * per_tick, gap * per_tick if gap > 0 else 0, step
        )

    def rows_of_account(self, account: int) -> list[tuple[DigestedRows, list[int], int | None]]:
        """What the account's digest covers beside its own row; sums over orders follow from the orders."""
        positions = [self.positions.key(account, market) for market in self.positions.of_account(account)]
        return [
            (self.positions.table, positions, KEPT_COLUMNS),
            (self.orders, self.orders.of_account(account), None),
            (self.accounts.withdrawals, self.accounts.withdrawals_of(account), None),
            (self.ladder, [account] if account in self.ladder else [], None),
        ]

    def rows_of_accounts(self, accounts: Int64Array, slots: Int64Array) -> list[RowsOfAccounts]:
        """The same of many accounts in these slots."""
        positions, withdrawals = self.positions, self.accounts.withdrawals
        return [
            chained_rows(positions.table, positions.chains(), slots, KEPT_COLUMNS),
            orders_of_accounts(self.orders, accounts),
            chained_rows(withdrawals, self.accounts.withdrawal_chains(), slots),
            single_rows(self.ladder, accounts),
        ]

    def dumped_bytes(self) -> int:
        """How long `dump` is, in all."""
        kept = (self.accounts, self.positions, self.orders, self.ladder)
        return sum(table.dumped_bytes() for table in kept)

    def dump(self) -> list[bytes]:
        """Tables of rows: accounts, withdrawals, positions, orders, ladder."""
        return [*self.accounts.dump(), self.positions.dump(), self.orders.dump(), self.ladder.dump()]

    def fill(self, dumped: list[bytes], owned: Owned) -> None:
        """Takes the owned rows of a dump; parameters and marks must be in place."""
        self.accounts.fill(dumped[:2], owned)
        self.positions.fill(dumped[2], owned)
        for order, row in self.orders.rows_of(dumped[3], owned):
            self.add_order(order, row)
        for account, cells in dumped_rows(dumped[4], len(LADDER_COLUMNS), owned):
            self.ladder.insert(account, *cells)
