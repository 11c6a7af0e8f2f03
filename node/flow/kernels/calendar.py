"""What falls due later, as compiled code: a wheel of short lists, where putting and taking cost the same at any size.

An entry is a number with a due time; entries of one turn of the wheel come in the order of its slots, which is as exact
as a slot is wide. What is due beyond the wheel waits in its last slot and is put again.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from node.flow.kernels.typing import Floats, Numbers

SLOTS: Final = 4_096
# Cells of `state`: first free entry, entries in use, slots passed.
FREE, USED, TURN = range(3)


class Calendar(NamedTuple):
    """Lists by slot; `link` leads to the next entry of a list or of the free ones, -1 ends it."""

    heads: Numbers
    link: Numbers
    due_s: Floats
    state: Numbers
    width_s: Floats


def new_calendar(entries: int, width_s: float) -> Calendar:
    """An empty one with room for so many entries, its slots `width_s` wide."""
    link = np.arange(1, entries + 1, dtype=np.int64)
    link[-1] = -1
    state = np.zeros(3, dtype=np.int64)
    return Calendar(np.full(SLOTS, -1, dtype=np.int64), link, np.zeros(entries), state, np.array([width_s]))


@njit(cache=True, inline="always")
def put(calendar: Calendar, due_s: float) -> int:
    """The number of a new entry; -1 where there is no room."""
    entry = calendar.state[FREE]
    if entry < 0:
        return -1
    calendar.state[FREE] = calendar.link[entry]
    calendar.state[USED] += 1
    calendar.due_s[entry] = due_s
    _hang(calendar, entry, 0)
    return int(entry)


@njit(cache=True, inline="always")
def take(calendar: Calendar, until_s: float) -> int:
    """Takes an entry due in the slots before `until_s` and answers its number; -1 where there is none any more."""
    width, state = calendar.width_s[0], calendar.state
    while (state[TURN] + 1) * width <= until_s:
        slot = state[TURN] % SLOTS
        entry = calendar.heads[slot]
        if entry < 0:
            state[TURN] += 1
            continue
        calendar.heads[slot] = calendar.link[entry]
        if calendar.due_s[entry] >= (state[TURN] + 1) * width:
            _hang(calendar, entry, 1)
            continue
        calendar.link[entry] = state[FREE]
        state[FREE] = entry
        state[USED] -= 1
        return int(entry)
    return -1


@njit(cache=True, inline="always")
def _hang(calendar: Calendar, entry: int, least: int) -> None:
    """Into the slot of its due time, at least so many behind the one at hand."""
    turn = calendar.state[TURN]
    ahead = int(calendar.due_s[entry] / calendar.width_s[0]) - turn
    slot = (turn + min(SLOTS - 1, max(least, ahead))) % SLOTS
    calendar.link[entry] = calendar.heads[slot]
    calendar.heads[slot] = entry
