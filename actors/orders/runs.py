"""Runs of new orders through a kernel: everything around it that venues with order books share.

Rows of commands become rows of orders, the kernel works them, and what came of them leaves as columns. What only
Python's integers can decide is worked by hand in its place.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from actors.columns import RowGatherer
from actors.ledger import order_columns as columns
from actors.ledger.book_orders import REDUCE_ONLY
from actors.ledger.position_rows import MARKET_BITS
from actors.orders import check_kernel as kernel
from actors.orders.checks import COMMAND_BITS, OrderChecks
from actors.orders.run_kernel import (
    CELL_ACCOUNT,
    CELL_MARKET,
    OP_ACCOUNT,
    OP_COLUMNS,
    OP_FLAGS,
    OP_MARKET,
    OP_ORDER,
    find_places,
)
from actors.sinks import ADMIT, AnswerSink
from breakwater.v1 import batches_pb2 as batches

Int64Array = NDArray[np.int64]

_COMMAND_MASK = (1 << COMMAND_BITS) - 1


class OrderRuns(ABC):
    """One block's runs of a venue on a shard. `by_hand` works one row of `OrderRows`."""

    def __init__(
        self,
        entry: OrderChecks,
        ops: RowGatherer[batches.OrderOps],
        answers: AnswerSink,
        by_hand: Callable[[list[int]], None],
    ) -> None:
        self._entry = entry
        self._ops = ops
        self._answers = answers
        self._by_hand = by_hand
        self._rules: Int64Array | None = None

    @abstractmethod
    def _rule_cells(self, market: int) -> list[int]:
        """A market's row of `rules`."""

    @abstractmethod
    def _look_up(self, cells: Int64Array, places: Int64Array) -> None:
        """Fills what `places` says beside slots and who is frozen, all 0 so far, for these columns of `OrderRows`."""

    @staticmethod
    @abstractmethod
    def _admit_rows(first: int, sent: int, *arrays: Any) -> tuple[int, int]:
        """The rulebook's kernel: works orders from `first` on, so many operations being `sent` before.

        Returns the first it leaves, or how many there are, and how many are sent then.
        """

    def admit(self, cells: Int64Array) -> None:
        """Works columns of `OrderRows` without a trigger, in their order."""
        # Every layout of it would be compiled anew.
        cells, count = np.ascontiguousarray(cells), cells.shape[1]
        places = np.empty((count, kernel.PLACE_COLUMNS), dtype=np.int64)
        made = self._find_places(cells, places)
        self._look_up(cells, places)
        orders = np.empty((count, columns.CELLS), dtype=np.int64)
        why = np.empty((count, kernel.WHY_COLUMNS), dtype=np.int64)
        ops = np.empty((OP_COLUMNS, count), dtype=np.int64)
        first = sent = 0
        while first < count:
            begin, (end, sent) = sent, self._work(first, sent, cells, orders, places, why, ops)
            self._refuse(orders[first:end], why[first:end])
            self._take_in(ops[:, begin:sent], why[first:end])
            if end < count:
                self._by_hand(cells[:, end].tolist())
            first = end + 1
        # A row that was made for an order which was refused.
        left = made[why[made, kernel.TAKEN] < 0]
        if left.size:
            self._entry.book.positions.drop_empty_bulk(_keys_of(cells[:, left]))

    def _find_places(self, cells: Int64Array, places: Int64Array) -> Int64Array:
        """Where the rows of the orders' accounts and positions are; returns which orders had no position yet."""
        positions, accounts = self._entry.book.positions, self._entry.book.accounts.table
        frozen = accounts.column("frozen")
        if not find_places(cells, positions.table.index.arrays, accounts.index.arrays, frozen, places):
            return np.empty(0, dtype=np.int64)
        missing = np.flatnonzero(places[:, kernel.POSITION] < 0)
        places[missing, kernel.POSITION] = positions.ensure_bulk(_keys_of(cells[:, missing]))
        return missing

    def _work(
        self,
        first: int,
        sent: int,
        cells: Int64Array,
        orders: Int64Array,
        places: Int64Array,
        why: Int64Array,
        ops: Int64Array,
    ) -> tuple[int, int]:
        entry, book, room = self._entry, self._entry.book, len(orders) - first
        entry.lend()
        return self._admit_rows(
            first,
            sent,
            cells,
            book.height,
            book.venue,
            orders,
            places,
            why,
            ops,
            self._all_rules(),
            entry.max_orders,
            entry.market_share_atoms,
            book.accounts.table.column("free"),
            book.positions.table.whole(),
            *book.positions.chains(),
            *book.orders.arrays(room),
            *entry.carried.arrays(room),
        )

    def _all_rules(self) -> Int64Array:
        if self._rules is None:
            rows = {market: self._rule_cells(market) for market in self._entry.book.markets}
            width = max(map(len, rows.values()), default=kernel.RULES)
            self._rules = np.zeros((max(rows, default=0) + 1, width), dtype=np.int64)
            for market, row in rows.items():
                self._rules[market, : len(row)] = row
        return self._rules

    def _refuse(self, orders: Int64Array, why: Int64Array) -> None:
        at = np.flatnonzero(why[:, kernel.WHY])
        if not at.size:
            return
        command = orders[at, columns.NUMBER] & _COMMAND_MASK
        keys = np.zeros((4, at.size), dtype=np.int64)
        keys[0], keys[1] = ADMIT, command
        refusal, required, actual = why[at, kernel.WHY : kernel.WHY_ACTUAL + 1].T
        no_market, accounts = np.zeros(at.size, dtype=np.int64), orders[at, columns.ACCOUNT]
        venue = self._entry.book.venue
        self._answers.refuse_rows(keys, command, refusal, required, actual, venue, no_market, accounts)

    def _take_in(self, ops: Int64Array, why: Int64Array) -> None:
        """The kernel has put these orders into the tables: how that is undone, caps, and operations for the book."""
        if not ops.shape[1]:
            return
        book, numbers = self._entry.book, ops[OP_ORDER]
        book.orders.inserted(numbers, ops[OP_ACCOUNT])
        book.log.note(book.leave_sums, numbers)
        reducing = np.flatnonzero(ops[OP_FLAGS] & REDUCE_ONLY)
        if reducing.size:
            fails = why[np.flatnonzero(why[:, kernel.TAKEN] >= 0)[reducing], kernel.FAILS]
            rows = (ops[OP_ACCOUNT, reducing], ops[OP_MARKET, reducing], fails)
            for account, market, failing in zip(*(column.tolist() for column in rows), strict=True):
                self._entry.caps.add(account, market, lambda _, failing=failing: bool(failing))  # type: ignore[misc]
        self._ops.add_columns(ops)


def _keys_of(cells: Int64Array) -> Int64Array:
    """The keys of the positions of these columns of `OrderRows`."""
    return cells[CELL_ACCOUNT] << MARKET_BITS | cells[CELL_MARKET]
