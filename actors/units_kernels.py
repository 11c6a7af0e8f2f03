"""Compiled twins of `units`: int64 in, int64 out, exact 128-bit products in between.

Built from 32-bit limbs because LLVM's own 128-bit division crashes under Numba. Module level and cached, so that a
worker process loads the machine code instead of compiling it. A quotient outside int64 raises OverflowError: a kernel
must not wrap silently where `units` would have been exact.
"""

import numpy as np
from numba import njit

_ZERO = np.uint64(0)
_ONE = np.uint64(1)
_SHIFT = np.uint64(32)
_MASK = np.uint64(0xFFFFFFFF)
_BASE = np.uint64(1 << 32)
_TOP_BIT = np.uint64(1 << 63)


@njit(cache=True, inline="always")
def _magnitude(value: np.int64) -> np.uint64:
    """|value| as an unsigned word; holds for the smallest int64 too, whose negation wraps onto its own magnitude."""
    return np.uint64(-value) if value < 0 else np.uint64(value)


@njit(cache=True)
def _multiply_64_to_128(left: np.uint64, right: np.uint64) -> tuple[np.uint64, np.uint64]:
    """The product of two unsigned words as (high, low)."""
    left_low = left & _MASK
    left_high = left >> _SHIFT
    right_low = right & _MASK
    right_high = right >> _SHIFT
    low = left_low * right_low
    middle = left_high * right_low + (low >> _SHIFT)
    cross = left_low * right_high + (middle & _MASK)
    high = left_high * right_high + (middle >> _SHIFT) + (cross >> _SHIFT)
    return high, (cross << _SHIFT) | (low & _MASK)


@njit(cache=True)
def _half_word_quotient(high: np.uint64, limb: np.uint64, divisor: np.uint64) -> np.uint64:
    """One 32-bit digit of Knuth's algorithm D: (high * 2**32 + limb) / divisor, divisor normalised, high < divisor."""
    divisor_high = divisor >> _SHIFT
    divisor_low = divisor & _MASK
    digit = high // divisor_high
    rest = high - digit * divisor_high
    while digit >= _BASE or digit * divisor_low > ((rest << _SHIFT) | limb):
        digit -= _ONE
        rest += divisor_high
        if rest >= _BASE:
            break
    return digit


@njit(cache=True)
def _divide_128_by_64(high: np.uint64, low: np.uint64, divisor: np.uint64) -> tuple[np.uint64, np.uint64]:
    """(quotient, remainder) of high * 2**64 + low by the divisor; needs high < divisor."""
    if high == _ZERO:
        return low // divisor, low % divisor
    shift = _ZERO
    while divisor & _TOP_BIT == _ZERO:
        divisor = divisor << _ONE
        shift += _ONE
    if shift > _ZERO:
        high = (high << shift) | (low >> (np.uint64(64) - shift))
        low = low << shift
    first = _half_word_quotient(high, low >> _SHIFT, divisor)
    # Unsigned words wrap here on purpose: the true difference fits in 64 bits.
    rest = ((high << _SHIFT) | (low >> _SHIFT)) - first * divisor
    second = _half_word_quotient(rest, low & _MASK, divisor)
    remainder = ((rest << _SHIFT) | (low & _MASK)) - second * divisor
    return (first << _SHIFT) | second, remainder >> shift


@njit(cache=True)
def _mul_div_magnitude(left: np.int64, right: np.int64, divisor: np.int64) -> tuple[np.uint64, np.bool_, np.bool_]:
    """(|left * right| // divisor, the product is negative, something was cut off)."""
    if divisor <= 0:
        raise ValueError("divisor must be positive")
    high, low = _multiply_64_to_128(_magnitude(left), _magnitude(right))
    unsigned_divisor = np.uint64(divisor)
    if high >= unsigned_divisor:
        raise OverflowError("quotient outside int64")
    quotient, remainder = _divide_128_by_64(high, low, unsigned_divisor)
    negative = (left < 0) != (right < 0) and (high | low) != _ZERO
    return quotient, negative, remainder != _ZERO


@njit(cache=True)
def _signed(magnitude: np.uint64, negative: np.bool_) -> np.int64:
    """The int64 with this sign and magnitude; raises OverflowError where there is none."""
    if magnitude > _TOP_BIT or (magnitude == _TOP_BIT and not negative):
        raise OverflowError("quotient outside int64")
    return -np.int64(magnitude) if negative else np.int64(magnitude)


@njit(cache=True)
def mul_div_floor(left: np.int64, right: np.int64, divisor: np.int64) -> np.int64:
    """left * right / divisor rounded down. Raises ValueError (divisor <= 0), OverflowError (outside int64)."""
    magnitude, negative, inexact = _mul_div_magnitude(left, right, divisor)
    if negative and inexact:
        magnitude += _ONE
    return _signed(magnitude, negative)


@njit(cache=True)
def mul_div_ceil(left: np.int64, right: np.int64, divisor: np.int64) -> np.int64:
    """left * right / divisor rounded up. Raises ValueError (divisor <= 0), OverflowError (outside int64)."""
    magnitude, negative, inexact = _mul_div_magnitude(left, right, divisor)
    if inexact and not negative:
        magnitude += _ONE
    return _signed(magnitude, negative)


@njit(cache=True)
def mul_div_floor_capped(left: np.int64, right: np.int64, divisor: np.int64, cap: np.int64) -> np.int64:
    """min(floor(left * right / divisor), cap) for non-negative factors, however large the quotient would be."""
    high, low = _multiply_64_to_128(np.uint64(left), np.uint64(right))
    unsigned_divisor = np.uint64(divisor)
    if high >= unsigned_divisor:
        return cap
    quotient, _ = _divide_128_by_64(high, low, unsigned_divisor)
    return cap if quotient >= np.uint64(cap) else np.int64(quotient)


@njit(cache=True)
def mul_div_ceil_capped(left: np.int64, right: np.int64, divisor: np.int64, cap: np.int64) -> np.int64:
    """min(ceil(left * right / divisor), cap) for non-negative factors, however large the quotient would be."""
    high, low = _multiply_64_to_128(np.uint64(left), np.uint64(right))
    unsigned_divisor = np.uint64(divisor)
    if high >= unsigned_divisor:
        return cap
    quotient, remainder = _divide_128_by_64(high, low, unsigned_divisor)
    if quotient >= np.uint64(cap):
        return cap
    return np.int64(quotient) + np.int64(remainder != _ZERO)
