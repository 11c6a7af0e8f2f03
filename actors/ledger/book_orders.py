"""Orders of the accounts of one venue on one shard: those that rest at a book and triggers that wait for the mark.

Rows by order number, in columns (`order_columns`). The shard knows of an order what its hold and its owner need; place
in the queue is the book's. While staging, a row is undone as a whole (row, owner, client id, trigger index).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from actors.ledger import order_columns as columns
from actors.ledger.account_marks import Marks
from actors.ledger.table import Owned, StagingLog, dumped_rows
from actors.ledger.trigger_index import TriggerIndex
from actors.pages import zeros
from breakwater.v1 import common_pb2 as common

POST_ONLY, REDUCE_ONLY, MARKET_ORDER, LADDER_ORDER, UNWINDING = 1, 2, 4, 8, 16
_FIRST_CAPACITY = 256

Int64Array = NDArray[np.int64]


class BookOrder(NamedTuple):
    """One row. side +1 buys, -1 sells; limit is the worst price in ticks (the protection price of a market order).

    size and remaining are lots; trigger 0 rests at the book, else the order is armed and `trigger_ticks` fires it.
    """

    account: int
    market: int
    side: int
    limit: int
    size: int
    remaining: int
    time_in_force: int
    flags: int
    self_trade: int
    client_id: int
    trigger: int = 0
    trigger_ticks: int = 0

    @property
    def is_resting(self) -> bool:
        """It is at the book (or on its way there); a trigger that has not fired is not."""
        return self.trigger == 0

    @property
    def is_reduce_only(self) -> bool:
        """It may only reduce the position and holds nothing (MT-02)."""
        return self.flags & REDUCE_ONLY != 0


class BookOrders:
    """The orders, with who has them and which triggers a mark fires."""

    def __init__(self, log: StagingLog, touched: Marks) -> None:
        self._log = log
        self._touched = touched
        self._state = np.zeros(columns.STATE, dtype=np.int64)
        self._make(_FIRST_CAPACITY)
        self._triggers: dict[int, TriggerIndex] = {}

    def _make(self, capacity: int) -> None:
        self._rows = zeros((capacity, columns.WIDTH))
        self._heads = zeros((capacity, columns.HEAD_WIDTH))
        self._maps = zeros((columns.MAPS, 2 * capacity))

    def __contains__(self, order: int) -> bool:
        return columns.find_order(self._rows, self._maps, order) >= 0

    def __len__(self) -> int:
        return int(self._state[columns.LIVE])

    def whole(self) -> Int64Array:
        """The rows as kernels read and write them, an order a row (`order_columns`), free ones with number 0."""
        return self._rows

    def arrays(self, room: int = 0) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
        """Rows, heads, maps and state as the functions of `order_columns` take them, with room for so many orders."""
        needed = len(self) + room
        if needed > self._rows.shape[0]:
            rows, heads = self._rows, self._heads
            self._make(1 << (needed - 1).bit_length())
            self._rows[: rows.shape[0]], self._heads[: heads.shape[0]] = rows, heads
            columns.fill_maps(self._rows, self._heads, self._maps, self._state)
        return self._rows, self._heads, self._maps, self._state

    def slots_of(self, numbers: Int64Array) -> Int64Array:
        """The row of each order, -1 where there is none."""
        return columns.slots_of(self._rows, self._maps, numbers)

    def live_slots(self) -> Int64Array:
        """The rows in use, by order number."""
        numbers = self._rows[: self._state[columns.ROWS_MADE], columns.NUMBER]
        slots = np.flatnonzero(numbers)
        return slots[np.argsort(numbers[slots])]

    def numbers(self) -> list[int]:
        """All orders, ascending."""
        return self._rows[self.live_slots(), columns.NUMBER].tolist()

    def read(self, order: int) -> BookOrder:
        """The row of an order."""
        return BookOrder._make(self.row(order))

    def row(self, order: int) -> list[int]:
        """The cells of an order, in the order of `BookOrder`."""
        return self._rows[self._slot(order), 1 : columns.CELLS].tolist()

    def _slot(self, order: int) -> int:
        slot = columns.find_order(self._rows, self._maps, order)
        assert slot >= 0, f"there is no order {order}"
        return slot

    def find(self, order: int) -> BookOrder | None:
        """The row of an order, if there is one."""
        slot = columns.find_order(self._rows, self._maps, order)
        return BookOrder._make(self._rows[slot, 1 : columns.CELLS].tolist()) if slot >= 0 else None

    def of_account(self, account: int) -> list[int]:
        """Its orders and triggers, ascending."""
        return columns.numbers_of(self._rows, self._heads, self._maps, account).tolist()

    def count(self, account: int) -> int:
        """How many orders and triggers it has."""
        return int(columns.count_of(self._heads, self._maps, account))

    def of_account_in(self, account: int, market: int) -> list[int]:
        """Its orders and triggers in a market, ascending."""
        numbers = columns.numbers_of(self._rows, self._heads, self._maps, account)
        return numbers[self._rows[self.slots_of(numbers), columns.MARKET] == market].tolist()

    def by_client(self, account: int, client_id: int) -> int:
        """The live order of the account under this client id, or 0."""
        if not client_id:
            return 0
        slot = columns.find_client(self._rows, self._maps, account, client_id)
        return int(self._rows[slot, columns.NUMBER]) if slot >= 0 else 0

    def by_client_bulk(self, accounts: Int64Array, client_ids: Int64Array) -> Int64Array:
        """`by_client` of each of these."""
        return columns.numbers_of_clients(self._rows, self._maps, accounts, client_ids)

    def armed(self, market: int) -> list[int]:
        """Orders of the market that wait for a trigger, ascending."""
        live = self._rows[self.live_slots()]
        waits = (live[:, columns.TRIGGER] != 0) & (live[:, columns.MARKET] == market)
        return live[waits, columns.NUMBER].tolist()

    def trigger_markets(self) -> list[int]:
        """Markets in which orders may be armed, ascending."""
        return sorted(self._triggers)

    def triggered(self, market: int, mark_ticks: int) -> list[int]:
        """Armed orders that this mark fires (MT-05), ascending."""
        index = self._triggers.get(market)
        return index.met(mark_ticks) if index else []

    def insert(self, order: int, row: BookOrder) -> None:
        """Adds an order. The client id must be free among the account's live orders."""
        slot = columns.insert_row(*self.arrays(1), order, tuple(row))
        if row.trigger:
            self._arm(slot)
        if self._log.is_open:
            self._log.note(self.remove, order)
        self._touched.add(row.account)

    def insert_bulk(self, cells: Int64Array) -> Int64Array:
        """Adds orders, a row each: number, then the cells of `BookOrder`. Returns their slots.

        Numbers and, among an account's live orders, client ids must be free.
        """
        arrays = self.arrays(len(cells))
        slots = columns.insert_rows(*arrays, cells)
        for slot in slots[cells[:, columns.TRIGGER] != 0].tolist():
            self._arm(slot)
        self.inserted(cells[:, columns.NUMBER], cells[:, columns.ACCOUNT])
        return slots

    def inserted(self, numbers: Int64Array, accounts: Int64Array) -> None:
        """Orders are in the rows, filled and linked: they go with what is staged, and their accounts are marked."""
        self._log.note(self.remove_bulk, numbers)
        self._touched.add_many(accounts)

    def _arm(self, slot: int) -> None:
        order, market = int(self._rows[slot, columns.NUMBER]), int(self._rows[slot, columns.MARKET])
        index = self._triggers.setdefault(market, TriggerIndex())
        row = BookOrder._make(self._rows[slot, 1 : columns.CELLS].tolist())
        self._rows[slot, columns.TRIGGER_PLACE] = index.add(order, _index_side(row), row.trigger_ticks)

    def remove(self, order: int) -> BookOrder:
        """Takes an order out and returns its row."""
        slot = self._slot(order)
        _, *cells, _, _, place = self._rows[slot].tolist()
        row = BookOrder._make(cells)
        if row.trigger:
            self._triggers[row.market].discard(place)
        columns.drop_row(*self.arrays(), slot)
        if self._log.is_open:
            self._log.note(self.insert, order, row)
        self._touched.add(row.account)
        return row

    def remove_bulk(self, numbers: Int64Array) -> Int64Array:
        """Takes orders out, each named once, and returns their rows as `insert_bulk` takes them."""
        slots = self.slots_of(numbers)
        assert bool((slots >= 0).all()), f"there is no order {numbers[slots < 0][0]}"
        rows = self._rows[slots]
        for row in rows[rows[:, columns.TRIGGER] != 0].tolist():
            self._triggers[row[columns.MARKET]].discard(row[columns.TRIGGER_PLACE])
        columns.drop_rows(self._rows, self._heads, self._maps, self._state, slots)
        cells = rows[:, : columns.CELLS]
        self._log.note(self.insert_bulk, cells)
        self._touched.add_many(cells[:, columns.ACCOUNT])
        return cells

    def set_remaining(self, order: int, remaining_lots: int) -> None:
        """Lots still open, above zero."""
        assert remaining_lots > 0, f"order {order} would have {remaining_lots} lots"
        slot = self._slot(order)
        self._log.note(self.set_remaining, order, int(self._rows[slot, columns.REMAINING]))
        self._rows[slot, columns.REMAINING] = remaining_lots
        self._touched.add(int(self._rows[slot, columns.ACCOUNT]))

    def dumped_bytes(self) -> int:
        """How long `dump` is."""
        return 8 * len(self) * columns.CELLS

    def dump(self) -> bytes:
        """All rows by number, in the form of `Table.dump`."""
        return self._rows[self.live_slots(), : columns.CELLS].T.astype("<i8").tobytes()

    def rows_of(self, dumped: bytes, owned: Owned) -> list[tuple[int, BookOrder]]:
        """The owned rows of a dump, by number."""
        return [(order, BookOrder(*row)) for order, row in dumped_rows(dumped, len(BookOrder._fields), owned)]


def _index_side(row: BookOrder) -> int:
    """The side under which a `LiquidationIndex` (long: mark <= level, short: mark >= level) fires the trigger."""
    return row.side if row.trigger == common.TRIGGER_KIND_TAKE_PROFIT else -row.side
