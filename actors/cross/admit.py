"""Phase 9: triggers the mark meets, the vault's unwinding, then the block's commands in their order; refusals here.

An order that passes goes to its book, which answers; what ends here (refused, armed, leverage) is answered here.
"""

from collections.abc import Callable
from typing import Any

from actors.columns import RowGatherer, rows
from actors.cross.book import CrossBook
from actors.cross.holds import initial_margin_ceil_atoms, market_hold_ceil_atoms, with_order
from actors.cross.losses import order_loss_ceil_atoms
from actors.cross.orders import COMMAND, OrderEntry
from actors.cross.triggers import arm, fire_triggers, side_of, why_not_armed
from actors.cross.unwinding import unwind_vault
from actors.ledger.book_orders import MARKET_ORDER, REDUCE_ONLY, BookOrder
from actors.sinks import ADMIT, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

DEPOSIT = 1


def admit(
    book: CrossBook,
    commands: batches.ShardCommands,
    ops: RowGatherer[batches.OrderOps],
    liquidity: RowGatherer[batches.LiquidityOps],
    caps: RowGatherer[batches.PositionCaps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Everything of the venue's block that comes after the withdrawals; the rows of the commands are the venue's."""
    Admission(book, ops, liquidity, caps, sink, answers).run(commands)


class Admission:
    """One venue's phase 9 on a shard."""

    def __init__(
        self,
        book: CrossBook,
        ops: RowGatherer[batches.OrderOps],
        liquidity: RowGatherer[batches.LiquidityOps],
        caps: RowGatherer[batches.PositionCaps],
        sink: EventSink,
        answers: AnswerSink,
    ) -> None:
        self._book = book
        self._entry = OrderEntry(book, ops, caps)
        self._liquidity = liquidity
        self._sink = sink
        self._answers = answers

    def run(self, commands: batches.ShardCommands) -> None:
        """Triggers by order number, unwinding by market, commands by their index."""
        fire_triggers(self._entry, self._sink)
        unwind_vault(self._entry)
        queue: list[tuple[Callable[..., Refused | None], tuple[Any, ...]]] = []
        queue += [(self._set_leverage, row) for row in rows(commands.leverages)]
        queue += [(self._place, row) for row in rows(commands.orders)]
        queue += [(self._amend, row) for row in rows(commands.amends)]
        queue += [(self._move_liquidity, row) for row in rows(commands.liquidity)]
        queue.sort(key=lambda entry: entry[1][0])
        for work, row in queue:
            refused = work(*row)
            if refused:
                command, _, account, *_ = row
                self._answers.refuse((ADMIT, command, 0, 0), command, refused, self._book.venue, account=account)

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
                limit = self._entry.rules(market).protection_ticks(side)
        number = self._book.height << 20 | command
        words = (time_in_force, flags, self_trade, client_id, trigger, trigger_ticks)
        order = BookOrder(account, market, side, limit, size, size, *words)
        if trigger:
            return arm(self._entry, command, number, order, self._sink, self._answers)
        return self._entry.why_not_new(order) or self._entry.enter(COMMAND, command, number, order)

    def _amend(
        self, command: int, _venue: int, account: int, order: int, client_id: int, size: int, limit: int
    ) -> Refused | None:
        number = order or self._book.orders.by_client(account, client_id)
        if number not in self._book.orders or self._book.orders.read(number).account != account:
            return Refused(refusals.REFUSAL_UNKNOWN_ORDER, 1, order or client_id)
        before = self._book.orders.read(number)
        filled = before.size - before.remaining
        if size <= filled:
            return Refused(refusals.REFUSAL_AMEND_BELOW_FILLED, filled, size)
        # A market order's price is its protection, not the client's.
        price = before.limit if before.flags & MARKET_ORDER else limit or before.limit
        after = before._replace(size=size, remaining=size - filled, limit=price)
        refused = self._entry.why_not_trader(account) or self._entry.rules(after.market).refused
        refused = refused or self._why_too_many_lots(after)
        if refused:
            return refused
        if before.is_resting:
            return self._amend_resting(command, number, before, after)
        return self._amend_armed(command, number, before, after)

    def _why_too_many_lots(self, order: BookOrder) -> Refused | None:
        largest = self._entry.rules(order.market).max_order_lots
        return Refused(refusals.REFUSAL_OVERFLOW, largest, order.size) if order.size > largest else None

    def _amend_resting(self, command: int, number: int, before: BookOrder, after: BookOrder) -> Refused | None:
        """The row takes price and lots now; the book does it in its turn, less what was filled on the way."""
        entry, terms = self._entry, self._entry.rules(after.market).margin
        row = self._book.positions.read(after.account, after.market)
        reduces = after.flags & REDUCE_ONLY
        without = row if reduces else with_order(row, before.side, before.limit, -before.remaining, terms)
        refused = (
            entry.why_not_numbers(after, without)
            or entry.why_not_reducing(after, without)
            or entry.why_not_reduce_only(after, row)
        )
        if refused:
            return refused
        added = 0
        if not reduces:
            held_after = market_hold_ceil_atoms(
                with_order(without, after.side, after.limit, after.remaining, terms), terms
            )
            added = held_after - market_hold_ceil_atoms(row, terms)
            refused = entry.why_not_added(after.account, added)
            if refused:
                return refused
        freed = order_loss_ceil_atoms(before, terms)
        if order_loss_ceil_atoms(after, terms) > freed:
            bounded = entry.spare.bounded(after, without, freed)
            if isinstance(bounded, Refused):
                return bounded
            after = bounded
        self._book.change_order(number, size=after.size, remaining=after.remaining, limit=after.limit)
        entry.note_admitted(after, added, freed)
        entry.send(batches.ORDER_OP_KIND_AMEND, COMMAND, command, number, after, before.remaining)
        return None

    def _amend_armed(self, command: int, number: int, before: BookOrder, after: BookOrder) -> Refused | None:
        row = self._book.positions.read(after.account, after.market)
        refused = why_not_armed(self._entry, after) or self._entry.why_not_reducing(after, row)
        if refused:
            return refused
        self._book.change_order(number, size=after.size, remaining=after.remaining, limit=after.limit)
        body = events.OrderAmended(
            order=number,
            side=side_of(after),
            price_ticks_before=before.limit,
            price_ticks=after.limit,
            remaining_lots_before=before.remaining,
            remaining_lots=after.remaining,
        )
        event = events.Event(venue=self._book.venue, market=after.market, account=after.account, order_amended=body)
        self._sink.emit((ADMIT, command, 0, number), event)
        status = common.OUTCOME_STATUS_ARMED
        self._answers.answer(command, status, number, after.trigger_ticks, remaining_lots=after.remaining)
        return None

    def _set_leverage(self, command: int, _venue: int, account: int, market: int, leverage: int) -> Refused | None:
        """MT-02: checked like an order, by how much the market's requirement rises with the new leverage."""
        book, terms = self._book, self._entry.rules(market).margin
        if book.accounts.is_frozen(account):
            return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
        if not 1 <= leverage <= terms.first_leverage:
            bound = 1 if leverage < 1 else terms.first_leverage
            return Refused(refusals.REFUSAL_LEVERAGE_OUT_OF_RANGE, bound, leverage)
        row = book.positions.read(account, market)
        added = 0
        if row.lots or row.resting:
            notional = abs(row.lots) * terms.mark_ticks * terms.k
            now, then = (
                initial_margin_ceil_atoms(notional, chosen, terms.tiers)
                + market_hold_ceil_atoms(row._replace(leverage=chosen), terms)
                for chosen in (row.leverage or terms.first_leverage, leverage)
            )
            added = then - now
            refused = self._entry.why_not_added(account, added)
            if refused:
                return refused
        book.positions.ensure(account, market)
        book.positions.put(account, market, "leverage", leverage)
        self._entry.free.take(account, added)
        event = events.Event(
            venue=book.venue, market=market, account=account, leverage_set=events.LeverageSet(leverage=leverage)
        )
        self._sink.emit((ADMIT, command, 0, 0), event)
        self._answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)
        return None

    def _move_liquidity(self, command: int, venue: int, account: int, direction: int, amount: int) -> Refused | None:
        """A deposit holds cash that free margin can spare; a redemption is the backstop's to refuse (MT-14)."""
        if self._book.accounts.is_frozen(account):
            return Refused(refusals.REFUSAL_ACCOUNT_FROZEN, 0, account)
        if direction == DEPOSIT:
            free = min(self._entry.free.of(account), self._entry.spare.of(account))
            if amount > free:
                return Refused(refusals.REFUSAL_INSUFFICIENT_BALANCE, amount, free)
            self._book.accounts.hold(account, amount)
            self._entry.free.take(account, amount)
            self._entry.spare.take(account, amount)
        self._liquidity.add(command, venue, account, direction, amount)
        return None
