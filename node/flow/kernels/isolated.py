"""Order flow on a venue of isolated positions (Twilight), compiled: opens at the mark or at a level, closes later.

A run writes rows of `OpenPositions`; a cancel row is the end of an open by its id, which who knows its fate sends as a
close or as a cancel.
"""

from __future__ import annotations

from math import exp
from typing import Final, NamedTuple

from numba import njit

from node.flow.kernels.calendar import Calendar, put, take
from node.flow.kernels.chance import NOW, below, next_arrival, pareto, uniform
from node.flow.kernels.rows import BY_ARCHETYPE, FORGOTTEN, MOMENTUM, NEXT_ID, NOISE, WHALE, FlowRows, member, pick
from node.flow.kernels.typing import Floats, Numbers, Words

OPEN_FIELDS, END_FIELDS = 7, 1

_MARKET, _LIMIT = 1, 2
_PPM: Final = 1_000_000.0


class IsolatedTraits(NamedTuple):
    """How they trade; the documentation has the formulas."""

    # Cumulative shares of the archetypes, and where the accounts of each begin.
    shares: Floats
    first: Numbers
    accounts: Numbers
    popularity: Floats
    # Margin of a size of 1, and the most.
    unit_atoms: int
    most_atoms: int
    size_index: float
    most_units: float
    depth_ppm: float
    depth_index: float
    most_depth_ppm: float
    # Part of the opens that wait at a level.
    patient: float
    # By archetype, hundredths: most leverage; at least a fifth of it.
    leverage: Numbers
    life_s: float


class IsolatedState(NamedTuple):
    """What there is of them now."""

    rng: Words
    clock: Floats
    counts: Numbers
    calendar: Calendar
    # By entry of the calendar: id, account, archetype.
    resting: Numbers


@njit(cache=True)
def run_isolated(
    traits: IsolatedTraits,
    state: IsolatedState,
    rows: FlowRows,
    centre: Numbers,
    trend: Floats,
    until_s: float,
    most: int,
) -> float:
    """Arrivals up to `until_s`, or until `most` rows are written; the time reached, s. As `run_book`."""
    rows.written[:] = 0
    while rows.written[0] + rows.written[1] < most:
        now_s = state.clock[NOW]
        if now_s > until_s:
            return until_s
        entry = take(state.calendar, now_s)
        if entry >= 0:
            row = rows.written[1]
            rows.cancels[0, row] = state.resting[entry, 1]
            rows.cancel_ids[row] = state.resting[entry, 0]
            rows.cancel_s[row] = now_s
            rows.written[1] = row + 1
            state.counts[BY_ARCHETYPE + state.resting[entry, 2]] += 1
            continue
        _open(traits, state, rows, centre, trend, now_s)
        next_arrival(state.rng, state.clock)
    return state.clock[NOW]


@njit(cache=True, inline="always")
def _open(
    traits: IsolatedTraits, state: IsolatedState, rows: FlowRows, centre: Numbers, trend: Floats, now_s: float
) -> None:
    rng = state.rng
    archetype = max(NOISE, pick(traits.shares, uniform(rng)))
    market = pick(traits.popularity, uniform(rng))
    up = 1.0 / (1.0 + exp(-2.0 * trend[market])) if archetype == MOMENTUM else 0.5
    side = 1 if uniform(rng) < up else -1
    units = pareto(rng, traits.size_index, traits.most_units) * (4.0 if archetype == WHALE else 1.0)
    most = traits.leverage[archetype]
    waits = archetype == NOISE and uniform(rng) < traits.patient
    depth = min(traits.most_depth_ppm, traits.depth_ppm * uniform(rng) ** (-1.0 / traits.depth_index))
    account = member(rng, traits.first, traits.accounts, archetype)
    row = rows.written[0]
    opens = rows.places
    opens[0, row] = account
    opens[1, row] = market + 1
    opens[2, row] = side
    opens[3, row] = _LIMIT if waits else _MARKET
    opens[4, row] = min(traits.most_atoms, int(traits.unit_atoms * units))
    opens[5, row] = max(100, most // 5 + below(rng, most - most // 5 + 1))
    opens[6, row] = max(1, int(centre[market] * (1.0 - side * depth / _PPM))) if waits else 0
    number = state.counts[NEXT_ID]
    state.counts[NEXT_ID] += 1
    state.counts[BY_ARCHETYPE + archetype] += 1
    rows.place_ids[row] = number
    rows.place_s[row] = now_s
    rows.written[0] = row + 1
    entry = put(state.calendar, now_s + traits.life_s / 3.0 * pareto(rng, 1.5, 1_000.0))
    if entry < 0:
        state.counts[FORGOTTEN] += 1
    else:
        state.resting[entry, 0] = number
        state.resting[entry, 1] = account
        state.resting[entry, 2] = archetype
