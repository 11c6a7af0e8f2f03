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
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY
from actors.ledger.position_rows import MARKET_BITS
from actors.orders import check_kernel as kernel
from actors.orders.checks import COMMAND, COMMAND_BITS, OrderChecks
from actors.sinks import ADMIT, AnswerSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common

Int64Array = NDArray[np.int64]

# Columns of `OrderRows`.
_COMMAND, _, _ACCOUNT, _MARKET, _SIDE, _KIND, _SIZE, _LIMIT, _TIME_IN_FORCE, _FLAGS, _SELF_TRADE = range(11)
TRIGGER, _, _CLIENT = range(11, 14)
_COMMAND_MASK = (1 << COMMAND_BITS) - 1


def as_orders(cells: Int64Array, height: int, rules: Int64Array) -> Int64Array:
    """Rows of orders (`order_columns`) as `OrderAdmission` makes them of these columns of `OrderRows`, no triggers."""
    orders = np.zeros((cells.shape[1], columns.CELLS), dtype=np.int64)
    orders[:, columns.NUMBER] = height << COMMAND_BITS | cells[_COMMAND]
    orders[:, columns.ACCOUNT], orders[:, columns.MARKET] = cells[_ACCOUNT], cells[_MARKET]
    orders[:, columns.SIDE], orders[:, columns.LIMIT] = cells[_SIDE], cells[_LIMIT]
    orders[:, columns.SIZE], orders[:, columns.REMAINING] = cells[_SIZE], cells[_SIZE]
    given = cells[_TIME_IN_FORCE]
    orders[:, columns.TIME_IN_FORCE] = np.where(given, given, common.TIME_IN_FORCE_GTC)
    orders[:, columns.FLAGS], orders[:, columns.CLIENT] = cells[_FLAGS], cells[_CLIENT]
    given = cells[_SELF_TRADE]
    orders[:, columns.SELF_TRADE] = np.where(given, given, common.SELF_TRADE_PREVENTION_EXPIRE_MAKER)
    at = np.flatnonzero(cells[_KIND] == common.ORDER_KIND_MARKET)
    if at.size:
        # MT-05: a market order is filled as far as its protection price goes, and never rests.
        buys, worst = cells[_SIDE, at] > 0, rules[cells[_MARKET, at]]
        orders[at, columns.LIMIT] = np.where(buys, worst[:, kernel.BUY_PROTECTION], worst[:, kernel.SELL_PROTECTION])
        orders[at, columns.FLAGS] |= MARKET_ORDER
        orders[at, columns.TIME_IN_FORCE] = common.TIME_IN_FORCE_IOC
    return orders


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
    def _look_up(self, orders: Int64Array, keys: Int64Array, places: Int64Array) -> None:
        """Fills what `places` says beside slots and who is frozen, all 0 so far; `keys` are those of the positions."""

    @staticmethod
    @abstractmethod
    def _admit_rows(first: int, *arrays: Any) -> int:
        """The rulebook's kernel: works orders from `first` on; returns the first it leaves, or how many there are."""

    def admit(self, cells: Int64Array) -> None:
        """Works columns of `OrderRows` without a trigger, in their order."""
        book, count = self._entry.book, cells.shape[1]
        rules = self._all_rules()
        orders = as_orders(cells, book.height, rules)
        accounts = orders[:, columns.ACCOUNT]
        keys = accounts << MARKET_BITS | orders[:, columns.MARKET]
        slots = book.positions.table.slots_of(keys)
        is_new = slots < 0
        places = np.zeros((count, kernel.PLACE_COLUMNS), dtype=np.int64)
        places[:, kernel.POSITION] = book.positions.ensure_bulk(keys) if is_new.any() else slots
        places[:, kernel.OWNER] = book.accounts.slots_of(accounts)
        assert bool((places[:, kernel.OWNER] >= 0).all()), "an order is of no account"
        places[:, kernel.FROZEN] = book.accounts.table.column("frozen")[places[:, kernel.OWNER]]
        self._look_up(orders, keys, places)
        why = np.zeros((count, kernel.WHY_COLUMNS), dtype=np.int64)
        why[:, kernel.TAKEN] = -1
        first = 0
        while first < count:
            end = self._work(first, orders, places, why, rules)
            self._refuse(orders[first:end], why[first:end])
            self._take_in(orders[first:end], why[first:end])
            if end < count:
                self._by_hand(cells[:, end].tolist())
            first = end + 1
        # A row that was made for an order which was refused.
        left = is_new & (why[:, kernel.TAKEN] < 0)
        if left.any():
            book.positions.drop_empty_bulk(keys[left])

    def _work(self, first: int, orders: Int64Array, places: Int64Array, why: Int64Array, rules: Int64Array) -> int:
        entry, book, room = self._entry, self._entry.book, len(orders) - first
        entry.lend()
        return self._admit_rows(
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

    def _take_in(self, orders: Int64Array, why: Int64Array) -> None:
        """The kernel has put these orders into the tables: how that is undone, caps, and operations for the book."""
        at = np.flatnonzero(why[:, kernel.TAKEN] >= 0)
        if not at.size:
            return
        book, taken = self._entry.book, orders[at]
        book.orders.inserted(taken[:, columns.NUMBER], taken[:, columns.ACCOUNT])
        book.log.note(book.leave_sums, taken[:, 1:])
        for row in np.flatnonzero(taken[:, columns.FLAGS] & REDUCE_ONLY).tolist():
            account, market = int(taken[row, columns.ACCOUNT]), int(taken[row, columns.MARKET])
            fails = bool(why[at[row], kernel.FAILS])
            self._entry.caps.add(account, market, lambda _, fails=fails: fails)  # type: ignore[misc]
        self._ops.add_columns(_operations(taken, book.venue))


def _operations(orders: Int64Array, venue: int) -> Int64Array:
    """Columns of `OrderOps` that place these orders of commands."""
    ops = np.zeros((len(batches.OrderOps.DESCRIPTOR.fields), len(orders)), dtype=np.int64)
    ops[0], ops[1], ops[2] = COMMAND, orders[:, columns.NUMBER] & _COMMAND_MASK, orders[:, columns.NUMBER]
    ops[3], ops[4], ops[5] = venue, orders[:, columns.MARKET], orders[:, columns.ACCOUNT]
    ops[6], ops[7], ops[8] = batches.ORDER_OP_KIND_PLACE, orders[:, columns.SIDE], orders[:, columns.LIMIT]
    ops[9], ops[11] = orders[:, columns.REMAINING], orders[:, columns.TIME_IN_FORCE]
    ops[12], ops[13] = orders[:, columns.FLAGS], orders[:, columns.SELF_TRADE]
    ops[14] = orders[:, columns.CLIENT]
    return ops
