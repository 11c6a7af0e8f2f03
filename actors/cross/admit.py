"""Phase 9: triggers the mark meets, the vault's unwinding, then the block's commands in their order; refusals here.

An order that passes goes to its book, which answers; what ends here (refused, armed, leverage) is answered here.
"""

from actors.columns import RowGatherer, rows
from actors.cross.admit_runs import CrossRuns
from actors.cross.book import CrossBook
from actors.cross.holds import initial_margin_ceil_atoms, market_hold_ceil_atoms, with_order
from actors.cross.losses import order_loss_ceil_atoms
from actors.cross.orders import OrderEntry
from actors.cross.unwinding import unwind_vault
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.orders.admission import OrderAdmission
from actors.orders.triggers import fire_triggers
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


class Admission(OrderAdmission):
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
        super().__init__(self._entry, sink, answers)
        self._ops = ops

    def run(self, commands: batches.ShardCommands) -> None:
        """Triggers by order number, unwinding by market, commands by their index."""
        fire_triggers(self._entry, self._sink)
        unwind_vault(self._entry)
        leverages = (self._set_leverage, rows(commands.leverages))
        liquidity = (self._move_liquidity, rows(commands.liquidity))
        # Not kept: what keeps a method of its own keeps all of the block until somebody looks for cycles.
        runs = CrossRuns(self._entry, self._ops, self._answers, self.place_one)
        self.run_commands(commands, runs, leverages, liquidity)

    def _amend_resting(self, command: int, number: int, before: BookOrder, after: BookOrder) -> Refused | None:
        entry, terms = self._entry, self._entry.terms(after.market)
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
        self._send_amended(command, number, before, after)
        entry.note_admitted(after, added, freed)
        return None

    def _set_leverage(self, command: int, _venue: int, account: int, market: int, leverage: int) -> Refused | None:
        """MT-02: checked like an order, by how much the market's requirement rises with the new leverage."""
        book, terms = self._book, self._entry.terms(market)
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
