"""Orders of the accounts of one venue on one shard: those that rest at a book and triggers that wait for the mark.

Rows by order number. The shard knows of an order what its hold and its owner need; place in the queue is the book's.
While staging, a row is undone as a whole (row, owners, client id, trigger index), so the table inside keeps no log.
"""

from collections.abc import Callable
from typing import NamedTuple

from actors.ledger.table import Owners, StagingLog, Table, dumped_rows
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
        self.table = Table(BookOrder._fields, StagingLog())
        self._owners = Owners()
        self._clients: dict[tuple[int, int], int] = {}
        self._armed = Owners()
        self._triggers: dict[int, LiquidationIndex] = {}

    def __contains__(self, order: int) -> bool:
        return order in self.table

    def __len__(self) -> int:
        return len(self.table)

    def numbers(self) -> list[int]:
        """All orders, ascending."""
        return self.table.keys()

    def read(self, order: int) -> BookOrder:
        """The row of an order."""
        return BookOrder(*self.table.row(order))

    def of_account(self, account: int) -> list[int]:
        """Its orders and triggers, ascending."""
        return self._owners.of(account)

    def count(self, account: int) -> int:
        """How many orders and triggers it has."""
        return self._owners.count(account)

    def of_account_in(self, account: int, market: int) -> list[int]:
        """Its orders and triggers in a market, ascending."""
        return [order for order in self.of_account(account) if self.table.get(order, "market") == market]

    def by_client(self, account: int, client_id: int) -> int:
        """The live order of the account under this client id, or 0."""
        return self._clients.get((account, client_id), 0)

    def armed(self, market: int) -> list[int]:
        """Orders of the market that wait for a trigger, ascending."""
        return self._armed.of(market)

    def triggered(self, market: int, mark_ticks: int) -> list[int]:
        """Armed orders that this mark fires (MT-05), ascending."""
        if market not in self._triggers:
            return []
        return sorted(self.table.key_at(slot) for slot in self._triggers[market].scan(mark_ticks).tolist())

    def insert(self, order: int, row: BookOrder) -> None:
        """Adds an order. The client id must be free among the account's live orders."""
        self._log.note(self.remove, order)
        slot = self.table.insert(order, *row)
        self._owners.add(row.account, order)
        if row.client_id:
            assert (row.account, row.client_id) not in self._clients, f"client id {row.client_id} is in use"
            self._clients[row.account, row.client_id] = order
        if not row.is_resting:
            self._armed.add(row.market, order)
            index = self._triggers.setdefault(row.market, LiquidationIndex())
            index.set(slot, _index_side(row), row.trigger_ticks)
        self._touched(row.account)

    def remove(self, order: int) -> BookOrder:
        """Takes an order out and returns its row."""
        row = self.read(order)
        self._log.note(self.insert, order, row)
        if not row.is_resting:
            self._armed.discard(row.market, order)
            self._triggers[row.market].clear(self.table.slot(order))
        # A free slot has nothing left: sums over the column need no mask.
        self.table.put(order, "remaining", 0)
        self.table.remove(order)
        self._owners.discard(row.account, order)
        if row.client_id:
            del self._clients[row.account, row.client_id]
        self._touched(row.account)
        return row

    def set_remaining(self, order: int, remaining_lots: int) -> None:
        """Lots still open, above zero."""
        assert remaining_lots > 0, f"order {order} would have {remaining_lots} lots"
        self._log.note(self.set_remaining, order, self.table.get(order, "remaining"))
        self.table.put(order, "remaining", remaining_lots)
        self._touched(self.table.get(order, "account"))

    def dump(self) -> bytes:
        """All rows."""
        return self.table.dump()

    def rows_of(self, dumped: bytes, owns: Callable[[int], bool]) -> list[tuple[int, BookOrder]]:
        """The owned rows of a dump, by number."""
        return [(order, BookOrder(*row)) for order, row in dumped_rows(dumped, len(BookOrder._fields), owns)]


def _index_side(row: BookOrder) -> int:
    """The side under which a `LiquidationIndex` (long: mark <= level, short: mark >= level) fires the trigger."""
    return row.side if row.trigger == common.TRIGGER_KIND_TAKE_PROFIT else -row.side
