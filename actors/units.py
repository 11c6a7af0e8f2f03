"""Units, bounds and exact integer arithmetic. Every division names its rounding; nothing here knows a rulebook.

ticks are whole price steps, lots whole size steps, atoms the smallest unit of the collateral (a sat on Twilight).
The functions take Python ints only: a NumPy integer would wrap silently, so it is refused by assertion.
`units_kernels` holds the compiled twins.
"""

PPM = 10**6
E9 = 10**9

LONG = 1
SHORT = -1

BALANCE_BOUND = 1 << 60
PRICE_BOUND = 1 << 40
ORDER_LOTS_BOUND = 1 << 40
POSITION_LOTS_BOUND = 1 << 44
TOTAL_BOUND = 1 << 60
INT64_MAX = (1 << 63) - 1


def div_floor(numerator: int, divisor: int) -> int:
    """numerator / divisor rounded towards minus infinity; the divisor is positive."""
    _assert_division(numerator, divisor)
    return numerator // divisor


def div_ceil(numerator: int, divisor: int) -> int:
    """numerator / divisor rounded towards plus infinity; the divisor is positive."""
    _assert_division(numerator, divisor)
    return -(-numerator // divisor)


def div_half_away(numerator: int, divisor: int) -> int:
    """numerator / divisor rounded to the nearest integer, a half away from zero; the divisor is positive."""
    _assert_division(numerator, divisor)
    magnitude = (2 * abs(numerator) + divisor) // (2 * divisor)
    return magnitude if numerator >= 0 else -magnitude


def div_toward_zero(numerator: int, divisor: int) -> int:
    """numerator / divisor with the fraction cut off, whatever the sign; the divisor is positive."""
    _assert_division(numerator, divisor)
    magnitude = abs(numerator) // divisor
    return magnitude if numerator >= 0 else -magnitude


def mul_div_floor(left: int, right: int, divisor: int) -> int:
    """left * right / divisor rounded towards minus infinity, the product exact."""
    _assert_factors(left, right)
    return div_floor(left * right, divisor)


def mul_div_ceil(left: int, right: int, divisor: int) -> int:
    """left * right / divisor rounded towards plus infinity, the product exact."""
    _assert_factors(left, right)
    return div_ceil(left * right, divisor)


def mul_div_toward_zero(left: int, right: int, divisor: int) -> int:
    """left * right / divisor with the fraction cut off, whatever the sign, the product exact."""
    _assert_factors(left, right)
    return div_toward_zero(left * right, divisor)


def mul_div_half_away(left: int, right: int, divisor: int) -> int:
    """left * right / divisor rounded to nearest, a half away from zero, the product exact."""
    _assert_factors(left, right)
    return div_half_away(left * right, divisor)


def _assert_division(numerator: int, divisor: int) -> None:
    assert isinstance(numerator, int), f"numerator must be a Python int, got {type(numerator).__name__}"
    assert isinstance(divisor, int), f"divisor must be a Python int, got {type(divisor).__name__}"
    assert divisor > 0, f"divisor must be positive, got {divisor}"


def _assert_factors(left: int, right: int) -> None:
    assert isinstance(left, int), f"left must be a Python int, got {type(left).__name__}"
    assert isinstance(right, int), f"right must be a Python int, got {type(right).__name__}"
