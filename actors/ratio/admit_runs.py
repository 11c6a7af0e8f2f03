"""Runs of new orders of a Spin venue: what the kernel is given beside the columns of the book."""

import numpy as np

from actors.ledger.book_orders import REDUCE_ONLY
from actors.orders.check_kernel import RUNG, UNCAPPED, rule_cells
from actors.orders.run_kernel import CELL_ACCOUNT, CELL_FLAGS, CELL_MARKET
from actors.orders.runs import Int64Array, OrderRuns
from actors.ratio.admit_kernel import admit_rows
from actors.ratio.margin_kernel import term_cells
from actors.ratio.orders import OrderEntry


class RatioRuns(OrderRuns):
    """One block's runs of a venue on a shard."""

    _entry: OrderEntry
    _admit_rows = staticmethod(admit_rows)

    def _rule_cells(self, market: int) -> list[int]:
        terms = self._entry.terms[market]
        return rule_cells(self._entry.rules(market), terms.usable, terms.taker_fee_e9) + term_cells(terms)

    def _look_up(self, cells: Int64Array, places: Int64Array) -> None:
        tiers, knows = self._entry.tiers, self._entry.caps.knows
        if tiers:
            places[:, RUNG] = [tiers.get(account, 0) for account in cells[CELL_ACCOUNT].tolist()]
        for at in np.flatnonzero(cells[CELL_FLAGS] & REDUCE_ONLY).tolist():
            places[at, UNCAPPED] = not knows(
                self._entry.book.positions.key(*cells[CELL_ACCOUNT : CELL_MARKET + 1, at].tolist())
            )
