"""Order flow on order books: makers, noise traders, momentum takers, whales; what one arrival makes, as compiled code.

A run of the kernel writes rows of `PlaceOrders` and `CancelBookOrders` as columns in the order of their fields. Orders
are known by ids that count up; who needs the node's numbers finds them by those.
"""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

from numba import njit

from node.flow.kernels.calendar import Calendar, put, take
from node.flow.kernels.chance import NOW, below, exponential, next_arrival, pareto, uniform
from node.flow.kernels.rows import (
    BY_ARCHETYPE,
    FORGOTTEN,
    LEVEL,
    MAKER,
    MOMENTUM,
    NEXT_ID,
    NOISE,
    WHALE,
    FlowRows,
    member,
    pick,
)
from node.flow.kernels.typing import Floats, Numbers, Words

LEVELS: Final = 4
PLACE_FIELDS, CANCEL_FIELDS = 12, 4

_LIMIT: Final = 2
_GTC, _IOC = 1, 2
_POST_ONLY: Final = 1
_PPM: Final = 1_000_000.0
# Most rows of one arrival: a maker's two cancels and two quotes.
_ROWS_AT_ONCE: Final = 4
# Cells of `parent`, the large order whales work off: children left, side, market, account.
LEFT, SIDE, MARKET, ACCOUNT = range(4)


class BookTraits(NamedTuple):
    """How they trade; the documentation has the formulas."""

    # Arrivals below these shares of 1 are of the archetype before: cumulative.
    shares: Floats
    # First account of each archetype in `accounts`, and the end.
    first: Numbers
    accounts: Numbers
    # Cumulative shares of the markets.
    popularity: Floats
    # By market: lots of a size of 1, most lots of an order, most lots a maker holds.
    unit_lots: Numbers
    most_lots: Numbers
    inventory_limit: Numbers
    size_index: float
    most_units: float
    depth_ppm: float
    depth_index: float
    most_depth_ppm: float
    half_spread_ppm: float
    skew_ppm: float
    reach_ppm: float
    aggressive: float
    life_s: float
    children: float
    by_client_id: bool


class BookState(NamedTuple):
    """What there is of them now."""

    rng: Words
    clock: Floats
    counts: Numbers
    parent: Numbers
    # By maker, market, side (0 bid, 1 ask), place: the id of the quote, 0 none. Places take the levels in turn.
    quotes: Numbers
    # By maker and market, in lots: what they believe to hold.
    inventory: Numbers
    calendar: Calendar
    # By entry of the calendar: id, account, market.
    resting: Numbers


@njit(cache=True)
def run_book(
    traits: BookTraits, state: BookState, rows: FlowRows, centre: Numbers, trend: Floats, until_s: float, most: int
) -> float:
    """Arrivals up to `until_s`, or until `most` rows are written; the time reached, s.

    `centre` is the price by market in ticks, `trend` how it moved lately, as a multiple of its usual move.
    """
    rows.written[:] = 0
    while rows.written[0] + rows.written[1] < most - _ROWS_AT_ONCE:
        if state.clock[NOW] > until_s:
            return until_s
        now_s = state.clock[NOW]
        _expire(state, rows, traits, now_s, most)
        if rows.written[0] + rows.written[1] >= most - _ROWS_AT_ONCE:
            return now_s
        draw = uniform(state.rng)
        market = pick(traits.popularity, uniform(state.rng))
        if draw < traits.shares[MAKER]:
            _make(traits, state, rows, centre, market, now_s)
        elif draw < traits.shares[NOISE]:
            _noise(traits, state, rows, centre, market, now_s)
        elif draw < traits.shares[MOMENTUM]:
            _follow(traits, state, rows, centre, trend, market, now_s)
        else:
            _work_off(traits, state, rows, centre, market, now_s)
        next_arrival(state.rng, state.clock)
    return state.clock[NOW]


@njit(cache=True, inline="always")
def _lots(traits: BookTraits, rng: Words, market: int, units: float) -> int:
    lots = int(traits.unit_lots[market] * units * pareto(rng, traits.size_index, traits.most_units))
    return max(1, min(lots, traits.most_lots[market]))


@njit(cache=True, inline="always")
def _expire(state: BookState, rows: FlowRows, traits: BookTraits, now_s: float, most: int) -> None:
    """Cancels of resting orders whose time is over."""
    while rows.written[0] + rows.written[1] < most - _ROWS_AT_ONCE:
        entry = take(state.calendar, now_s)
        if entry < 0:
            return
        resting = state.resting[entry]
        _cancel(traits, state, rows, resting[1], resting[2], resting[0], now_s, NOISE)


@njit(cache=True, inline="always")
def _make(traits: BookTraits, state: BookState, rows: FlowRows, centre: Numbers, market: int, now_s: float) -> None:
    """A maker moves one level of its quotes: both old ones go, new ones come around where it wants to trade."""
    first = traits.first[MAKER]
    maker = below(state.rng, traits.first[MAKER + 1] - first)
    account = traits.accounts[first + maker]
    level = state.counts[LEVEL] % state.quotes.shape[3]
    state.counts[LEVEL] += 1
    limit = traits.inventory_limit[market]
    held = state.inventory[maker, market]
    # Long makers ask for less on both sides, short ones for more.
    wanted = centre[market] * (1.0 - traits.skew_ppm / _PPM * max(-1.0, min(1.0, held / limit)))
    for place in range(2):
        side = 1 - 2 * place
        quote = state.quotes[maker, market, place]
        if quote[level]:
            _cancel(traits, state, rows, account, market + 1, quote[level], now_s, MAKER)
            quote[level] = 0
        if side * held >= limit:
            continue
        away_ppm = traits.half_spread_ppm * (1 + level % LEVELS) + exponential(state.rng, 0.2 * traits.half_spread_ppm)
        ticks = max(1, int(wanted * (1.0 - side * away_ppm / _PPM) + 0.5))
        lots = min(_lots(traits, state.rng, market, 2.0), max(1, limit - side * held))
        quote[level] = _place(traits, state, rows, account, market, side, lots, ticks, _GTC, _POST_ONLY, now_s, MAKER)


@njit(cache=True, inline="always")
def _noise(traits: BookTraits, state: BookState, rows: FlowRows, centre: Numbers, market: int, now_s: float) -> None:
    """Somebody: mostly an order that rests at some depth for some time, now and then one that takes."""
    account, side = member(state.rng, traits.first, traits.accounts, NOISE), 1 - 2 * below(state.rng, 2)
    if uniform(state.rng) < traits.aggressive:
        _take(traits, state, rows, centre, account, market, side, 1.0, now_s, NOISE)
        return
    depth = traits.depth_ppm * (uniform(state.rng) ** (-1.0 / traits.depth_index) - 1.0)
    away_ppm = 0.5 * traits.half_spread_ppm + min(depth, traits.most_depth_ppm)
    ticks = max(1, int(centre[market] * (1.0 - side * away_ppm / _PPM) + 0.5))
    lots = _lots(traits, state.rng, market, 1.0)
    number = _place(traits, state, rows, account, market, side, lots, ticks, _GTC, 0, now_s, NOISE)
    # The mean of a Pareto draw with index 1.5 is 3.
    entry = put(state.calendar, now_s + traits.life_s / 3.0 * pareto(state.rng, 1.5, 1_000.0))
    if entry < 0:
        state.counts[FORGOTTEN] += 1
        return
    state.resting[entry, 0] = number
    state.resting[entry, 1] = account
    state.resting[entry, 2] = market + 1


@njit(cache=True, inline="always")
def _follow(
    traits: BookTraits, state: BookState, rows: FlowRows, centre: Numbers, trend: Floats, market: int, now_s: float
) -> None:
    """A momentum trader takes with the trend, the surer the larger it is."""
    up = 1.0 / (1.0 + exp(-2.0 * trend[market]))
    side = 1 if uniform(state.rng) < up else -1
    account = member(state.rng, traits.first, traits.accounts, MOMENTUM)
    _take(traits, state, rows, centre, account, market, side, 1.0, now_s, MOMENTUM)


@njit(cache=True, inline="always")
def _work_off(traits: BookTraits, state: BookState, rows: FlowRows, centre: Numbers, market: int, now_s: float) -> None:
    """A whale: a large order in pieces, one after the other, all the same way."""
    parent = state.parent
    if parent[LEFT] <= 0:
        parent[LEFT] = int(traits.children * pareto(state.rng, 1.5, 50.0))
        parent[SIDE] = 1 - 2 * below(state.rng, 2)
        parent[MARKET] = market
        parent[ACCOUNT] = member(state.rng, traits.first, traits.accounts, WHALE)
    parent[LEFT] -= 1
    _take(traits, state, rows, centre, parent[ACCOUNT], parent[MARKET], parent[SIDE], 4.0, now_s, WHALE)


@njit(cache=True, inline="always")
def _take(
    traits: BookTraits,
    state: BookState,
    rows: FlowRows,
    centre: Numbers,
    account: int,
    market: int,
    side: int,
    units: float,
    now_s: float,
    archetype: int,
) -> None:
    """An order that takes what is within reach; makers with room for it believe that they were hit."""
    lots = _lots(traits, state.rng, market, units)
    ticks = max(1, int(centre[market] * (1.0 + side * traits.reach_ppm / _PPM) + 0.5))
    _place(traits, state, rows, account, market, side, lots, ticks, _IOC, 0, now_s, archetype)
    makers = len(state.inventory)
    one, other = below(state.rng, makers), below(state.rng, makers)
    # Of two makers the one whose inventory it brings back has the better price.
    if side * state.inventory[other, market] > side * state.inventory[one, market]:
        one = other
    room = max(0, traits.inventory_limit[market] + side * state.inventory[one, market])
    state.inventory[one, market] -= side * min(lots, room)


@njit(cache=True, inline="always")
def _place(
    traits: BookTraits,
    state: BookState,
    rows: FlowRows,
    account: int,
    market: int,
    side: int,
    lots: int,
    ticks: int,
    time_in_force: int,
    flags: int,
    now_s: float,
    archetype: int,
) -> int:
    """A row of `PlaceOrders`; the id of the order."""
    number = state.counts[NEXT_ID]
    state.counts[NEXT_ID] += 1
    state.counts[BY_ARCHETYPE + archetype] += 1
    row = rows.written[0]
    places = rows.places
    places[0, row] = account
    places[1, row] = market + 1
    places[2, row] = side
    places[3, row] = _LIMIT
    places[4, row] = lots
    places[5, row] = ticks
    places[6, row] = time_in_force
    places[7, row] = flags
    places[11, row] = number if traits.by_client_id else 0
    rows.place_ids[row] = number
    rows.place_s[row] = now_s
    rows.written[0] = row + 1
    return int(number)


@njit(cache=True, inline="always")
def _cancel(
    traits: BookTraits,
    state: BookState,
    rows: FlowRows,
    account: int,
    market: int,
    number: int,
    now_s: float,
    archetype: int,
) -> None:
    """A row of `CancelBookOrders`; without client ids the order's number is put in by who knows it."""
    state.counts[BY_ARCHETYPE + archetype] += 1
    row = rows.written[1]
    rows.cancels[0, row] = account
    rows.cancels[1, row] = market
    rows.cancels[3, row] = number if traits.by_client_id else 0
    rows.cancel_ids[row] = number
    rows.cancel_s[row] = now_s
    rows.written[1] = row + 1
