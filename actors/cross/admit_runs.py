"""Runs of new orders of a Margin Trade venue: what the kernel is given beside the columns of the book."""

import numpy as np

from actors.cross.admit_kernel import admit_rows
from actors.cross.margin_kernel import term_cells
from actors.cross.orders import OrderEntry
from actors.orders.check_kernel import RUNG, rule_cells
from actors.orders.run_kernel import CELL_ACCOUNT
from actors.orders.runs import Int64Array, OrderRuns


class CrossRuns(OrderRuns):
    """One block's runs of a venue on a shard."""

    _entry: OrderEntry
    _admit_rows = staticmethod(admit_rows)

    def _rule_cells(self, market: int) -> list[int]:
        terms = self._entry.terms(market)
        return rule_cells(self._entry.rules(market), terms.usable, terms.taker_fee_e9) + term_cells(terms)

    def _look_up(self, cells: Int64Array, places: Int64Array) -> None:
        ladder = self._entry.book.ladder
        if len(ladder):
            slots = ladder.slots_of(cells[CELL_ACCOUNT])
            acts_now = (slots >= 0) & (ladder.column("acted_height")[slots] == self._entry.book.height)
            places[:, RUNG] = np.where(acts_now, ladder.column("acted_rung")[slots], 0)
