"""Order flow on a venue that settles positions at oracle versions (Perennial), as compiled code.

A run writes rows of `ChangePositions`, which say what a position is to be: makers provide more or less, takers open one
way and close when their time is over. Nobody needs an answer to go on.
"""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

from numba import njit

from node.flow.kernels.calendar import Calendar, put, take
from node.flow.kernels.chance import NOW, next_arrival, pareto, uniform
from node.flow.kernels.rows import (
    BY_ARCHETYPE,
    FORGOTTEN,
    MAKER,
    MOMENTUM,
    NEXT_ID,
    WHALE,
    FlowRows,
    member,
    pick,
)
from node.flow.kernels.typing import Floats, Numbers, Words

CHANGE_FIELDS: Final = 6


class VersionedTraits(NamedTuple):
    """How they trade; the documentation has the formulas."""

    shares: Floats
    first: Numbers
    accounts: Numbers
    popularity: Floats
    # By market: lots of a size of 1, most lots; what a maker provides is a hundred sizes.
    unit_lots: Numbers
    most_lots: Numbers
    size_index: float
    most_units: float
    life_s: float
    # By archetype: what an account moves into a market with its first position there.
    collateral_atoms: Numbers
    # The smallest account's number: accounts count on from it.
    lowest: int


class VersionedState(NamedTuple):
    """What there is of them now."""

    rng: Words
    clock: Floats
    counts: Numbers
    calendar: Calendar
    # By entry of the calendar: account, market, archetype.
    resting: Numbers
    # By account (from the lowest) and market: whether it moved its collateral.
    moved: Numbers


@njit(cache=True)
def run_versioned(
    traits: VersionedTraits,
    state: VersionedState,
    rows: FlowRows,
    centre: Numbers,
    trend: Floats,
    until_s: float,
    most: int,
) -> float:
    """Arrivals up to `until_s`, or until `most` rows are written; the time reached, s. As `run_book`."""
    rows.written[:] = 0
    while rows.written[0] < most:
        now_s = state.clock[NOW]
        if now_s > until_s:
            return until_s
        entry = take(state.calendar, now_s)
        if entry >= 0:
            resting = state.resting[entry]
            _change(traits, state, rows, resting[0], resting[1], resting[2], 0, 0, 0, now_s)
            continue
        _trade(traits, state, rows, trend, now_s)
        next_arrival(state.rng, state.clock)
    return state.clock[NOW]


@njit(cache=True, inline="always")
def _trade(traits: VersionedTraits, state: VersionedState, rows: FlowRows, trend: Floats, now_s: float) -> None:
    rng = state.rng
    archetype = pick(traits.shares, uniform(rng))
    market = pick(traits.popularity, uniform(rng))
    account = member(rng, traits.first, traits.accounts, archetype)
    units = pareto(rng, traits.size_index, traits.most_units)
    if archetype == MAKER:
        lots = min(traits.most_lots[market], int(100.0 * traits.unit_lots[market] * units))
        _change(traits, state, rows, account, market, archetype, lots, 0, 0, now_s)
        return
    lots = min(traits.most_lots[market], int(traits.unit_lots[market] * units * (4.0 if archetype == WHALE else 1.0)))
    up = 1.0 / (1.0 + exp(-2.0 * trend[market])) if archetype == MOMENTUM else 0.5
    is_long = uniform(rng) < up
    _change(traits, state, rows, account, market, archetype, 0, lots if is_long else 0, 0 if is_long else lots, now_s)
    entry = put(state.calendar, now_s + traits.life_s / 3.0 * pareto(rng, 1.5, 1_000.0))
    if entry < 0:
        state.counts[FORGOTTEN] += 1
    else:
        state.resting[entry, 0] = account
        state.resting[entry, 1] = market
        state.resting[entry, 2] = archetype


@njit(cache=True, inline="always")
def _change(
    traits: VersionedTraits,
    state: VersionedState,
    rows: FlowRows,
    account: int,
    market: int,
    archetype: int,
    maker: int,
    long: int,
    short: int,
    now_s: float,
) -> None:
    row = rows.written[0]
    place = account - traits.lowest
    changes = rows.places
    changes[0, row] = account
    changes[1, row] = market + 1
    changes[2, row] = maker
    changes[3, row] = long
    changes[4, row] = short
    changes[5, row] = 0 if state.moved[place, market] else traits.collateral_atoms[archetype]
    state.moved[place, market] = 1
    rows.place_ids[row] = state.counts[NEXT_ID]
    rows.place_s[row] = now_s
    state.counts[NEXT_ID] += 1
    state.counts[BY_ARCHETYPE + archetype] += 1
    rows.written[0] = row + 1
