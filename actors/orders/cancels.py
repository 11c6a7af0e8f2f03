"""Phase 6 of a venue with order books: account commands as everywhere, then cancels in command order."""

from collections.abc import Sequence

import numpy as np

from actors.columns import RowGatherer, matrix, row_count
from actors.event_rows import body_number
from actors.ledger.account_commands import CANCEL, take_account_commands
from actors.ledger.book_orders import BookOrder
from actors.legs.cancel_kernel import CANCEL_ACCOUNT, CANCEL_CLASS, CANCEL_CLIENT, CANCEL_ORDER
from actors.legs.cancels import FEW_CANCELS, Int64Array, run_cancels
from actors.orders.book import OrderedBook
from actors.sinks import NO_COMMAND, TAKE, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals

NO_REASON = Refused(refusals.REFUSAL_UNSPECIFIED, 0, 0)
_DONE_BODY = body_number("order_done")
# Columns of `BookCancelRows`, the second being the venue.
_WITHOUT_VENUE = [0, 2, 3, 4, 5]


def take_commands(
    book: OrderedBook,
    commands: batches.ShardCommands,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Everything of the venue's block that comes before the scan; what rests at a book is cancelled there by an op."""
    take_account_commands({book.venue: book}, commands, sink, answers)
    if not row_count(commands.cancels) and not row_count(commands.book_cancels):
        return
    cancels = _cancels_of(commands)
    if not book.way.trades_by_row and cancels.shape[1] >= FEW_CANCELS:
        # Whoever cancels all of an account's does it between the others of that account.
        for_all = (cancels[CANCEL_ORDER] == 0) & (cancels[CANCEL_CLIENT] == 0)
        by_rows = for_all
        if for_all.any():
            by_rows = np.isin(cancels[CANCEL_ACCOUNT], cancels[CANCEL_ACCOUNT, for_all])
        run_cancels(book, cancels[:, ~by_rows], ops, sink, answers)
        cancels = cancels[:, by_rows]
    for command, account, market, order, client_id in cancels.T.tolist():
        if order or client_id:
            _cancel_one(book, command, account, order, client_id, ops, sink, answers)
        else:
            _cancel_all(book, command, account, market, ops, sink, answers)


def _cancels_of(commands: batches.ShardCommands) -> Int64Array:
    """Command, account, market, order and client id of every cancel, a column each, in the order of their work."""
    of_books = matrix(commands.book_cancels)[_WITHOUT_VENUE]
    if not row_count(commands.cancels):
        return of_books
    command, _, account, order, _ = matrix(commands.cancels)
    none = np.zeros_like(command)
    return np.concatenate((np.stack((command, account, none, order, none)), of_books), axis=1)


def _cancel_one(
    book: OrderedBook,
    command: int,
    account: int,
    order: int,
    client_id: int,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    number = order or book.orders.by_client(account, client_id)
    row = book.orders.find(number)
    if row is None or row.account != account:
        refused = Refused(refusals.REFUSAL_UNKNOWN_ORDER, 1, order or client_id)
        answers.refuse((TAKE, CANCEL, command, 0), command, refused, book.venue, account=account)
        return
    cancel_orders(book, account, [number], CANCEL_CLASS, command, ops)
    tell_done(book, sink, (TAKE, CANCEL, command, number), number, row)
    answers.answer(
        command,
        common.OUTCOME_STATUS_DONE,
        reference=number,
        price_ticks=row.limit,
        filled_lots=row.size - row.remaining,
        remaining_lots=row.remaining,
    )


def _cancel_all(
    book: OrderedBook,
    command: int,
    account: int,
    market: int,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """All orders and triggers, of one market or (0) of all; the dead man's switch gets no answer."""
    numbers = book.orders.of_account_in(account, market) if market else book.orders.of_account(account)
    cancelled = cancel_orders(book, account, numbers, CANCEL_CLASS, command, ops)
    for number, row in zip(numbers, cancelled, strict=True):
        tell_done(book, sink, (TAKE, CANCEL, command, number), number, row)
    if command != NO_COMMAND:
        answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)


def cancel_orders(
    book: OrderedBook,
    account: int,
    orders: Sequence[int],
    op_class: int,
    command: int,
    ops: RowGatherer[batches.OrderOps],
) -> list[BookOrder]:
    """Takes orders of an account out with their holds, tells their books to drop them (a trigger is at no book).

    Returns their rows.
    """
    rows_out = book.remove_orders(account, orders)
    venue, kind = book.venue, batches.ORDER_OP_KIND_CANCEL
    for order, row in zip(orders, rows_out, strict=True):
        owner, market, side, limit, _, remaining, time_in_force, flags, self_trade, client_id, trigger, _ = row
        if not trigger:
            words = (time_in_force, flags, self_trade, client_id, 0)
            ops.add(op_class, command, order, venue, market, owner, kind, side, limit, remaining, 0, *words)
    return rows_out


def tell_done(
    book: OrderedBook,
    sink: EventSink,
    key: tuple[int, int, int, int],
    order: int,
    row: BookOrder,
    why: Refused = NO_REASON,
) -> None:
    """`OrderDone`: the order left without being filled whole; without a reason its owner cancelled it."""
    armed = int(row.trigger != 0)
    side = common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT
    fields = (order, side, row.limit, row.remaining, 1 - armed, *why, armed)
    sink.emit_row(key, _DONE_BODY, book.venue, row.market, row.account, fields)
