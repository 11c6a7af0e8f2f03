"""The decimals of Spin's files, read exactly, scaled to whole ticks, lots and atoms, and printed as they print."""

import re
from collections.abc import Iterable
from fractions import Fraction
from math import floor

from actors.units import E9
from node.conformance.case import Checks, MalformedCase, Row

# Ratios and quotients are printed to 12 decimals, a half away from zero.
PRINTED_PLACES = 12
DECIMAL = re.compile(r"-?\d+(?:\.\d+)?")
# More decimals than any price, size or rate has; a longer one is refused before it is scaled.
PLACES_MAX = 30


def decimal(row: Row, key: str) -> Fraction:
    """A number written as text or as a number; raises MalformedCase for anything that is not a plain decimal."""
    value = row.value(key)
    if not isinstance(value, str):
        return row.number(key)
    if not DECIMAL.fullmatch(value):
        raise MalformedCase(f"{row.name}.{key}: {value!r} is not a decimal")
    return Fraction(value)


def positive_decimal(row: Row, key: str) -> Fraction:
    """A decimal above zero."""
    value = decimal(row, key)
    if value <= 0:
        raise MalformedCase(f"{row.name}.{key}: must be positive")
    return value


def rate_e9(row: Row, key: str) -> int:
    """A rate in 1e-9, exact; raises MalformedCase where it has more decimals."""
    rate = decimal(row, key) * E9
    if rate.denominator != 1:
        raise MalformedCase(f"{row.name}.{key}: a rate has at most 9 decimals")
    return rate.numerator


def places(values: Iterable[Fraction]) -> int:
    """How many decimals it takes to write all of these."""
    found = 0
    for value in values:
        while (value * 10**found).denominator != 1:
            found += 1
            if found > PLACES_MAX:
                raise MalformedCase(f"more than {PLACES_MAX} decimals")
    return found


def scaled(value: Fraction, per_unit: int) -> int:
    """A value in units of which `per_unit` make one; it is whole by the choice of the scale."""
    whole = value * per_unit
    assert whole.denominator == 1, f"{value} is not a whole number of 1/{per_unit}"
    return whole.numerator


def half_up(value: Fraction, digits: int = PRINTED_PLACES) -> Fraction:
    """Rounded to so many decimals, a half away from zero."""
    magnitude = Fraction(floor(abs(value) * 10**digits + Fraction(1, 2)), 10**digits)
    return magnitude if value >= 0 else -magnitude


def compare(checks: Checks, name: str, ours: Fraction | None, row: Row, key: str) -> None:
    """Ours is the file's figure, exactly or as 12 decimals print it; None stands for null."""
    theirs = None if row.value(key) is None else decimal(row, key)
    if ours is None or theirs is None or ours == theirs:
        checks.equal(name, ours, theirs)
    else:
        checks.equal(name, half_up(ours), theirs)


def only(row: Row, *known: str) -> None:
    """Raises MalformedCase for a field that no rule of ours reads."""
    unknown = sorted(set(row.content) - set(known))
    if unknown:
        raise MalformedCase(f"{row.name}: unknown {', '.join(unknown)}")
