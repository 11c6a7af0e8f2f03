"""Runs of new orders of a Margin Trade venue: what the kernel is given, and what is taken back."""

import numpy as np

from actors.cross.admit_kernel import admit_rows, take_off_sums
from actors.cross.margin_kernel import term_cells
from actors.cross.orders import OrderEntry
from actors.orders.check_kernel import rule_cells
from actors.orders.runs import Int64Array, OrderRuns


class CrossRuns(OrderRuns):
    """One block's runs of a venue on a shard."""

    _entry: OrderEntry

    def _rule_cells(self, market: int) -> list[int]:
        return rule_cells(self._entry.rules(market)) + term_cells(self._entry.terms(market))

    def _rungs(self, accounts: Int64Array) -> Int64Array | int:
        ladder = self._entry.book.ladder
        if not len(ladder):
            return 0
        slots = ladder.slots_of(accounts)
        acts_now = (slots >= 0) & (ladder.column("acted_height")[slots] == self._entry.book.height)
        return np.where(acts_now, ladder.column("acted_rung")[slots], 0)

    def _work(self, first: int, orders: Int64Array, places: Int64Array, why: Int64Array, rules: Int64Array) -> int:
        entry, book = self._entry, self._entry.book
        entry.free.lend()
        entry.spare.lend()
        room = len(orders) - first
        return admit_rows(
            first,
            orders,
            places,
            why,
            rules,
            entry.max_orders,
            entry.market_share_atoms,
            book.accounts.table.column("free"),
            book.positions.table.whole(),
            *book.positions.chains(),
            *book.orders.arrays(room),
            *entry.carried.arrays(room),
        )

    def _take_off(self, orders: Int64Array, slots: Int64Array, rules: Int64Array) -> None:
        take_off_sums(orders, slots, rules, self._entry.book.positions.table.whole())
