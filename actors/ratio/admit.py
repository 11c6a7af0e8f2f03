"""Phase 9 of a Spin venue: triggers the mark meets, then orders and amends in their order; refusals here."""

from actors.columns import RowGatherer
from actors.ledger.book_orders import REDUCE_ONLY, BookOrder
from actors.ledger.ratio_positions import RatioPosition
from actors.orders.admission import OrderAdmission
from actors.orders.triggers import fire_triggers
from actors.ratio.admit_runs import RatioRuns
from actors.ratio.book import RatioBook
from actors.ratio.orders import Change, OrderEntry
from actors.sinks import AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches


def admit(
    book: RatioBook,
    commands: batches.ShardCommands,
    tiers: dict[int, int],
    ops: RowGatherer[batches.OrderOps],
    caps: RowGatherer[batches.PositionCaps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Everything of the venue's block that comes after the takeovers; tiers: accounts that lost something in them."""
    Admission(book, tiers, ops, caps, sink, answers).run(commands)


class Admission(OrderAdmission):
    """One venue's phase 9 on a shard."""

    def __init__(
        self,
        book: RatioBook,
        tiers: dict[int, int],
        ops: RowGatherer[batches.OrderOps],
        caps: RowGatherer[batches.PositionCaps],
        sink: EventSink,
        answers: AnswerSink,
    ) -> None:
        self._book = book
        self._entry = OrderEntry(book, ops, caps, tiers)
        super().__init__(self._entry, sink, answers)
        self._ops = ops

    def run(self, commands: batches.ShardCommands) -> None:
        """Triggers by order number, commands by their index."""
        fire_triggers(self._entry, self._sink)
        # Not kept: what keeps a method of its own keeps all of the block until somebody looks for cycles.
        self.run_commands(commands, RatioRuns(self._entry, self._ops, self._answers, self.place_one))

    def _amend_resting(self, command: int, number: int, before: BookOrder, after: BookOrder) -> Refused | None:
        """Checked as an order of the lots that are left, on the state without the one it replaces."""
        entry = self._entry
        row = self._book.positions.read(after.account, after.market)
        without = _without(row, before, self._book.k(before.market))
        refused = (
            entry.why_not_numbers(after, without)
            or entry.why_not_reducing(after, without)
            or entry.why_not_reduce_only(after, row)
        )
        bounded = refused or entry.bounded(Change(number, after, without, before))
        if isinstance(bounded, Refused):
            return bounded
        self._send_amended(command, number, before, bounded)
        entry.note_amended(number, bounded)
        return None


def _without(row: RatioPosition, order: BookOrder, k: int) -> RatioPosition:
    """The row without an order that is in its sums."""
    if order.flags & REDUCE_ONLY:
        return row
    lots, value = order.remaining, order.remaining * order.limit * k
    if order.side > 0:
        return row._replace(buy_lots=row.buy_lots - lots, buy_value=row.buy_value - value)
    return row._replace(sell_lots=row.sell_lots - lots, sell_value=row.sell_value - value)
