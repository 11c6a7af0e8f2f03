"""Cancels that name their order, as one run over columns; `actors.orders.cancels` says what each of them does."""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from actors.columns import RowGatherer
from actors.event_rows import body_number
from actors.ledger import order_columns as columns
from actors.ledger.account_commands import CANCEL
from actors.ledger.position_rows import MARKET_BITS
from actors.ledger.row_layout import Layout
from actors.legs.kernel import add_to_sums
from actors.legs.runs import market_columns
from actors.orders.book import OrderedBook
from actors.sinks import TAKE, AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals

# Fewer cancels than these are not worth the columns.
FEW_CANCELS: Final = 8
# Rows of the matrix of cancels.
COMMAND, ACCOUNT, MARKET, ORDER, CLIENT = range(5)
# Cancels come before everything else a book is sent (OrderOps).
CANCEL_CLASS = 0
_DONE_BODY = body_number("order_done")
_DONE_FIELDS = 9

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
    numbers = cancels[ORDER].copy()
    by_client = np.flatnonzero(numbers == 0)
    if by_client.size:
        numbers[by_client] = book.orders.by_client_bulk(cancels[ACCOUNT, by_client], cancels[CLIENT, by_client])
    taken, cells = _take(book.orders.whole(), book.orders.slots_of(numbers), cancels[ACCOUNT])
    book.orders.remove_bulk(cells[:, columns.NUMBER])
    _let_go(book, cells[cells[:, columns.TRIGGER] == 0])
    _tell(book, cancels[COMMAND, taken], cells.T, ops, sink, answers)
    _refuse(book, cancels[:, ~taken], answers)


def _let_go(book: OrderedBook, resting: Int64Array) -> None:
    """What these orders held is held no more."""
    keys = resting[:, columns.ACCOUNT] << MARKET_BITS | resting[:, columns.MARKET]
    slots, cells = book.positions.table.slots_of(keys), book.positions.table.whole()
    assert bool((slots >= 0).all()), "an order rested without a row of its position"
    _leave_sums(cells, slots, resting, market_columns(book), book.positions.layout)
    book.positions.drop_empty_bulk(keys)


@njit(cache=True)
def _take(orders: np.ndarray, slots: np.ndarray, accounts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(which cancels meet an order of their account, the cells of these orders). One that is met has no lots left."""
    taken = np.zeros(slots.size, dtype=np.bool_)
    cells = np.empty((slots.size, columns.CELLS), dtype=np.int64)
    count = 0
    for place in range(slots.size):
        slot = slots[place]
        if slot < 0 or orders[slot, columns.REMAINING] == 0 or orders[slot, columns.ACCOUNT] != accounts[place]:
            continue
        taken[place] = True
        cells[count] = orders[slot, : columns.CELLS]
        orders[slot, columns.REMAINING] = 0
        count += 1
    return taken, cells[:count]


@njit(cache=True)
def _leave_sums(
    positions: np.ndarray, slots: np.ndarray, orders: np.ndarray, markets: np.ndarray, layout: Layout
) -> None:
    for place in range(slots.size):
        lots = -orders[place, columns.REMAINING]
        add_to_sums(positions, slots[place], orders, place, lots, -1, markets, layout)


def _tell(
    book: OrderedBook,
    commands: Int64Array,
    cells: Int64Array,
    ops: RowGatherer[batches.OrderOps],
    sink: EventSink,
    answers: AnswerSink,
) -> None:
    """What became of orders, a column of cells each: the owner's answer, an event, and for the book an op."""
    number, account, market, side, limit, size, remaining, time_in_force, flags, self_trade, client_id, trigger, _ = (
        cells
    )
    armed = (trigger != 0).astype(np.int64)
    none = np.zeros_like(number)
    told = np.empty((number.size, _DONE_FIELDS), dtype=np.int64)
    told_side = np.where(side > 0, common.SIDE_LONG, common.SIDE_SHORT)
    for field, column in enumerate((number, told_side, limit, remaining, 1 - armed, none, none, none, armed)):
        told[:, field] = column
    sink.emit_rows(_keys(commands, number), _DONE_BODY, book.venue, market, account, told)
    done = none + common.OUTCOME_STATUS_DONE
    answers.answer_rows(np.stack((commands, done, none, none, none, number, limit, none, size - remaining, remaining)))
    kind, words = none + batches.ORDER_OP_KIND_CANCEL, (time_in_force, flags, self_trade, client_id, none)
    sent = (none + CANCEL_CLASS, commands, number, none + book.venue, market, account, kind, side, limit, remaining)
    ops.add_columns(np.stack((*sent, none, *words))[:, armed == 0])


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
