"""One Spin venue on one shard: accounts, positions, orders, reservations, and what the block told of the markets."""

import numpy as np

from actors.ledger.account_images import DigestedRows, RowsOfAccounts, chained_rows, orders_of_accounts
from actors.ledger.account_marks import Int64Array
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY, BookOrder
from actors.ledger.position_rows import MARKET_BITS
from actors.ledger.ratio_positions import KEPT_COLUMNS, RatioPositions, Reservations
from actors.ledger.table import Owned, StagingLog
from actors.orders.adverse import losing_orders
from actors.orders.book import OrderedBook
from actors.ratio.health import Health, Terms, health
from actors.ways import Way
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters


class RatioBook(OrderedBook):
    """State of a venue on a shard. `changed`: accounts whose cash or positions changed since the block began."""

    positions: RatioPositions

    def __init__(self, venue: int, log: StagingLog, way: Way) -> None:
        super().__init__(venue, log, way)
        self.changed: set[int] = set()
        # `changed` and `moved` as they were before anything was staged.
        self._certain: tuple[set[int], set[int]] | None = None
        self.positions = RatioPositions(log, self.money, self.accounts.table, self.index_e9)
        self.reservations = Reservations(self.positions, log, self.accounts.table)

    @property
    def rules(self) -> parameters.SpinParameters:
        """The venue's parameters in force."""
        return self.terms.spin

    @property
    def max_orders(self) -> int:
        """Live orders an account may have, triggers included."""
        return self.rules.max_orders_per_account

    def k(self, market: int) -> int:
        """What one lot is worth at one tick, atoms."""
        return self.markets[market].spin.quote_atoms_per_tick_lot

    def index_e9(self, market: int) -> int:
        """Cumulative funding in 1e-9 ticks; 0 before there is a mark (SP-11)."""
        mark = self.marks.get(market)
        return mark.funding_index_e9 if mark else 0

    def health(self, account: int) -> Health:
        """Equity and collateral at the marks in force."""
        return health(self, account, Terms(self))

    def set_mark(self, mark: common.Mark) -> None:
        """A market's mark from here on; between blocks no market order is live, so no sum depends on it."""
        self.marks[mark.market] = mark

    def adverse_atoms(self) -> Int64Array:
        """By slot of an account: what its resting orders filled at their limits would lose at the marks, fees aside."""
        marks = {market: self.mark_ticks(market) for market in self.markets}
        losing = losing_orders(self, marks, with_reduce_only=True)
        sums = np.zeros(self.accounts.table.slots_made, dtype=np.int64)
        np.add.at(sums, self.accounts.slots_of(losing.keys >> MARKET_BITS), losing.atoms)
        assert bool((sums >= 0).all()), "orders would lose less than nothing"
        return sums

    def begin_block(self) -> None:
        """What changes from here on is this block's."""
        self.changed.clear()
        self.positions.moved.clear()
        self._certain = None

    def begin_staging(self) -> None:
        """What changes from here on may be dropped."""
        self._certain = (self.changed.copy(), self.positions.moved.copy())

    def drop_staged(self) -> None:
        """What was staged has been rolled back: it changed nothing."""
        if self._certain:
            self.changed, self.positions.moved = self._certain
            self._certain = None

    def _touch_money(self, account: int) -> None:
        self.touched.add(account)
        self.changed.add(account)

    def _touch_money_of(self, accounts: Int64Array) -> None:
        self.touched.add_many(accounts)
        self.changed.update(accounts.tolist())

    def _add_to_sums(self, order: BookOrder, lots: int, step: int) -> None:
        """Orders count at their limit, market orders at the mark, which stays until they are gone (SP-03)."""
        account, market, side, limit, _, _, _, flags, *_ = order
        if flags & REDUCE_ONLY:
            self.positions.count_reduce_only(account, market, step)
            return
        price = self.mark_ticks(market) if flags & MARKET_ORDER else limit
        self.positions.add_to_sums(account, market, side, lots, lots * price * self.k(market), step)

    def rows_of_account(self, account: int) -> list[tuple[DigestedRows, list[int], int | None]]:
        """What the account's digest covers beside its own row; sums over orders and reservations follow from them."""
        positions = [self.positions.key(account, market) for market in self.positions.of_account(account)]
        return [
            (self.positions.table, positions, KEPT_COLUMNS),
            (self.orders, self.orders.of_account(account), None),
            (self.accounts.withdrawals, self.accounts.withdrawals_of(account), None),
            (self.reservations.table, self.reservations.of_account(account), None),
        ]

    def rows_of_accounts(self, accounts: Int64Array, slots: Int64Array) -> list[RowsOfAccounts]:
        """The same of many accounts in these slots."""
        positions, withdrawals = self.positions, self.accounts.withdrawals
        return [
            chained_rows(positions.table, positions.chains(), slots, KEPT_COLUMNS),
            orders_of_accounts(self.orders, accounts),
            chained_rows(withdrawals, self.accounts.withdrawal_chains(), slots),
            chained_rows(self.reservations.table, self.reservations.chains(), slots),
        ]

    def dumped_bytes(self) -> int:
        """How long `dump` is, in all."""
        kept = (self.accounts, self.positions, self.orders, self.reservations.table)
        return sum(table.dumped_bytes() for table in kept)

    def dump(self) -> list[bytes]:
        """Tables of rows: accounts, withdrawals, positions, orders, reservations."""
        return [*self.accounts.dump(), self.positions.dump(), self.orders.dump(), self.reservations.dump()]

    def fill(self, dumped: list[bytes], owned: Owned) -> None:
        """Takes the owned rows of a dump; parameters and marks must be in place."""
        self.accounts.fill(dumped[:2], owned)
        self.positions.fill(dumped[2], owned)
        for order, row in self.orders.rows_of(dumped[3], owned):
            self.add_order(order, row)
        self.reservations.fill(dumped[4], owned)
