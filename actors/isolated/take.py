"""Phase 5: accounts opened, deposits, the custodian's decisions, freezes, then cancels, each in command order."""

from actors.columns import rows
from actors.isolated.book import IsolatedBook
from actors.ledger.account_commands import CANCEL, take_account_commands
from actors.ledger.isolated_positions import LEVELS
from actors.sinks import NO_COMMAND, TAKE, AnswerSink, EventSink, Refused
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events
from breakwater.v1 import refusals_pb2 as refusals

_NO_KIND = common.ORDER_KIND_UNSPECIFIED


def take_commands(
    books: dict[int, IsolatedBook], commands: batches.ShardCommands, sink: EventSink, answers: AnswerSink
) -> None:
    """Everything of the block that comes before the scan."""
    take_account_commands(books, commands, sink, answers)
    for command, venue, account, order, kind in rows(commands.cancels):
        _cancel(books[venue], command, account, order, kind, sink, answers)


def _cancel(
    book: IsolatedBook,
    command: int,
    account: int,
    order: int,
    kind: "common.OrderKind",
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    if order == 0 and kind == _NO_KIND:
        released = _cancel_all(book, command, account, sink)
        if command != NO_COMMAND:
            answers.answer(command, common.OUTCOME_STATUS_DONE, amount_atoms=released)
        return
    released = 0
    refused = _why_not_cancel(book, account, order, kind)
    if refused:
        answers.refuse((TAKE, CANCEL, command, 0), command, refused, book.venue, account=account)
        return
    if kind == _NO_KIND:
        released = _cancel_order(book, command, order, sink)
    else:
        _take_level_off(book, command, order, kind, sink)
    answers.answer(command, common.OUTCOME_STATUS_DONE, reference=order, amount_atoms=released)


def _why_not_cancel(book: IsolatedBook, account: int, order: int, kind: "common.OrderKind") -> Refused | None:
    if kind == _NO_KIND:
        known = order in book.orders and book.orders.read(order).account == account
        return None if known else Refused(refusals.REFUSAL_UNKNOWN_ORDER, 1, order)
    if order not in book.positions or book.positions.read(order).account != account:
        return Refused(refusals.REFUSAL_UNKNOWN_POSITION, 1, order)
    if not getattr(book.positions.read(order), LEVELS[kind][0]):
        return Refused(refusals.REFUSAL_UNKNOWN_ORDER, 1, order)
    return None


def _cancel_all(book: IsolatedBook, command: int, account: int, sink: EventSink) -> int:
    released = sum(_cancel_order(book, command, order, sink) for order in book.orders.of_account(account))
    for position in book.positions.of_account(account):
        for kind in sorted(LEVELS):
            if getattr(book.positions.read(position), LEVELS[kind][0]):
                _take_level_off(book, command, position, kind, sink)
    return released


def _cancel_order(book: IsolatedBook, command: int, order: int, sink: EventSink) -> int:
    row = book.orders.remove(order)
    book.accounts.release(row.account, row.margin_atoms)
    body = events.OrderCancelled(order=order, released_atoms=row.margin_atoms)
    event = events.Event(venue=book.venue, market=row.market, account=row.account, order_cancelled=body)
    sink.emit((TAKE, CANCEL, command, order * 8), event)
    return row.margin_atoms


def _take_level_off(book: IsolatedBook, command: int, position: int, kind: "common.OrderKind", sink: EventSink) -> None:
    book.positions.set_level(position, kind, 0)
    row = book.positions.read(position)
    body = events.LevelSet(position=position, kind=kind, level_ticks=0)
    event = events.Event(venue=book.venue, market=row.market, account=row.account, level_set=body)
    sink.emit((TAKE, CANCEL, command, position * 8 + kind), event)
