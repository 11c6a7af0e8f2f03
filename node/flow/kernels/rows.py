"""What the kernels share: the archetypes, the counters, the rows a run writes, and who acts."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from node.flow.kernels.chance import below
from node.flow.kernels.typing import Floats, Numbers, Words

MAKER, NOISE, MOMENTUM, WHALE, ARCHETYPES = range(5)
NAMES: Final = ("maker", "noise", "momentum", "whale")
# Cells of `counts`: next id, next quote level, orders that found no room to be remembered; then rows by archetype.
NEXT_ID, LEVEL, FORGOTTEN, BY_ARCHETYPE = range(4)
COUNT_CELLS: Final = BY_ARCHETYPE + ARCHETYPES


class FlowRows(NamedTuple):
    """What a run wrote: columns, ids and times (s of the model); `written` counts places and cancels."""

    places: Numbers
    place_ids: Numbers
    place_s: Floats
    cancels: Numbers
    cancel_ids: Numbers
    cancel_s: Floats
    written: Numbers


def flow_rows(place_fields: int, cancel_fields: int, most: int) -> FlowRows:
    """Room for so many of each."""
    return FlowRows(
        np.zeros((place_fields, most), dtype=np.int64),
        np.zeros(most, dtype=np.int64),
        np.zeros(most),
        np.zeros((cancel_fields, most), dtype=np.int64),
        np.zeros(most, dtype=np.int64),
        np.zeros(most),
        np.zeros(2, dtype=np.int64),
    )


@njit(cache=True, inline="always")
def pick(cumulative: Floats, draw: float) -> int:
    """The first whose cumulative share is above the draw."""
    at = 0
    while at < len(cumulative) - 1 and draw >= cumulative[at]:
        at += 1
    return at


@njit(cache=True, inline="always")
def member(rng: Words, first: Numbers, accounts: Numbers, archetype: int) -> int:
    """An account of this archetype, which has some."""
    begin = first[archetype]
    return int(accounts[begin + below(rng, first[archetype + 1] - begin)])
