"""Where a book's telling writes: events as bytes, legs and answers as columns, as they travel, and how far they are.

A book keeps its pages from call to call. What is alike in every row is written when the room is made.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from actors.booking.words import LEG_CLASS, LEG_COLUMNS, OUTCOME_COLUMNS, SIDE_LONG, SIDE_SHORT
from actors.byte_words import WORD_BYTES
from actors.compiling import inlined
from actors.pending_events import COLUMNS as EVENT_COLUMNS
from actors.sinks import DESK

# counts: rows written and bytes of events, trades of the market so far, its open interest.
EVENTS: Final = 0
BYTES: Final = 1
LEGS: Final = 2
OUTCOMES: Final = 3
TRADES: Final = 4
OPEN_INTEREST: Final = 5
_COUNTS: Final = 6

# Columns of `CrossLegs`.
_LEG_CLASS: Final = 0
_LEG_COMMAND: Final = 1
_LEG_MARKET: Final = 2
_LEG: Final = 3
_LEG_VENUE: Final = 4
_LEG_ACCOUNT: Final = 5
_LEG_KIND: Final = 6
_LEG_ORDER: Final = 7
_LEG_LOTS: Final = 8
_LEG_QUOTE: Final = 9
_LEG_FEE: Final = 10
_LEG_LIQUIDATION_FEE: Final = 11
_LEG_AMOUNT: Final = 12
_LEG_REFERENCE: Final = 13

_LEGS_ALIKE: Final = (_LEG_CLASS, _LEG_VENUE, _LEG_MARKET, _LEG_AMOUNT, _LEG_REFERENCE)

# Of the keys of events only the number differs; the order in which they happened counts.
_NUMBER: Final = 2
_EVENTS_ALIKE: Final = (0, 1, 3)
SIZE: Final = 4

# `OrderFilled` has nine numbers of 11 bytes, and four of 2: a side and three that are 0 or 1.
BODY_BYTES_MAX: Final = 9 * 11 + 4 * 2
# Before the body are three numbers, its tag and its length.
_EVENT_BYTES_MAX: Final = 3 * 11 + 3 + BODY_BYTES_MAX
# Columns begin in different sets of the processor's cache, however many rows there is room for.
_ROOM_STEP: Final = 512
_ROOM_ODD: Final = 24


class Pages(NamedTuple):
    """One call's output: bytes of events strung together, their keys and sizes, legs, answers."""

    bodies: np.ndarray
    events: np.ndarray
    legs: np.ndarray
    outcomes: np.ndarray
    counts: np.ndarray


def first_pages(venue: int, market: int) -> Pages:
    """Pages of a market's book, with room for nothing."""
    legs = np.zeros((LEG_COLUMNS, 1), dtype=np.int64)
    legs[_LEG_CLASS], legs[_LEG_VENUE], legs[_LEG_MARKET] = LEG_CLASS, venue, market
    events = np.zeros((EVENT_COLUMNS, 1), dtype=np.int64)
    events[0], events[1] = DESK, venue << 32 | market
    outcomes, counts = np.empty((OUTCOME_COLUMNS, 0), dtype=np.int64), np.zeros(_COUNTS, dtype=np.int64)
    return Pages(np.empty(0, dtype=np.uint8), events, legs, outcomes, counts)


def with_pages(pages: Pages, results: int, ops: int) -> Pages:
    """The pages, or larger ones where what so many results of so many operations give might not fit.

    A result is one event and one leg, a fill two; an operation may be refused besides.
    """
    events, used, legs, outcomes = pages.counts[: OUTCOMES + 1].tolist()
    told = 2 * results + ops
    bytes_needed = used + told * _EVENT_BYTES_MAX + WORD_BYTES
    if bytes_needed > pages.bodies.size:
        pages = pages._replace(bodies=_larger(pages.bodies, used, 2 * bytes_needed))
    if events + told > pages.events.shape[1]:
        pages = pages._replace(events=_larger(pages.events, events, _room(2 * (events + told)), _EVENTS_ALIKE, _NUMBER))
    if outcomes + ops > pages.outcomes.shape[1]:
        pages = pages._replace(outcomes=_larger(pages.outcomes, outcomes, _room(2 * (outcomes + ops))))
    if legs + 2 * results > pages.legs.shape[1]:
        room = _room(2 * (legs + 2 * results))
        pages = pages._replace(legs=_larger(pages.legs, legs, room, _LEGS_ALIKE, _LEG))
    return pages


def _larger(page: np.ndarray, used: int, room: int, alike: Sequence[int] = (), number: int | None = None) -> np.ndarray:
    """`alike`: columns that have the same in all rows; `number`: the one that counts them."""
    larger = np.empty((*page.shape[:-1], room), dtype=page.dtype)
    larger[..., :used] = page[..., :used]
    for column in alike:
        larger[column] = page[column, 0]
    if number is not None:
        larger[number] = np.arange(room)
    return larger


def _room(rows: int) -> int:
    return -(-rows // _ROOM_STEP) * _ROOM_STEP + _ROOM_ODD


@inlined
def write_leg(
    pages: Pages,
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
    legs = pages.legs
    legs[_LEG_COMMAND, place] = command
    legs[_LEG_ACCOUNT, place] = account
    legs[_LEG_KIND, place] = kind
    legs[_LEG_ORDER, place] = order
    legs[_LEG_LOTS, place] = lots
    legs[_LEG_QUOTE, place] = quote_atoms
    legs[_LEG_FEE, place] = fee_atoms
    legs[_LEG_LIQUIDATION_FEE, place] = liquidation_fee_atoms


@inlined
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
    outcomes = pages.outcomes
    outcomes[0, place] = command
    outcomes[1, place] = status
    outcomes[2, place] = why[0]
    outcomes[3, place] = why[1]
    outcomes[4, place] = why[2]
    outcomes[5, place] = order
    outcomes[6, place] = price_ticks
    outcomes[7, place] = amount_atoms
    outcomes[8, place] = filled_lots
    outcomes[9, place] = remaining_lots


@inlined
def side_word(side: np.int64) -> np.int64:
    """Side as events name it."""
    return np.int64(SIDE_LONG) if side > 0 else np.int64(SIDE_SHORT)
