"""One Margin Trade venue on one shard: accounts, positions, orders, and what the block told of the markets."""

from collections.abc import Callable, Sequence
from copy import deepcopy

import numpy as np

from actors.columns import among
from actors.cross.health import Health, health
from actors.ledger.accounts import Accounts
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder, BookOrders
from actors.ledger.bucket_digests import DigestedRows
from actors.ledger.cross_positions import KEPT_COLUMNS, MARKET_BITS, CrossPosition, CrossPositions
from actors.ledger.held_columns import HeldColumns, HeldOrder
from actors.ledger.table import StagingLog, Table, dumped_rows
from actors.risk.slack_zones import SlackZones
from actors.risk.tiers import Tiers, tiers_of
from actors.risk.tradable import is_usable
from actors.rulebooks import margin_trade
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters

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


class CrossBook:
    """State of a venue on a shard. `scalar` makes kernels give way to the scalar rulebook, as a validator runs it.

    `owns_vault`: bucket 0 is here, and with it account 0. height and block_time_ms are those of the call being worked.
    """

    def __init__(self, venue: int, log: StagingLog, scalar: bool, owns_vault: bool) -> None:
        self.venue = venue
        self.scalar = scalar
        self.log = log
        self.owns_vault = owns_vault
        self.touched: set[int] = set()
        # Accounts whose cash or positions changed since the last scan, and what that scan found out about the others.
        self.unscanned: set[int] = set()
        self.zones = SlackZones()
        self.accounts = Accounts(log, self._touch_money, signed=True)
        self.positions = CrossPositions(log, self._touch_money, self.accounts.table.slot)
        self.orders = BookOrders(log, self.touched.add)
        self._held = HeldColumns()
        self.ladder = Table(LADDER_COLUMNS, log)
        self.terms = parameters.VenueParameters()
        self.markets: dict[int, parameters.MarketParameters] = {}
        self.tiers: dict[int, Tiers] = {}
        self.marks: dict[int, common.Mark] = {}
        self.unwound_ms: dict[int, int] = {}
        # Keys of the position rows the last scan sent to the books as caps.
        self.capped: set[int] = set()
        self.height = 0
        self.block_time_ms = 0

    @property
    def rules(self) -> parameters.MarginTradeParameters:
        """The venue's parameters in force."""
        return self.terms.margin_trade

    def set_terms(self, terms: parameters.VenueParameters) -> None:
        """The venue's parameters from here on; with the first ones the vault's account is opened."""
        self.terms = deepcopy(terms)
        if self.owns_vault and VAULT not in self.accounts:
            self.accounts.open(VAULT)

    def set_market(self, market: parameters.MarketParameters) -> None:
        """A market's parameters from here on."""
        self.markets[market.market] = deepcopy(market)
        rows = [(tier.lower_notional_atoms, tier.max_leverage) for tier in market.margin_trade.tiers]
        self.tiers[market.market] = tiers_of(rows)

    def k(self, market: int) -> int:
        """What one lot is worth at one tick, atoms."""
        return self.markets[market].margin_trade.quote_atoms_per_tick_lot

    def mark_ticks(self, market: int) -> int:
        """The mark; 0 before there is one."""
        mark = self.marks.get(market)
        return mark.mark_ticks if mark else 0

    def mark_stamp(self, market: int) -> events.MarkStamp:
        """The mark a decision was made on."""
        mark = self.marks[market]
        return events.MarkStamp(mark_ticks=mark.mark_ticks, version=mark.version, age_ms=mark.age_ms)

    def is_usable(self, market: int) -> bool:
        """The market's mark may be acted on."""
        return market in self.marks and is_usable(self.marks[market])

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

    def touch(self, account: int) -> None:
        """Something of the account changed outside the tables that say so themselves."""
        self.log.note(self.touched.add, account)
        self.touched.add(account)

    def retake_adverse(self, moved: set[int]) -> None:
        """`buy_adverse` and `sell_adverse` of every row in markets whose mark moved. Never while staging."""
        table = self.positions.table
        if self.scalar:
            buys, sells = self._scalar_adverse(moved, table.slots_made)
        else:
            buys, sells = self._adverse_by_columns(moved, table.slots_made)
        in_moved = among(table.column("market")[: table.slots_made], moved)
        for name, sums in (("buy_adverse", buys), ("sell_adverse", sells)):
            slots = np.flatnonzero(in_moved & (table.column(name)[: table.slots_made] != sums))
            table.put_column(name, slots, sums[slots])

    def _adverse_by_columns(self, moved: set[int], slots: int) -> tuple[np.ndarray, np.ndarray]:
        self._held.update({order: self._held_order(row) for order, row in self.orders.take_changed()})
        width = max(self.markets, default=0) + 1
        marks, k = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
        has_moved = np.zeros(width, dtype=np.bool_)
        for market in moved & self.markets.keys():
            marks[market], k[market], has_moved[market] = self.mark_ticks(market), self.k(market), True
        return self._held.adverse_atoms(marks, k, has_moved, slots)

    def _scalar_adverse(self, moved: set[int], slots: int) -> tuple[np.ndarray, np.ndarray]:
        self.orders.take_changed()
        buys, sells = np.zeros(slots, dtype=object), np.zeros(slots, dtype=object)
        for row in map(self.orders.read, self.orders.numbers()):
            held = self._held_order(row) if row.market in moved else None
            if held:
                (buys if row.side > 0 else sells)[held[0]] += self.adverse(row, row.remaining)
        return buys, sells

    def _held_order(self, row: BookOrder | None) -> HeldOrder | None:
        if row is None or row.trigger or row.flags & REDUCE_ONLY:
            return None
        account, market, side, limit, _, remaining, *_ = row
        return self.positions.table.slot(account << MARKET_BITS | market), market, side, limit, remaining

    def _touch_money(self, account: int) -> None:
        self.touched.add(account)
        self.unscanned.add(account)

    def add_order(self, order: int, row: BookOrder) -> None:
        """Takes an order or a trigger in; a resting one joins the sums of its position's row."""
        self.orders.insert(order, row)
        if not row.trigger:
            self.positions.ensure(row.account, row.market)
            self._add_to_sums(row, row.remaining, 1)

    def remove_order(self, order: int) -> BookOrder:
        """Takes an order or a trigger out, its hold with it, and returns its row."""
        row = self.orders.remove(order)
        if not row.trigger:
            self._add_to_sums(row, -row.remaining, -1)
            self.positions.drop_if_empty(row.account, row.market)
        return row

    def remove_orders(self, account: int, orders: Sequence[int]) -> list[BookOrder]:
        """`remove_order` for several of an account: the row of a position is written once."""
        rows = [self.orders.remove(order) for order in orders]
        resting = [row for row in rows if not row.trigger]
        for row in resting:
            self._add_to_sums(row, -row.remaining, -1)
        for market in {row.market for row in resting}:
            self.positions.drop_if_empty(account, market)
        return rows

    def fill_order(self, order: int, lots: int) -> int:
        """Lots of a resting order were filled; returns what is left, and takes the order out at 0.

        They may be more than are left: an amend took lots off in the block in which the book filled them.
        """
        row = self.orders.read(order)
        assert not row.trigger and lots > 0, f"order {order} cannot be filled by {lots} lots"
        if lots >= row.remaining:
            self.remove_order(order)
            return 0
        self.orders.set_remaining(order, row.remaining - lots)
        self._add_to_sums(row, -lots, 0)
        return row.remaining - lots

    def change_order(self, order: int, **changes: int) -> BookOrder:
        """Cells of an order become others (an amend, a trigger that fired); returns the row after it."""
        row = self.remove_order(order)._replace(**changes)
        self.add_order(order, row)
        return row

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

    def sums(self) -> tuple[int, ...]:
        """A row of `VenueSums`; margin is minus the signed sum of costs."""
        sums = self.accounts.sums
        return (
            self.venue,
            sums.free,
            sums.held,
            -self.positions.cost_atoms,
            sums.pending,
            sums.deposited,
            sums.withdrawn,
            self.positions.open_count,
        )

    def open_interest(self) -> list[tuple[int, int, int]]:
        """(market, long lots, short lots) of every market, ascending."""
        interest = self.positions.interest
        return [
            (market, interest[market].long_lots, interest[market].short_lots) if market in interest else (market, 0, 0)
            for market in sorted(self.markets)
        ]

    def dump(self) -> list[bytes]:
        """Tables of rows: accounts, withdrawals, positions, orders, ladder."""
        return [*self.accounts.dump(), self.positions.dump(), self.orders.dump(), self.ladder.dump()]

    def fill(self, dumped: list[bytes], owns: Callable[[int], bool]) -> None:
        """Takes the owned rows of a dump; parameters and marks must be in place."""
        self.accounts.fill(dumped[:2], owns)
        self.positions.fill(dumped[2], owns)
        for order, row in self.orders.rows_of(dumped[3], owns):
            self.add_order(order, row)
        for account, cells in dumped_rows(dumped[4], len(LADDER_COLUMNS), owns):
            self.ladder.insert(account, *cells)
