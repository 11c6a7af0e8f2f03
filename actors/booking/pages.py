"""Where a book's telling writes: event rows, legs and answers as int64 matrices, one row each, and how far they are."""

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from actors.booking.words import (
    LEG_CLASS,
    LEG_COLUMNS,
    OUTCOME_COLUMNS,
    REFUSED,
    REFUSED_BODY,
    SIDE_LONG,
    SIDE_SHORT,
    MarketTerms,
)
from actors.event_rows import ACCOUNT, BODY, EVENT_COLUMNS, FIRST_FIELD

# counts: rows written, trades of the market so far, its open interest.
EVENTS: Final = 0
LEGS: Final = 1
OUTCOMES: Final = 2
TRADES: Final = 3
OPEN_INTEREST: Final = 4
_COUNTS = 5


class Pages(NamedTuple):
    """One call's output."""

    events: np.ndarray
    legs: np.ndarray
    outcomes: np.ndarray
    counts: np.ndarray


def empty_pages(results: int, fills: int, ops: int, trades: int, open_interest_lots: int) -> Pages:
    """Room for what so many results of so many operations can give: one event and leg each, a fill has two."""
    counts = np.zeros(_COUNTS, dtype=np.int64)
    counts[TRADES], counts[OPEN_INTEREST] = trades, open_interest_lots
    return Pages(
        np.zeros((results + fills + ops, EVENT_COLUMNS), dtype=np.int64),
        np.zeros((results + fills, LEG_COLUMNS), dtype=np.int64),
        np.zeros((ops, OUTCOME_COLUMNS), dtype=np.int64),
        counts,
    )


@njit(cache=True)
def open_event(pages: Pages, body: np.int64, account: np.int64) -> np.ndarray:
    """The fields of a new event, by field number from 1 at place 0."""
    place = pages.counts[EVENTS]
    pages.counts[EVENTS] = place + 1
    row = pages.events[place]
    row[BODY] = body
    row[ACCOUNT] = account
    return row[FIRST_FIELD:]


@njit(cache=True)
def write_leg(
    pages: Pages,
    terms: MarketTerms,
    command: np.int64,
    account: np.int64,
    kind: np.int64,
    order: np.int64,
    lots: np.int64,
    quote_atoms: np.int64,
    fee_atoms: np.int64,
    liquidation_fee_atoms: np.int64,
) -> None:
    """A posting of the book, in the columns of `CrossLegs`."""
    place = pages.counts[LEGS]
    pages.counts[LEGS] = place + 1
    row = pages.legs[place]
    row[0] = LEG_CLASS
    row[1] = command
    row[2] = terms.market
    row[3] = place
    row[4] = terms.venue
    row[5] = account
    row[6] = kind
    row[7] = order
    row[8] = lots
    row[9] = quote_atoms
    row[10] = fee_atoms
    row[11] = liquidation_fee_atoms


@njit(cache=True)
def write_outcome(
    pages: Pages,
    command: np.int64,
    status: np.int64,
    why: tuple[np.int64, np.int64, np.int64],
    order: np.int64,
    price_ticks: np.int64,
    amount_atoms: np.int64,
    filled_lots: np.int64,
    remaining_lots: np.int64,
) -> None:
    """An answer, in the columns of `Outcomes`; `why` is the refusal and its two numbers."""
    place = pages.counts[OUTCOMES]
    pages.counts[OUTCOMES] = place + 1
    row = pages.outcomes[place]
    row[0] = command
    row[1] = status
    row[2], row[3], row[4] = why
    row[5] = order
    row[6] = price_ticks
    row[7] = amount_atoms
    row[8] = filled_lots
    row[9] = remaining_lots


@njit(cache=True)
def refuse(pages: Pages, command: np.int64, account: np.int64, why: tuple[np.int64, np.int64, np.int64]) -> None:
    """A refusal is an answer and an event."""
    write_outcome(pages, command, np.int64(REFUSED), why, 0, 0, 0, 0, 0)
    fields = open_event(pages, np.int64(REFUSED_BODY), account)
    fields[0] = command
    fields[1], fields[2], fields[3] = why


@njit(cache=True)
def side_word(side: np.int64) -> np.int64:
    """Side as events name it."""
    return np.int64(SIDE_LONG) if side > 0 else np.int64(SIDE_SHORT)
