"""What got worse: the ratios of a run against those that were kept. Only ratios: absolute figures are a machine's own.

The file has a table for whole runs and one for quick ones, each from the name of a row to its ratio.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from node.bench.table import Row

WORSE: Final = 1.2
_DIGITS: Final = 4
_OPTIONS: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE

Ratios = dict[str, float]


class RatiosError(Exception):
    """The file of ratios is missing or is none; the message says which."""


class Compared(NamedTuple):
    """A row then and now. `worse` is how many times worse it got: below 1 it got better."""

    name: str
    before: float
    now: float
    worse: float


class Verdict(NamedTuple):
    """What got worse by more than a fifth, the worst first; rows that were not kept; kept ones not measured now."""

    worse: list[Compared]
    new: list[str]
    missing: list[str]

    def lines(self) -> list[str]:
        """For people."""
        said = [
            f"{one.name}: ratio {one.before:.{_DIGITS}g}, now {one.now:.{_DIGITS}g}, {(one.worse - 1) * 100:.0f}% worse"
            for one in self.worse
        ]
        said += [f"{name}: not among the ratios that were kept" for name in self.new]
        return said + [f"{name}: kept, but not measured or without its peer" for name in self.missing]


def read(path: Path, quick: bool) -> Ratios:
    """The ratios kept of runs like this one. Raises RatiosError."""
    return _tables(path)[_table(quick)]


def write(path: Path, rows: Iterable[Row], quick: bool, whole: bool) -> None:
    """Keeps the ratios of these rows; of a run that was not whole the other rows stay. Raises RatiosError."""
    tables = _tables(path) if path.exists() else {_table(True): {}, _table(False): {}}
    kept = {} if whole else tables[_table(quick)]
    tables[_table(quick)] = kept | {row.name: float(f"{row.ratio:.{_DIGITS}g}") for row in rows if row.ratio}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(orjson.dumps(tables, option=_OPTIONS))


def compare(rows: Iterable[Row], kept: Mapping[str, float]) -> Verdict:
    """The rows that have a ratio, against those kept. Of a rate a smaller ratio is worse, of all else a larger one."""
    measured = {row.name: row for row in rows if row.ratio}
    known = [_compared(row, kept[name]) for name, row in measured.items() if name in kept]
    worse = sorted((one for one in known if one.worse > WORSE), key=lambda one: -one.worse)
    return Verdict(
        worse, [name for name in measured if name not in kept], [name for name in kept if name not in measured]
    )


def _compared(row: Row, before: float) -> Compared:
    assert row.ratio is not None
    return Compared(row.name, before, row.ratio, before / row.ratio if row.is_rate else row.ratio / before)


def _table(quick: bool) -> str:
    return "quick" if quick else "whole"


def _tables(path: Path) -> dict[str, Ratios]:
    try:
        tables = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        raise RatiosError(f"{path}: no such file; `breakwater bench --write` makes it") from None
    except orjson.JSONDecodeError as error:
        raise RatiosError(f"{path} is no JSON: {error}") from error
    names = {_table(True), _table(False)}
    if not isinstance(tables, dict) or set(tables) != names or not all(map(_is_ratios, tables.values())):
        raise RatiosError(f"{path} must hold {' and '.join(sorted(names))}, each a table of ratios above 0 by row")
    return tables


def _is_ratios(table: object) -> bool:
    return isinstance(table, dict) and all(isinstance(ratio, int | float) and ratio > 0 for ratio in table.values())
