"""One call's work at a book: operations matched and told, or positions deleveraged (MT-05, MT-15)."""

from itertools import pairwise
from typing import Any

import numpy as np

from actors.booking.call import Columns
from actors.booking.orders import kernel_caps, ops_in_order
from actors.booking.pages import LEGS, OPEN_INTEREST, SIZE, TRADES, first_pages, with_pages
from actors.booking.telling import STATE, tell
from actors.booking.terms import BookTerms
from actors.booking.words import CLASS, COMMAND, ROW_WORDS
from actors.column_bytes import columns_parts, field_parts
from actors.matching.book import WORKED_AT_ONCE, MatchingBook
from actors.matching.words import CANCEL_ACCOUNT, OP_ACCOUNT, OP_KIND, Caps, Limits
from actors.sinks import LADDER, LADDER_BOOK, NO_COMMAND
from breakwater.v1 import batches_pb2 as batches


class BookWork:
    """A market's book as its calls use it: what they tell lies in pages that are used again and again."""

    def __init__(self, book: MatchingBook, venue: int, market: int) -> None:
        self._book = book
        self._desk = venue << 32 | market
        self._pages = first_pages(venue, market)
        self._rows = np.empty((0, ROW_WORDS), dtype=np.int64)
        self._state = np.zeros(STATE, dtype=np.int64)

    def match_ops(self, terms: BookTerms, ops: Columns, caps: Columns, open_interest_lots: int, trades: int) -> int:
        """Works operations in the order (class, command, order) and tells what happened; the trades of the market."""
        rows = self._room_for(ops.rows)
        has_reduce_only = ops_in_order(ops, terms.unwind_depth_ppm, rows)
        limits = Limits(open_interest_lots, terms.market.open_interest_cap_lots)
        return self._match(terms, rows, kernel_caps(caps, rows, has_reduce_only), limits, trades)

    def cancel_accounts(self, terms: BookTerms, accounts: list[int], trades: int) -> None:
        """Cancels everything these accounts have on the book, account by account as listed, and tells it."""
        rows = self._room_for(len(accounts))
        rows[:] = 0
        rows[:, CLASS], rows[:, COMMAND] = 0, NO_COMMAND
        rows[:, OP_KIND], rows[:, OP_ACCOUNT] = CANCEL_ACCOUNT, accounts
        self._match(terms, rows, Caps.none(), Limits(), trades)

    def _room_for(self, ops: int) -> np.ndarray:
        if ops > len(self._rows):
            self._rows = np.empty((2 * ops, ROW_WORDS), dtype=np.int64)
        return self._rows[:ops]

    def _match(self, terms: BookTerms, rows: np.ndarray, caps: Caps, limits: Limits, trades: int) -> int:
        counts = self._pages.counts
        counts[:] = 0
        counts[TRADES], counts[OPEN_INTEREST] = trades, limits.open_interest_lots
        self._book.begin(rows, caps, limits)
        for first in range(0, len(rows), WORKED_AT_ONCE):
            results = self._book.work(rows, first)
            self._pages = with_pages(self._pages, len(results), min(WORKED_AT_ONCE, len(rows) - first))
            tell(rows, results, terms.market, self._pages, self._state)
        self._book.finish(caps)
        return int(counts[TRADES])

    def reply_parts(self, ladder_round: int) -> list[Any]:
        """What was told, as fields of a serialised `BookReply` in pieces; they hold until the next call."""
        pages = self._pages
        events, size, legs, outcomes, *_ = pages.counts.tolist()
        parts = self._event_parts(events, size, ladder_round) if events else []
        if outcomes:
            answers = columns_parts(batches.Outcomes, pages.outcomes[:, :outcomes])
            parts += field_parts(batches.BookReply, "outcomes", answers)
        if legs:
            postings = columns_parts(batches.CrossLegs, pages.legs[:, :legs])
            parts += field_parts(batches.BookReply, "legs", postings)
        return parts

    def _event_parts(self, events: int, size: int, ladder_round: int) -> list[Any]:
        columns = self._pages.events[:, :events]
        if ladder_round:
            columns = columns.copy()
            columns[3] = columns[2]
            columns[0], columns[1], columns[2] = LADDER, ladder_round, LADDER_BOOK + self._desk
        bodies = field_parts(batches.PendingEvents, "bodies", [self._pages.bodies[:size].data])
        return field_parts(batches.BookReply, "events", columns_parts(batches.PendingEvents, columns) + bodies)

    def told_events(self) -> list[bytes]:
        """The events, serialised, one by one."""
        pages, (count, size, *_) = self._pages, self._pages.counts.tolist()
        data, ends = pages.bodies[:size].tobytes(), np.cumsum(pages.events[SIZE, :count]).tolist()
        return [data[begin:end] for begin, end in pairwise([0, *ends])]

    def told_legs(self) -> np.ndarray:
        """The legs, in the columns of `CrossLegs`."""
        return self._pages.legs[:, : int(self._pages.counts[LEGS])].copy()
