"""One case of a vector file: typed access to its fields, and what comparing it with our rules came to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Any

RELATIVE_TOLERANCE = Fraction(1, 10**12)
# What a chain of 64-bit float operations on amounts of this scale can lose by cancellation.
SCALE_TOLERANCE = Fraction(1, 10**14)

FLOAT_EXACT = 1 << 53


class MalformedCase(Exception):
    """A case that lacks a field of its kind, or has it in the wrong shape. The case fails, the run goes on."""


class Row:
    """A JSON object whose fields are read by type; numbers come as exact rationals of the decimals in the file."""

    def __init__(self, content: Any, name: str = "case") -> None:
        if not isinstance(content, dict):
            raise MalformedCase(f"{name}: an object was expected")
        self.content = content
        self.name = name

    def value(self, key: str) -> Any:
        """The field as it is; raises MalformedCase where it is missing, as every reader here does."""
        if key not in self.content:
            raise MalformedCase(f"{self.name}.{key}: missing")
        return self.content[key]

    def number(self, key: str) -> Fraction:
        """A number, exactly as its decimals say."""
        return as_number(self.value(key), f"{self.name}.{key}")

    def positive(self, key: str) -> Fraction:
        """A number above zero."""
        number = self.number(key)
        if number <= 0:
            raise MalformedCase(f"{self.name}.{key}: must be positive")
        return number

    def integer(self, key: str) -> int:
        """A whole number, however it is written: 2, 2.0 and 2e0 are one."""
        number = self.number(key)
        if number.denominator != 1:
            raise MalformedCase(f"{self.name}.{key}: a whole number was expected")
        return number.numerator

    def ratio(self, key: str) -> Fraction:
        """A rational written as text, "num/den" or "num"."""
        try:
            return Fraction(self.text(key))
        except (ValueError, ZeroDivisionError) as error:
            raise MalformedCase(f"{self.name}.{key}: not a rational") from error

    def text(self, key: str) -> str:
        """A text."""
        value = self.value(key)
        if not isinstance(value, str):
            raise MalformedCase(f"{self.name}.{key}: text was expected")
        return value

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """A text that is one of these."""
        value = self.text(key)
        if value not in choices:
            raise MalformedCase(f"{self.name}.{key}: {value!r} is none of {', '.join(choices)}")
        return value

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self.value(key)
        if not isinstance(value, bool):
            raise MalformedCase(f"{self.name}.{key}: true or false was expected")
        return value

    def items(self, key: str) -> list[Any]:
        """A list of anything."""
        value = self.value(key)
        if not isinstance(value, list):
            raise MalformedCase(f"{self.name}.{key}: a list was expected")
        return value

    def row(self, key: str) -> "Row":
        """An object."""
        return Row(self.value(key), f"{self.name}.{key}")

    def rows(self, key: str) -> list["Row"]:
        """A list of objects."""
        return [Row(item, f"{self.name}.{key}[{index}]") for index, item in enumerate(self.items(key))]


def as_number(value: Any, name: str) -> Fraction:
    """A JSON number as an exact rational; raises MalformedCase for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise MalformedCase(f"{name}: a number was expected")
    return Fraction(value)


class Outcome(StrEnum):
    """What became of a case; a deviating one counts as passed and is listed."""

    PASSED = "passed"
    FAILED = "failed"
    DEVIATING = "deviating"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """The outcome of one case; `reason` is a rule tag for a deviation, a sentence where a case is not applicable."""

    case: str
    outcome: Outcome
    reason: str = ""
    details: tuple[str, ...] = ()


def not_applicable(case: str, reason: str) -> CaseResult:
    """A case that is about something no rulebook of ours has."""
    return CaseResult(case, Outcome.NOT_APPLICABLE, reason)


class Checks:
    """Collects the comparisons of one case. Our value always comes first, the file's second."""

    def __init__(self, case: str) -> None:
        self.case = case
        self._mismatches: list[str] = []
        self._deviations: dict[str, list[str]] = {}

    def equal(self, name: str, ours: object, theirs: object) -> None:
        """The two are the same, without tolerance."""
        if ours != theirs:
            self._mismatches.append(f"{name}: ours {_show(ours)}, file {_show(theirs)}")

    def within(self, name: str, ours: Fraction | int, theirs: Fraction | int, most: Fraction | int) -> None:
        """The two differ by no more than `most`, in their own unit."""
        if abs(Fraction(ours - theirs)) > most:
            self._mismatches.append(f"{name}: ours {_show(ours)}, file {_show(theirs)}, more than {_show(most)} apart")

    def near(self, name: str, ours: Fraction, theirs: Fraction, scale: Fraction | int = 0) -> None:
        """Equal but for the float arithmetic of whoever wrote the file, on amounts as large as `scale`."""
        self.within(name, ours, theirs, RELATIVE_TOLERANCE * abs(ours) + SCALE_TOLERANCE * abs(Fraction(scale)))

    def rounded(self, name: str, ours: Fraction, theirs: Fraction, scale: Fraction | int = 0) -> None:
        """The file holds our exact value rounded to the nearest integer, whichever way its floats took a tie."""
        noise = RELATIVE_TOLERANCE * abs(ours) + SCALE_TOLERANCE * abs(Fraction(scale))
        if theirs.denominator != 1:
            self._mismatches.append(f"{name}: ours is rounded, file {_show(theirs)}")
        self.within(name, ours, theirs, Fraction(1, 2) + noise)

    def deviates(self, tag: str, name: str, ours: object, theirs: object) -> None:
        """Our rule gives another value than the file's, on purpose; the tag names the rule that says so."""
        if ours != theirs:
            self._deviations.setdefault(tag, []).append(f"{name}: ours {_show(ours)}, file {_show(theirs)}")

    def result(self) -> CaseResult:
        """Failed with a single mismatch; deviating only where everything else agrees."""
        if self._mismatches:
            return CaseResult(self.case, Outcome.FAILED, details=tuple(self._mismatches))
        if self._deviations:
            details = tuple(detail for details in self._deviations.values() for detail in details)
            return CaseResult(self.case, Outcome.DEVIATING, ", ".join(self._deviations), details)
        return CaseResult(self.case, Outcome.PASSED)


def guarded(name: str, row: Any, check: Callable[[Row, Checks], None]) -> CaseResult:
    """The result of one check; a malformed case is a failed one."""
    checks = Checks(name)
    try:
        check(Row(row), checks)
    except MalformedCase as error:
        return CaseResult(name, Outcome.FAILED, details=(str(error),))
    return checks.result()


def float_product_noise(product: Fraction | int) -> Fraction:
    """How far 64-bit floats may put this product of whole numbers: not at all while it fits in 53 bits."""
    magnitude = abs(Fraction(product))
    return Fraction(0) if magnitude <= FLOAT_EXACT else magnitude / FLOAT_EXACT


def _show(value: object) -> str:
    if isinstance(value, Fraction):
        return str(value.numerator) if value.denominator == 1 else f"{float(value)!r}"
    return str(value)
