"""A row of the bench and how it is shown. Whether a figure reaches its mark is decided here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

COLUMNS: Final = ("name", "value", "unit", "reach", "reference", "reference_value", "ratio", "met")
_WORDS: Final = frozenset({"name", "unit", "reference"})
_SIGNIFICANT: Final = 4


@dataclass(frozen=True)
class Row:
    """One measurement. `reach` is the figure to reach, `reference` what the peer is; both may be absent.

    Units that end in `/s` are rates, where more is better; of everything else less is better.
    """

    name: str
    value: float
    unit: str
    reach: float | None = None
    reference: str | None = None
    reference_value: float | None = None

    @property
    def is_rate(self) -> bool:
        """Whether more is better."""
        return self.unit.endswith("/s")

    @property
    def ratio(self) -> float | None:
        """value / reference_value; None without a peer."""
        return self.value / self.reference_value if self.reference_value else None

    @property
    def met(self) -> bool | None:
        """Whether the value is as good as the figure to reach; None where there is none."""
        if self.reach is None:
            return None
        return self.value >= self.reach if self.is_rate else self.value <= self.reach

    def to_json(self) -> dict[str, Any]:
        """The row as documented: exactly COLUMNS, null where something is absent, four significant digits."""
        facts = {name: getattr(self, name) for name in COLUMNS}
        return {name: _rounded(fact) if isinstance(fact, float) else fact for name, fact in facts.items()}

    def to_text(self) -> tuple[str, ...]:
        """The row for people, one text a column."""
        bound = "" if self.reach is None else f"{'>=' if self.is_rate else '<='} {_short(self.reach)}"
        met = {None: "", True: "yes", False: "NO"}[self.met]
        reference = self.reference or ""
        return (
            self.name,
            _short(self.value),
            self.unit,
            bound,
            reference,
            _short(self.reference_value),
            _short(self.ratio),
            met,
        )


def document(rows: Iterable[Row], quick: bool, wall_s: float) -> dict[str, Any]:
    """What `--json` prints."""
    return {"rows": [row.to_json() for row in rows], "quick": quick, "wall_s": round(wall_s, 1)}


def lines(rows: Iterable[Row]) -> list[str]:
    """The table for people: words to the left, numbers to the right, as wide as it needs."""
    cells = [tuple(column.replace("_", " ") for column in COLUMNS), *(row.to_text() for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(COLUMNS))]
    return ["  ".join(map(_aligned, COLUMNS, line, widths)).rstrip() for line in cells]


def _aligned(column: str, text: str, width: int) -> str:
    return text.ljust(width) if column in _WORDS else text.rjust(width)


def _rounded(value: float) -> float:
    return float(f"{value:.{_SIGNIFICANT}g}")


def _short(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.3g}"
