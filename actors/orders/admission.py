"""Phase 9 of a venue with order books: triggers the mark meets, then the block's commands in their order.

An order that passes goes to its book, which answers; what ends here (refused, armed) is answered here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from actors.columns import matrix, row_count, rows
from actors.ledger.book_orders import MARKET_ORDER, BookOrder
from actors.orders.checks import COMMAND, COMMAND_BITS, OrderChecks
from actors.orders.run_kernel import CELL_TRIGGER
from actors.orders.runs import OrderRuns
from actors.orders.triggers import arm, side_of, why_not_armed
from actors.sinks import ADMIT, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

# A kind of command: what works a row, and the rows.
Work = tuple[Callable[..., Refused | None], Iterable[Sequence[Any]]]
# Fewer orders in a row than this are worked one by one: a run of a kernel costs more than it saves.
FEW_ORDERS = 16


class OrderAdmission(ABC):
    """One venue's orders and amends on a shard."""

    def __init__(self, entry: OrderChecks, sink: EventSink, answers: AnswerSink) -> None:
        self._checks = entry
        self._sink = sink
        self._answers = answers

    @abstractmethod
    def _amend_resting(self, command: int, number: int, before: BookOrder, after: BookOrder) -> Refused | None:
        """Checks the margin of an order that rests as it would be, and tells its book."""

    def run_commands(self, commands: batches.ShardCommands, runs: OrderRuns, *others: Work) -> None:
        """Orders, amends and other kinds of commands by their index; consecutive orders in runs."""
        others = ((self._amend, rows(commands.amends)), *others)
        if self._checks.book.way.trades_by_row or row_count(commands.orders) < FEW_ORDERS:
            for work, row in _by_command(((self._place, rows(commands.orders)), *others)):
                self._work(work, row)
            return
        orders = matrix(commands.orders)
        if (np.diff(orders[0]) < 0).any():
            orders = orders[:, np.argsort(orders[0], kind="stable")]
        is_armed = orders[CELL_TRIGGER] != 0
        queue = _by_command(((self._place, orders[:, is_armed].T.tolist()), *others))
        orders, first = orders[:, ~is_armed] if is_armed.any() else orders, 0
        for end, (work, row) in zip(np.searchsorted(orders[0], [row[0] for _, row in queue]), queue, strict=True):
            self._place_run(runs, orders[:, first:end])
            self._work(work, row)
            first = end
        self._place_run(runs, orders[:, first:])

    def _place_run(self, runs: OrderRuns, orders: np.ndarray) -> None:
        if orders.shape[1] < FEW_ORDERS:
            for row in orders.T.tolist():
                self.place_one(row)
        else:
            runs.admit(orders)

    def place_one(self, row: Sequence[int]) -> None:
        """One row of `OrderRows`."""
        self._work(self._place, row)

    def _work(self, work: Callable[..., Refused | None], row: Sequence[Any]) -> None:
        refused = work(*row)
        if refused:
            command, _, account, *_ = row
            venue = self._checks.book.venue
            self._answers.refuse((ADMIT, command, 0, 0), command, refused, venue, account=account)

    def _place(
        self,
        command: int,
        _venue: int,
        account: int,
        market: int,
        side: int,
        kind: int,
        size: int,
        limit: int,
        time_in_force: int,
        flags: int,
        self_trade: int,
        trigger: int,
        trigger_ticks: int,
        client_id: int,
    ) -> Refused | None:
        time_in_force = time_in_force or common.TIME_IN_FORCE_GTC
        self_trade = self_trade or common.SELF_TRADE_PREVENTION_EXPIRE_MAKER
        if kind == common.ORDER_KIND_MARKET:
            # MT-05: a market order is filled as far as its protection price goes, and never rests.
            flags, time_in_force, limit = flags | MARKET_ORDER, common.TIME_IN_FORCE_IOC, 0
            if not trigger:
                limit = self._checks.rules(market).protection_ticks(side)
        number = self._checks.book.height << COMMAND_BITS | command
        words = (time_in_force, flags, self_trade, client_id, trigger, trigger_ticks)
        order = BookOrder(account, market, side, limit, size, size, *words)
        if trigger:
            return arm(self._checks, command, number, order, self._sink, self._answers)
        return self._checks.why_not_new(order) or self._checks.enter(COMMAND, command, number, order)

    def _amend(
        self, command: int, _venue: int, account: int, order: int, client_id: int, size: int, limit: int
    ) -> Refused | None:
        orders = self._checks.book.orders
        number = order or orders.by_client(account, client_id)
        if number not in orders or orders.read(number).account != account:
            return Refused(refusals.REFUSAL_UNKNOWN_ORDER, 1, order or client_id)
        before = orders.read(number)
        filled = before.size - before.remaining
        if size <= filled:
            return Refused(refusals.REFUSAL_AMEND_BELOW_FILLED, filled, size)
        # A market order's price is its protection, not the client's.
        price = before.limit if before.flags & MARKET_ORDER else limit or before.limit
        after = before._replace(size=size, remaining=size - filled, limit=price)
        refused = self._checks.why_not_trader(account) or self._checks.rules(after.market).refused
        refused = refused or self._why_too_many_lots(after)
        if refused:
            return refused
        if before.is_resting:
            return self._amend_resting(command, number, before, after)
        return self._amend_armed(command, number, before, after)

    def _why_too_many_lots(self, order: BookOrder) -> Refused | None:
        largest = self._checks.rules(order.market).max_order_lots
        return Refused(refusals.REFUSAL_OVERFLOW, largest, order.size) if order.size > largest else None

    def _amend_armed(self, command: int, number: int, before: BookOrder, after: BookOrder) -> Refused | None:
        book = self._checks.book
        row = book.positions.read(after.account, after.market)
        refused = why_not_armed(self._checks, after) or self._checks.why_not_reducing(after, row)
        if refused:
            return refused
        book.change_order(number, size=after.size, remaining=after.remaining, limit=after.limit)
        body = events.OrderAmended(
            order=number,
            side=side_of(after),
            price_ticks_before=before.limit,
            price_ticks=after.limit,
            remaining_lots_before=before.remaining,
            remaining_lots=after.remaining,
        )
        event = events.Event(venue=book.venue, market=after.market, account=after.account, order_amended=body)
        self._sink.emit((ADMIT, command, 0, number), event)
        status = common.OUTCOME_STATUS_ARMED
        self._answers.answer(command, status, number, after.trigger_ticks, remaining_lots=after.remaining)
        return None

    def _send_amended(self, command: int, number: int, before: BookOrder, after: BookOrder) -> None:
        """The row takes price and lots now; the book does it in its turn, less what was filled on the way."""
        book, kind = self._checks.book, batches.ORDER_OP_KIND_AMEND
        book.change_order(number, size=after.size, remaining=after.remaining, limit=after.limit)
        self._checks.send(kind, COMMAND, command, number, after, before.remaining)


def _by_command(kinds: Iterable[Work]) -> list[tuple[Callable[..., Refused | None], Sequence[Any]]]:
    """Rows of several kinds of commands by their index, each with what works it."""
    queue = [(work, row) for work, listed in kinds for row in listed]
    return sorted(queue, key=lambda entry: entry[1][0])
