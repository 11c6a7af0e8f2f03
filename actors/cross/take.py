"""Phase 5 of a cross book: account commands as everywhere, then cancels of orders and triggers in command order."""

from actors.columns import RowGatherer, rows
from actors.cross.book import CrossBook
from actors.ledger.account_commands import CANCEL, take_account_commands
from actors.ledger.book_orders import BookOrder
from actors.sinks import NO_COMMAND, TAKE, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

CANCEL_CLASS = 0


def take_commands(
    book: CrossBook,
    commands: batches.ShardCommands,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Everything of the venue's block that comes before the scan; what rests at a book is cancelled there by an op."""
    take_account_commands({book.venue: book}, commands, sink, answers)
    cancels = [(command, account, 0, order, 0) for command, _, account, order, _ in rows(commands.cancels)]
    cancels += [(command, *named) for command, _, *named in rows(commands.book_cancels)]
    for command, account, market, order, client_id in cancels:
        if order or client_id:
            _cancel_one(book, command, account, order, client_id, ops, sink, answers)
        else:
            _cancel_all(book, command, account, market, ops, sink, answers)


def _cancel_one(
    book: CrossBook,
    command: int,
    account: int,
    order: int,
    client_id: int,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    number = order or book.orders.by_client(account, client_id)
    if number not in book.orders or book.orders.read(number).account != account:
        refused = Refused(refusals.REFUSAL_UNKNOWN_ORDER, 1, order or client_id)
        answers.refuse((TAKE, CANCEL, command, 0), command, refused, book.venue, account=account)
        return
    row = cancel_order(book, number, CANCEL_CLASS, command, ops)
    sink.emit((TAKE, CANCEL, command, number), order_done(book, number, row))
    answers.answer(
        command,
        common.OUTCOME_STATUS_DONE,
        reference=number,
        price_ticks=row.limit,
        filled_lots=row.size - row.remaining,
        remaining_lots=row.remaining,
    )


def _cancel_all(
    book: CrossBook,
    command: int,
    account: int,
    market: int,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """All orders and triggers, of one market or (0) of all; the dead man's switch gets no answer."""
    numbers = book.orders.of_account_in(account, market) if market else book.orders.of_account(account)
    for number in numbers:
        row = cancel_order(book, number, CANCEL_CLASS, command, ops)
        sink.emit((TAKE, CANCEL, command, number), order_done(book, number, row))
    if command != NO_COMMAND:
        answers.answer(command, common.OUTCOME_STATUS_DONE, reference=account)


def cancel_order(
    book: CrossBook, order: int, op_class: int, command: int, ops: RowGatherer[batches.OrderOps]
) -> BookOrder:
    """Takes an order out with its hold, tells its book to drop it (a trigger is at no book), and returns its row."""
    row = book.remove_order(order)
    if row.is_resting:
        ops.add(
            op_class,
            command,
            order,
            book.venue,
            row.market,
            row.account,
            batches.ORDER_OP_KIND_CANCEL,
            row.side,
            row.limit,
            row.remaining,
            0,
            row.time_in_force,
            row.flags,
            row.self_trade,
            row.client_id,
            0,
        )
    return row


def order_done(book: CrossBook, order: int, row: BookOrder, why: Refused | None = None) -> events.Event:
    """The order left without being filled whole; without a reason its owner cancelled it."""
    because = why or Refused(refusals.REFUSAL_UNSPECIFIED, 0, 0)
    body = events.OrderDone(
        order=order,
        side=common.SIDE_LONG if row.side > 0 else common.SIDE_SHORT,
        price_ticks=row.limit,
        remaining_lots=row.remaining,
        was_resting=row.is_resting,
        refusal=because.refusal,
        required=because.required,
        actual=because.actual,
        was_armed=not row.is_resting,
    )
    return events.Event(venue=book.venue, market=row.market, account=row.account, order_done=body)
