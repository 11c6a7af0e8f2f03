"""The kernel that makes a process's flow, with its traits and its state: one kind for each kind of venue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np

from node.flow.cast import (
    DECAY,
    ROWS_AN_ARRIVAL,
    book_traits,
    cast_of,
    isolated_traits,
    kind_of,
    quotes_a_side,
    versioned_traits,
)
from node.flow.kernels import book, isolated, versioned
from node.flow.kernels.calendar import Calendar, new_calendar
from node.flow.kernels.chance import hawkes_clock
from node.flow.kernels.rows import COUNT_CELLS, NEXT_ID, FlowRows, flow_rows
from node.flow.settings import Part

# Most rows one look at the model makes: what arrives within a window of time is bounded by it.
MOST_ROWS: Final = 20_000
_ENTRIES: Final = 1 << 18
_SLOTS_A_LIFE: Final = 200


class Habits(NamedTuple):
    """`run(traits, state, rows, centre, trend, until_s, most)` writes into `rows` and answers the time reached."""

    kind: str
    run: Callable[..., float]
    traits: Any
    state: Any
    rows: FlowRows


def habits_of(part: Part, prices: np.ndarray, rate: float) -> Habits:
    """At these prices (ticks by market) and with so many commands a second."""
    kind = kind_of(part.rulebook)
    return {"book": _book, "isolated": _isolated, "versioned": _versioned}[kind](part, prices, rate)


def _book(part: Part, prices: np.ndarray, rate: float) -> Habits:
    cast = cast_of(part.accounts)
    makers, markets = int(cast.first[1]), len(part.markets)
    traits = book_traits(cast, part.markets, prices, part.asset_decimals, rate, part.settings.blind)
    state = book.BookState(
        *_chance(part, rate, "book"),
        parent=np.zeros(4, dtype=np.int64),
        quotes=np.zeros((makers, markets, 2, quotes_a_side(makers, markets, rate)), dtype=np.int64),
        inventory=np.zeros((makers, markets), dtype=np.int64),
        calendar=_calendar(traits.life_s),
        resting=np.zeros((_ENTRIES, 3), dtype=np.int64),
    )
    return Habits("book", book.run_book, traits, state, flow_rows(book.PLACE_FIELDS, book.CANCEL_FIELDS, MOST_ROWS))


def _isolated(part: Part, prices: np.ndarray, rate: float) -> Habits:
    traits = isolated_traits(cast_of(part.accounts), part.markets, part.asset_decimals, rate)
    state = isolated.IsolatedState(
        *_chance(part, rate, "isolated"),
        calendar=_calendar(traits.life_s),
        resting=np.zeros((_ENTRIES, 3), dtype=np.int64),
    )
    rows = flow_rows(isolated.OPEN_FIELDS, isolated.END_FIELDS, MOST_ROWS)
    return Habits("isolated", isolated.run_isolated, traits, state, rows)


def _versioned(part: Part, prices: np.ndarray, rate: float) -> Habits:
    cast = cast_of(part.accounts)
    traits = versioned_traits(cast, part.markets, prices, part.asset_decimals, rate)
    span = int(cast.accounts.max()) - traits.lowest + 1
    state = versioned.VersionedState(
        *_chance(part, rate, "versioned"),
        calendar=_calendar(traits.life_s),
        resting=np.zeros((_ENTRIES, 3), dtype=np.int64),
        moved=np.zeros((span, len(part.markets)), dtype=np.int64),
    )
    return Habits("versioned", versioned.run_versioned, traits, state, flow_rows(versioned.CHANGE_FIELDS, 1, MOST_ROWS))


def _chance(part: Part, rate: float, kind: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Random numbers, clock and counters at their beginning: a stream of its own for every process of a seed."""
    rng = np.array([part.settings.seed * 1_000_003 + part.worker], dtype=np.uint64)
    clock = hawkes_clock(rate / ROWS_AN_ARRIVAL[kind], part.settings.branching, DECAY)
    counts = np.zeros(COUNT_CELLS, dtype=np.int64)
    counts[NEXT_ID] = 1
    return rng, clock, counts


def _calendar(life_s: float) -> Calendar:
    return new_calendar(_ENTRIES, life_s / _SLOTS_A_LIFE)
