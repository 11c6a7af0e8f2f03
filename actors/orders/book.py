"""One venue with order books on one shard: accounts, positions, orders, and what the block told of its markets.

What Margin Trade and Spin share. How an order joins the sums of its position's row, and what of the rows a digest and a
snapshot cover, is each rulebook's own.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from actors.ledger.account_marks import AccountMarks, Int64Array, MarksOf
from actors.ledger.accounts import Accounts
from actors.ledger.book_orders import BookOrder, BookOrders
from actors.ledger.position_rows import PositionRows
from actors.ledger.table import StagingLog
from actors.risk.tradable import is_usable
from actors.ways import Way
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import parameters_pb2 as parameters


class OrderedBook(ABC):
    """`way` says where kernels give way to the scalar rulebook.

    height and block_time_ms are those of the call being worked. A subclass makes `positions`.
    """

    positions: PositionRows[Any]

    def __init__(self, venue: int, log: StagingLog, way: Way) -> None:
        self.venue = venue
        self.way = way
        self.log = log
        self.touched = AccountMarks()
        # Marks accounts whose cash or positions changed.
        self.money = MarksOf(self._touch_money, self._touch_money_of)
        self.accounts = Accounts(log, self.money, signed=True)
        self.orders = BookOrders(log, self.touched)
        self.terms = parameters.VenueParameters()
        self.markets: dict[int, parameters.MarketParameters] = {}
        self.marks: dict[int, common.Mark] = {}
        # Keys of the position rows the last scan sent to the books as caps.
        self.capped: set[int] = set()
        self.height = 0
        self.block_time_ms = 0

    @abstractmethod
    def k(self, market: int) -> int:
        """What one lot is worth at one tick, atoms."""

    @property
    @abstractmethod
    def max_orders(self) -> int:
        """Live orders an account may have, triggers included."""

    @abstractmethod
    def _touch_money(self, account: int) -> None:
        """Cash or positions of the account changed."""

    @abstractmethod
    def _touch_money_of(self, accounts: Int64Array) -> None:
        """Cash or positions of these accounts changed."""

    @abstractmethod
    def _add_to_sums(self, order: BookOrder, lots: int, step: int) -> None:
        """Signed lots of an order join the sums of its side, linear so exact, and `step` the row's counts."""

    def set_terms(self, terms: parameters.VenueParameters) -> None:
        """The venue's parameters from here on."""
        self.terms = deepcopy(terms)

    def set_market(self, market: parameters.MarketParameters) -> None:
        """A market's parameters from here on."""
        self.markets[market.market] = deepcopy(market)

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

    def touch(self, account: int) -> None:
        """Something of the account changed outside the tables that say so themselves."""
        self.log.note(self.touched.add, account)
        self.touched.add(account)

    def touch_many(self, accounts: Int64Array) -> None:
        """The same of these; an account may be named more than once."""
        self.log.note(self.touched.add_many, accounts)
        self.touched.add_many(accounts)

    def add_order(self, order: int, row: BookOrder) -> None:
        """Takes an order or a trigger in; a resting one joins the sums of its position's row."""
        self.orders.insert(order, row)
        if not row.trigger:
            self.positions.ensure(row.account, row.market)
            self._add_to_sums(row, row.remaining, 1)

    def remove_order(self, order: int) -> BookOrder:
        """Takes an order or a trigger out, what it held with it, and returns its row."""
        row = self.orders.remove(order)
        if not row.trigger:
            self._add_to_sums(row, -row.remaining, -1)
            self.positions.drop_if_empty(row.account, row.market)
        return row

    def leave_sums(self, numbers: Int64Array) -> None:
        """Orders a kernel has taken in leave the sums of their positions again."""
        for row in map(self.orders.read, numbers.tolist()):
            self._add_to_sums(row, -row.remaining, -1)

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
