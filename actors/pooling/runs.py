"""Closes and opens of one call as runs over columns (`kernels`), and what is said of them: events, legs, answers."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from actors.columns import RowGatherer
from actors.event_rows import Piece, body_number
from actors.pooling import kernels
from actors.pooling.state import PoolBook
from actors.sinks import DESK, NO_COMMAND, AnswerSink, EventSink
from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import events_pb2 as events

# Fewer rows than these are not worth the columns.
FEW_ROWS = 8
PAYOUTS, OPENS = 1, 4
TRIGGER_CLASS = 0
_OPENED_BODY, _CLOSED_BODY = body_number("position_opened"), body_number("position_closed")
# `mark` in both of them.
_STAMP_NUMBER = 4
_BODIES: dict[int, Callable[..., Message]] = {
    _OPENED_BODY: events.PositionOpened,
    _CLOSED_BODY: events.PositionClosed,
}
_CANCELLED_BODY = body_number("order_cancelled")
_LEG_COLUMNS = 15
_OUTCOME_COLUMNS = 10

Int64Array = NDArray[np.int64]


class Says(NamedTuple):
    """Where a desk puts what it has to say."""

    sink: EventSink
    answers: AnswerSink
    legs: RowGatherer[batches.Legs]


def runs_by_columns(book: PoolBook) -> bool:
    """The pool owes nobody and nothing is owed to it: what comes in is NAV, and what goes out is there."""
    return not book.claims and not book.claims_atoms and not book.shortfall_atoms


def run_closes(book: PoolBook, closes: Int64Array, count: int, says: Says) -> tuple[int, int]:
    """(how many closes it settled, the number of the last thing done); those behind need claims."""
    pool, totals = _pool_cells(book), _total_rows(book)
    made = int(kernels.close_rows(closes, pool, totals))
    _write_back(book, pool, totals)
    closes = closes[:, :made]
    filled = closes[9] == common.OUTCOME_STATUS_FILLED
    told = closes[:, filled]
    numbers = count + 2 * np.arange(1, told.shape[1] + 1)
    _, _, position, command, _, market, account, side, kind, *_ = told
    initial, payout, none = told[13], told[17], np.zeros_like(position)
    version = none + book.terms.version
    fields = (position, _sides(side), kind, none, *told[10:17], payout - initial, payout, none, version)
    _tell_stamped(book, says.sink, _CLOSED_BODY, numbers - 1, market, account, np.column_stack(fields))
    head = (none + PAYOUTS, command, numbers, none + book.venue, account, none + events.LEG_KIND_PAYOUT)
    says.legs.add_columns(_stack(_LEG_COLUMNS, position.size, *head, payout, none, none, position))
    at = closes[3] != NO_COMMAND
    _, _, position, command, _, market, *_ = closes[:, at]
    status, paid, none = closes[9, at], closes[17, at], np.zeros_like(position)
    marks = totals[kernels.MARK, market]
    says.answers.answer_rows(
        _stack(_OUTCOME_COLUMNS, position.size, command, status, none, none, none, position, marks, paid)
    )
    return made, count + 2 * told.shape[1]


def run_opens(book: PoolBook, opens: Int64Array, count: int, says: Says) -> tuple[int, int]:
    """(how many opens it filled or refused, the number of the last thing done); the next is too wide."""
    pool, totals, size = _pool_cells(book), _total_rows(book), opens.shape[1]
    terms, why = np.zeros((kernels.TERM_ROWS, size), dtype=np.int64), np.zeros((3, size), dtype=np.int64)
    made = int(kernels.open_rows(opens, pool, totals, _rules(book), terms, why))
    _write_back(book, pool, totals)
    opens, terms, why = opens[:, :made], terms[:, :made], why[:, :made]
    numbers = count + 2 * np.arange(1, made + 1)
    is_filled = why[0] == 0
    _tell_filled(book, opens[:, is_filled], terms[:, is_filled], numbers[is_filled], totals[kernels.MARK], says)
    _tell_refused(book, opens[:, ~is_filled], why[:, ~is_filled], numbers[~is_filled], says)
    return made, count + 2 * made


def _tell_filled(
    book: PoolBook, opens: Int64Array, terms: Int64Array, numbers: Int64Array, marks: Int64Array, says: Says
) -> None:
    """An open's event comes before its leg."""
    _, _, order, command, _, market, account, side, kind, margin, leverage, _ = opens
    value, size, fee, held = terms
    none = np.zeros_like(order)
    fields = (order, _sides(side), kind, none, margin, leverage, value, size, fee, none + book.terms.version)
    _tell_stamped(book, says.sink, _OPENED_BODY, numbers - 1, market, account, np.column_stack(fields))
    head = (none + OPENS, command, numbers, none + book.venue, account, none + events.LEG_KIND_OPENED, none, -margin)
    entry = marks[market]
    says.legs.add_columns(_stack(_LEG_COLUMNS, order.size, *head, held, order, market, side, entry, margin, leverage))
    at = command != NO_COMMAND
    rows = (command, none + common.OUTCOME_STATUS_FILLED, none, none, none, order, entry, margin)
    says.answers.answer_rows(_stack(_OUTCOME_COLUMNS, order.size, *rows)[:, at])


def _tell_refused(book: PoolBook, opens: Int64Array, why: Int64Array, numbers: Int64Array, says: Says) -> None:
    """The leg that releases the margin comes before what is said; an open that rested is cancelled."""
    if not numbers.size:
        return
    work_class, _, order, command, _, market, account, _, _, margin, *_ = opens
    none = np.zeros_like(order)
    head = (none + OPENS, command, numbers - 1, none + book.venue, account, none + events.LEG_KIND_RELEASE)
    says.legs.add_columns(_stack(_LEG_COLUMNS, order.size, *head, margin, -margin, none, order))
    at = work_class == TRIGGER_CLASS
    fields = np.column_stack((order, margin, *why))[at]
    says.sink.emit_rows(_keys(book, numbers[at]), _CANCELLED_BODY, book.venue, market[at], account[at], fields)
    refusal, required, actual = why[:, ~at]
    keys, command = _keys(book, numbers[~at]), command[~at]
    says.answers.refuse_rows(keys, command, refusal, required, actual, book.venue, market[~at], account[~at])


def _tell_stamped(
    book: PoolBook,
    sink: EventSink,
    body: int,
    numbers: Int64Array,
    markets: Int64Array,
    accounts: Int64Array,
    fields: Int64Array,
) -> None:
    """Events that carry the stamp of their market's mark, for which `fields` have a 0."""
    for market in np.unique(markets).tolist():
        at, mark = markets == market, book.marks[market]
        stamp = events.MarkStamp(mark_ticks=mark.mark_ticks, version=mark.version, age_ms=mark.age_ms)
        # A body with nothing but the stamp is the stamp as a field.
        piece = Piece(_STAMP_NUMBER, _BODIES[body](mark=stamp).SerializeToString(deterministic=True))
        keys = _keys(book, numbers[at])
        sink.emit_rows(keys, body, book.venue, markets[at], accounts[at], fields[at], piece)


def _pool_cells(book: PoolBook) -> Int64Array:
    return np.array((book.nav_atoms, book.trader_margin_atoms, book.fees_atoms, book.deficit_atoms), dtype=np.int64)


def _total_rows(book: PoolBook) -> Int64Array:
    rows = np.zeros((kernels.TOTAL_ROWS, max((*book.marks, *book.totals), default=0) + 1), dtype=np.int64)
    for market, total in book.totals.items():
        sums = (total.long_size, total.short_size, total.long_entry_atoms, total.short_entry_atoms, total.positions)
        rows[: len(sums), market] = sums
    for market, mark in book.marks.items():
        rows[kernels.MARK, market] = mark.mark_ticks
    return rows


def _rules(book: PoolBook) -> Int64Array:
    rules = book.terms.twilight
    limits = (rules.max_oi_ppm, rules.max_net_ppm, rules.max_position_ppm)
    return np.array((rules.utilisation_cap_ppm, int(rules.limits_on), *limits), dtype=np.int64)


def _write_back(book: PoolBook, pool: Int64Array, totals: Int64Array) -> None:
    book.nav_atoms, book.trader_margin_atoms, book.fees_atoms, book.deficit_atoms = pool.tolist()
    for market in np.flatnonzero(totals[kernels.CHANGED]).tolist():
        total = book.total(market)
        sums = totals[:, market].tolist()
        total.long_size, total.short_size, total.long_entry_atoms, total.short_entry_atoms, total.positions = sums[:5]


def _sides(side: Int64Array) -> Int64Array:
    return np.where(side > 0, common.SIDE_LONG, common.SIDE_SHORT)


def _keys(book: PoolBook, numbers: Int64Array) -> Int64Array:
    return _stack(4, numbers.size, np.full_like(numbers, DESK), np.full_like(numbers, book.venue), numbers)


def _stack(columns: int, rows: int, *first: Int64Array) -> Int64Array:
    """A matrix that begins with these; the rest is 0."""
    made = np.zeros((columns, rows), dtype=np.int64)
    for place, column in enumerate(first):
        made[place] = column
    return made
