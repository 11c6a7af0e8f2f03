"""One call's work at a book: operations matched and told, or positions deleveraged (MT-05, MT-15)."""

from typing import NamedTuple

import numpy as np

from actors.booking.orders import kernel_caps, kernel_operations, ops_in_order
from actors.booking.pages import EVENTS, LEGS, OUTCOMES, TRADES, empty_pages
from actors.booking.telling import STATE, tell
from actors.booking.terms import BookTerms
from actors.booking.words import ACCOUNT, CLASS, COMMAND, FLAGS, KIND
from actors.event_rows import MARKET, VENUE, event_bytes
from actors.matching.book import MatchingBook
from actors.matching.words import CANCEL_ACCOUNT, FILL, Caps, Limits
from actors.pending_events import KEYS, EventPile
from actors.sinks import DESK, LADDER, LADDER_BOOK, NO_COMMAND
from breakwater.v1 import batches_pb2 as batches


class Told(NamedTuple):
    """What a batch came to: event rows (`event_rows`), legs and answers as columns."""

    events: np.ndarray
    legs: np.ndarray
    outcomes: np.ndarray
    trades: int


def match_ops(
    book: MatchingBook,
    terms: BookTerms,
    ops: batches.OrderOps,
    caps: batches.PositionCaps,
    open_interest_lots: int,
    trades: int,
) -> Told:
    """Works operations in the order (class, command, order) and tells what happened."""
    matrix = ops_in_order(ops)
    limits = Limits(open_interest_lots, terms.market.open_interest_cap_lots)
    return _match(book, terms, matrix, kernel_caps(caps, matrix), limits, trades)


def cancel_accounts(book: MatchingBook, terms: BookTerms, accounts: list[int], trades: int) -> Told:
    """Cancels everything these accounts have on the book, account by account as listed."""
    matrix = np.zeros((len(batches.OrderOps.DESCRIPTOR.fields), len(accounts)), dtype=np.int64)
    matrix[CLASS], matrix[COMMAND], matrix[FLAGS] = 0, NO_COMMAND, 0
    matrix[KIND], matrix[ACCOUNT] = CANCEL_ACCOUNT, accounts
    return _match(book, terms, matrix, Caps.none(), Limits(), trades)


def _match(
    book: MatchingBook,
    terms: BookTerms,
    matrix: np.ndarray,
    caps: Caps,
    limits: Limits,
    trades: int,
) -> Told:
    results = book.match(kernel_operations(matrix, terms.unwind_depth_ppm), caps, limits)
    rows = np.column_stack(results)
    fills = int(np.count_nonzero(results.type == FILL))
    pages = empty_pages(len(rows), fills, matrix.shape[1], trades, limits.open_interest_lots)
    tell(matrix, rows, terms.market, pages, np.zeros(STATE, dtype=np.int64))
    counts = pages.counts.tolist()
    told = pages.events[: counts[EVENTS]]
    told[:, VENUE], told[:, MARKET] = terms.market.venue, terms.market.market
    return Told(told, pages.legs[: counts[LEGS]].T, pages.outcomes[: counts[OUTCOMES]].T, counts[TRADES])


def put_events(target: EventPile, events: np.ndarray, venue: int, market: int, ladder_round: int) -> None:
    """Adds the events of a batch under their keys: the order in which they happened counts."""
    desk, order = venue << 32 | market, np.arange(len(events), dtype=np.int64)
    keys = np.zeros((KEYS, len(events)), dtype=np.int64)
    if ladder_round:
        keys[0], keys[1], keys[2], keys[3] = LADDER, ladder_round, LADDER_BOOK + desk, order
    else:
        keys[0], keys[1], keys[2] = DESK, desk, order
    target.add(keys, *event_bytes(events))
