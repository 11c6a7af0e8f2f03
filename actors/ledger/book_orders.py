"""Orders of the accounts of one venue on one shard: those that rest at a book and triggers that wait for the mark.

Rows by order number. The shard knows of an order what its hold and its owner need; place in the queue is the book's.
While staging, a row is undone as a whole (row, owners, client id, trigger index).
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from actors.ledger.table import Owned, Owners, StagingLog, dumped_rows
from actors.risk.liquidation_index import LiquidationIndex
from breakwater.v1 import common_pb2 as common

POST_ONLY, REDUCE_ONLY, MARKET_ORDER, LADDER_ORDER, UNWINDING = 1, 2, 4, 8, 16


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

    def __init__(self, log: StagingLog, touched: Callable[[int], None]) -> None:
        self._log = log
        self._touched = touched
        self._rows: dict[int, BookOrder] = {}
        self._owners = Owners()
        self._clients: dict[tuple[int, int], int] = {}
        self._armed = Owners()
        self._triggers: dict[int, TriggerIndex] = {}
        # Orders inserted, removed or filled since `take_changed`.
        self._changed: set[int] = set()

    def __contains__(self, order: int) -> bool:
        return order in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def numbers(self) -> list[int]:
        """All orders, ascending."""
        return sorted(self._rows)

    def read(self, order: int) -> BookOrder:
        """The row of an order."""
        return self._rows[order]

    row = read

    def find(self, order: int) -> BookOrder | None:
        """The row of an order, if there is one."""
        return self._rows.get(order)

    def take_changed(self) -> Iterable[tuple[int, BookOrder | None]]:
        """What changed since the last call: order and row, None where it is gone."""
        changed = [(order, self._rows.get(order)) for order in self._changed]
        self._changed.clear()
        return changed

    def of_account(self, account: int) -> list[int]:
        """Its orders and triggers, ascending."""
        return self._owners.of(account)

    def count(self, account: int) -> int:
        """How many orders and triggers it has."""
        return self._owners.count(account)

    def of_account_in(self, account: int, market: int) -> list[int]:
        """Its orders and triggers in a market, ascending."""
        return [order for order in self.of_account(account) if self._rows[order].market == market]

    def by_client(self, account: int, client_id: int) -> int:
        """The live order of the account under this client id, or 0."""
        return self._clients.get((account, client_id), 0)

    def armed(self, market: int) -> list[int]:
        """Orders of the market that wait for a trigger, ascending."""
        return self._armed.of(market)

    def triggered(self, market: int, mark_ticks: int) -> list[int]:
        """Armed orders that this mark fires (MT-05), ascending."""
        index = self._triggers.get(market)
        return index.met(mark_ticks) if index else []

    def insert(self, order: int, row: BookOrder) -> None:
        """Adds an order. The client id must be free among the account's live orders."""
        assert order not in self._rows, f"order {order} exists"
        if self._log.is_open:
            self._log.note(self.remove, order)
        account = row.account
        self._rows[order] = row
        self._changed.add(order)
        self._owners.add(account, order)
        if row.client_id:
            assert (account, row.client_id) not in self._clients, f"client id {row.client_id} is in use"
            self._clients[account, row.client_id] = order
        if row.trigger:
            self._armed.add(row.market, order)
            self._triggers.setdefault(row.market, TriggerIndex()).add(order, _index_side(row), row.trigger_ticks)
        self._touched(account)

    def remove(self, order: int) -> BookOrder:
        """Takes an order out and returns its row."""
        row = self._rows.pop(order)
        if self._log.is_open:
            self._log.note(self.insert, order, row)
        account = row.account
        self._changed.add(order)
        self._owners.discard(account, order)
        if row.client_id:
            del self._clients[account, row.client_id]
        if row.trigger:
            self._armed.discard(row.market, order)
            self._triggers[row.market].discard(order)
        self._touched(account)
        return row

    def set_remaining(self, order: int, remaining_lots: int) -> None:
        """Lots still open, above zero."""
        assert remaining_lots > 0, f"order {order} would have {remaining_lots} lots"
        row = self._rows[order]
        self._log.note(self.set_remaining, order, row.remaining)
        self._rows[order] = row._replace(remaining=remaining_lots)
        self._changed.add(order)
        self._touched(row.account)

    def dumped_bytes(self) -> int:
        """How long `dump` is."""
        return 8 * len(self._rows) * (1 + len(BookOrder._fields))

    def dump(self) -> bytes:
        """All rows by number, in the form of `Table.dump`."""
        cells = [(order, *self._rows[order]) for order in self.numbers()]
        return np.array(cells, dtype="<i8").reshape(-1, 1 + len(BookOrder._fields)).T.tobytes()

    def rows_of(self, dumped: bytes, owned: Owned) -> list[tuple[int, BookOrder]]:
        """The owned rows of a dump, by number."""
        return [(order, BookOrder(*row)) for order, row in dumped_rows(dumped, len(BookOrder._fields), owned)]


def _index_side(row: BookOrder) -> int:
    """The side under which a `LiquidationIndex` (long: mark <= level, short: mark >= level) fires the trigger."""
    return row.side if row.trigger == common.TRIGGER_KIND_TAKE_PROFIT else -row.side


class TriggerIndex:
    """The triggers of one market by the mark that fires them, in slots of their own."""

    def __init__(self) -> None:
        self._levels = LiquidationIndex()
        self._slots: dict[int, int] = {}
        self._orders: list[int] = []
        self._free: list[int] = []

    def add(self, order: int, side: int, trigger_ticks: int) -> None:
        """An armed order; side as in `LiquidationIndex`."""
        if self._free:
            slot = self._free.pop()
            self._orders[slot] = order
        else:
            slot = len(self._orders)
            self._orders.append(order)
        self._slots[order] = slot
        self._levels.set(slot, side, trigger_ticks)

    def discard(self, order: int) -> None:
        """The order is armed no more."""
        slot = self._slots.pop(order)
        self._free.append(slot)
        self._levels.clear(slot)

    def met(self, mark_ticks: int) -> list[int]:
        """Orders this mark fires, ascending."""
        return sorted(self._orders[slot] for slot in self._levels.scan(mark_ticks).tolist())
