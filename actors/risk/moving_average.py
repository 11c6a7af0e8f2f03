"""Exponential moving averages in integers: num <- num * decay + sample * dt, den likewise (MT-09).

Time comes in whole units, a millisecond or a second. A unit's decay is listed in 1/2**32; the decay of more units is
its power by squaring, rounded down at each step. num and den carry 48 further bits and are rounded down at each step,
which loses less than one time constant of 2**-48 in all: against the same sums in rationals an average is off by less
than 2**-25 of the largest sample while it is sampled, and less than 2**-17 when it is about to be forgotten.
"""

from functools import cache
from typing import Final, NamedTuple

from actors.units import div_floor, div_half_away

Q32: Final = 1 << 32
_UNIT: Final = 1 << 48
# Less than this is left of the weight after more than five time constants: the average is forgotten.
_FORGOTTEN: Final = 1 << 40
_LIMB: Final = 1 << 62
LIMBS: Final = 4


class TimeConstant(NamedTuple):
    """How fast an average forgets: exp(-1 unit / T) in 1/2**32, to nearest, and the unit in ms."""

    decay_q32: int
    unit_ms: int


SECONDS_30: Final = TimeConstant(4_294_824_133, 1)
SECONDS_150: Final = TimeConstant(4_294_938_663, 1)
# A day's worth of milliseconds would leave too few digits of the decay: these count seconds.
HOURS_8: Final = TimeConstant(4_294_818_168, 1_000)
DAYS_30: Final = TimeConstant(4_294_965_639, 1_000)


class Average(NamedTuple):
    """The memory of one average, both in 2**-48 of (sample *) unit."""

    num: int = 0
    den: int = 0


@cache
def _square_q32(decay_q32: int, times: int) -> int:
    """decay ** (2 ** times), rounded down at every squaring."""
    if times == 0:
        return decay_q32
    half = _square_q32(decay_q32, times - 1)
    return half * half // Q32


def decay_floor_q32(constant: TimeConstant, units: int) -> int:
    """What is left of a weight after so many units, rounded down: 2**32 for none, 0 for very many."""
    assert units >= 0, f"time goes forward, got {units}"
    left, bit = Q32, 0
    while units and left:
        if units & 1:
            left = left * _square_q32(constant.decay_q32, bit) // Q32
        units, bit = units >> 1, bit + 1
    return left


def after(average: Average, constant: TimeConstant, units: int) -> Average:
    """The average once so much time has passed; without a sample its value stays, only its weight falls."""
    left = decay_floor_q32(constant, units)
    return Average(average.num * left // Q32, average.den * left // Q32)


def with_sample(average: Average, constant: TimeConstant, units: int, sample: int) -> Average:
    """The average with a sample that stood for so many units, which pass. The first sample is the average."""
    past = after(average, constant, units)
    if is_empty(past):
        past, units = Average(), max(1, units)
    return Average(past.num + sample * units * _UNIT, past.den + units * _UNIT)


def is_empty(average: Average) -> bool:
    """No sample yet, or all of them forgotten."""
    return average.den < _FORGOTTEN


def value_half_away(average: Average, divisor: int = 1) -> int | None:
    """The average over a divisor, half away from zero; None while it is empty."""
    return None if is_empty(average) else div_half_away(average.num, average.den * divisor)


def multiple_floor(average: Average, factor: int) -> int | None:
    """A multiple of the average, rounded down; None while it is empty."""
    return None if is_empty(average) else div_floor(factor * average.num, average.den)


def numbers_of(average: Average) -> tuple[int, ...]:
    """num and den as int64, each as high and low part: LIMBS numbers."""
    return (*divmod(average.num, _LIMB), *divmod(average.den, _LIMB))


def average_of(numbers: tuple[int, ...]) -> Average:
    """Takes what `numbers_of` gave."""
    high_num, low_num, high_den, low_den = numbers
    return Average(high_num * _LIMB + low_num, high_den * _LIMB + low_den)
