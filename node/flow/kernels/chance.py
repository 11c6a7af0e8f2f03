"""Seeded chance for kernels: uniform, exponential, Pareto and power-law draws, and a self-exciting arrival process.

Floats are at home here: nothing of it enters a state. The generator is splitmix64, whose one word of state makes a
stream of its own for every process of a run.
"""

from __future__ import annotations

from math import exp, log
from typing import Final

import numpy as np
from numba import njit

from node.flow.kernels.typing import Floats, Words

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(11)
_UNIT: Final = 2.0**-53

# Cells of the clock of a Hawkes process: time of the last arrival (s), its excitation then, base rate (1/s), what an
# arrival adds to the rate (1/s), decay of that (1/s).
NOW, EXCITED, BASE, JUMP, DECAY = range(5)
CLOCK_CELLS: Final = 5


@njit(cache=True)
def uniform(rng: Words) -> float:
    """Above 0, below 1."""
    state = rng[0] + _STEP
    rng[0] = state
    mixed = (state ^ (state >> _30)) * _MIX_1
    mixed = (mixed ^ (mixed >> _27)) * _MIX_2
    mixed = mixed ^ (mixed >> _31)
    return (np.float64(mixed >> _11) + 0.5) * _UNIT


@njit(cache=True)
def below(rng: Words, bound: int) -> int:
    """A whole number from 0 to bound - 1."""
    return int(uniform(rng) * bound)


@njit(cache=True)
def exponential(rng: Words, mean: float) -> float:
    """With this mean."""
    return -mean * log(uniform(rng))


@njit(cache=True)
def pareto(rng: Words, index: float, most: float) -> float:
    """At least 1, at most `most`; above x with probability x to the minus `index`."""
    return min(most, exp(-log(uniform(rng)) / index))


@njit(cache=True)
def next_arrival(rng: Words, clock: Floats) -> float:
    """Moves the clock to the next arrival of a Hawkes process with an exponential kernel; its time.

    Exact, without thinning: the next arrival is the sooner of one of the base rate and one that the excitation brings,
    if it brings one at all before it has decayed.
    """
    wait = exponential(rng, 1.0 / clock[BASE])
    if clock[EXCITED] > 0.0:
        left = 1.0 + clock[DECAY] * log(uniform(rng)) / clock[EXCITED]
        if left > 0.0:
            wait = min(wait, -log(left) / clock[DECAY])
    clock[EXCITED] = clock[EXCITED] * exp(-clock[DECAY] * wait) + clock[JUMP]
    clock[NOW] += wait
    return clock[NOW]


def hawkes_clock(rate: float, branching: float, decay: float) -> np.ndarray:
    """A clock whose arrivals are `rate` a second in the mean, of them the part `branching` brought by others.

    An arrival loses its influence with the time constant 1 / `decay`. The clock begins with the mean excitation.
    """
    clock = np.zeros(CLOCK_CELLS)
    clock[BASE], clock[JUMP], clock[DECAY] = rate * (1 - branching), branching * decay, decay
    clock[EXCITED] = rate * branching
    return clock
