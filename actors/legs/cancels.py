"""Cancels that name their order, as one run over columns; `actors.orders.cancels` says what each of them does."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from actors.columns import RowGatherer
from actors.event_rows import body_number
from actors.ledger.account_commands import CANCEL
from actors.ledger.order_columns import ACCOUNT, MARKET
from actors.legs.cancel_kernel import CANCEL_ACCOUNT, CANCEL_CLIENT, CANCEL_COMMAND, CANCEL_ORDER, cancel, nothing_said
from actors.legs.runs import drop_orders, market_columns
from actors.orders.book import OrderedBook
from actors.sinks import TAKE, AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import refusals_pb2 as refusals

# Fewer cancels than these are not worth the columns.
FEW_CANCELS: Final = 8
_DONE_BODY = body_number("order_done")

Int64Array = NDArray[np.int64]


def run_cancels(
    book: OrderedBook,
    cancels: Int64Array,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """Carries out cancels by order number or, without one, by client id; a column each. Never while staging."""
    assert not book.log.is_open, "cancels are never staged"
    numbers = _numbers(book, cancels)
    order_slots, orders, table = book.orders.slots_of(numbers), book.orders.whole(), book.positions.table
    layout, cells, markets = book.positions.layout, table.whole(), market_columns(book)
    said = nothing_said(numbers.size)
    done, sent, empty = cancel(
        cancels, order_slots, orders, *table.index.arrays, cells, markets, layout, book.venue, said
    )
    met, slots = said.met, order_slots[said.met]
    keys = _keys(cancels[CANCEL_COMMAND, met], numbers[met])
    sink.emit_rows(keys, _DONE_BODY, book.venue, orders[slots, MARKET], orders[slots, ACCOUNT], said.told[:done])
    answers.answer_rows(said.outcomes[:, :done])
    ops.add_columns(said.ops[:, :sent])
    drop_orders(book, numbers[met], slots)
    if empty:
        book.positions.drop_empty_bulk(said.emptied[:empty])
    if done < numbers.size:
        _refuse(book, cancels[:, ~met], answers)


def _numbers(book: OrderedBook, cancels: Int64Array) -> Int64Array:
    """The order each cancel names, 0 where it names none that lives."""
    numbers: Int64Array = cancels[CANCEL_ORDER].copy()
    by_client = np.flatnonzero(numbers == 0)
    if by_client.size:
        accounts, client_ids = cancels[CANCEL_ACCOUNT, by_client], cancels[CANCEL_CLIENT, by_client]
        numbers[by_client] = book.orders.by_client_bulk(accounts, client_ids)
    return numbers


def _refuse(book: OrderedBook, cancels: Int64Array, answers: AnswerSink) -> None:
    """UNKNOWN_ORDER: names the order or, without one, the client id."""
    command, account, _, order, client_id = cancels
    none = np.zeros_like(command)
    keys, named = _keys(command, none), np.where(order != 0, order, client_id)
    refusal = none + refusals.REFUSAL_UNKNOWN_ORDER
    answers.refuse_rows(keys, command, refusal, none + 1, named, book.venue, none, account)


def _keys(commands: Int64Array, numbers: Int64Array) -> Int64Array:
    keys = np.empty((4, commands.size), dtype=np.int64)
    keys[0], keys[1], keys[2], keys[3] = TAKE, CANCEL, commands, numbers
    return keys
