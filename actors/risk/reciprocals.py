"""Exact division by divisors known beforehand: a multiplication by a reciprocal instead, for kernels.

For 0 < d < 2**62, with l the least number such that d <= 2**l, and m = ceil(2**(63 + l) / d): for every
0 <= x < 2**63, floor(x / d) = floor(m * x / 2**(63 + l)). For m * d = 2**(63 + l) + e with 0 <= e < d <= 2**l, so
m * x / 2**(63 + l) = x / d + (e / d) * x / 2**(63 + l), and the last term is below 1 / d: too little to reach the
next whole number. As d > 2**(l - 1), m is below 2**64 (d = 1: 2**63).
"""

from collections.abc import Iterable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

_ONE = np.uint64(1)


def reciprocals(divisors: Iterable[int]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(m, l) of each divisor, as `floor_by_reciprocal` takes them."""
    known = list(divisors)
    assert all(0 < divisor < 1 << 62 for divisor in known), f"no reciprocal for all of {known}"
    shifts = [(divisor - 1).bit_length() for divisor in known]
    factors = [-(-(1 << (63 + shift)) // divisor) for divisor, shift in zip(known, shifts, strict=True)]
    return np.array(factors, dtype=np.uint64), np.array(shifts, dtype=np.uint64)


@intrinsic
def _high_word(context: Any, left: Any, right: Any) -> Any:
    """The upper 64 bits of the product of two unsigned words."""

    def generate(_: Any, builder: Any, __: Any, words: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(words[0], wide), builder.zext(words[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), generate


@njit(cache=True, inline="always")
def floor_by_reciprocal(numerator: np.uint64, factor: np.uint64, shift: np.uint64) -> np.uint64:
    """numerator / divisor rounded down, exact for numerators below 2**63."""
    return _high_word(numerator << _ONE, factor) >> shift
