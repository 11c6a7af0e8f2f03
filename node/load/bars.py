"""Price bars and the CSV files they come from, checked line by line.

Prices are kept as they are written, in 1e-18 of the quote currency: no float ever touches them.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO

QUOTE_E18 = 10**18
BAR_MS = 60_000
COLUMNS = ("open_time_ms", "open", "high", "low", "close")
_DIGITS_MAX = 18
_WHOLE_MAX = Decimal(10) ** 12


class PriceFileError(ValueError):
    """A price file that cannot be used; the text names the file, the line and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: when it opens (ms since the Unix epoch, UTC) and its four prices in 1e-18 quote."""

    open_time_ms: int
    open_e18: int
    high_e18: int
    low_e18: int
    close_e18: int
    # Where it was read, for complaints.
    place: str = "synthetic bar"


def read_bars(path: Path) -> list[Bar]:
    """The bars of a CSV file, plain or .gz, with the columns open_time_ms, open, high, low, close; others are ignored.

    Raises PriceFileError naming file and line for a missing file or column, a field that is no number, NaN, a price
    that is not positive, high below low, an open or close outside of them, or a time that does not increase.
    """
    try:
        with _opened(path) as stream:
            bars = list(_bars(path, stream))
    except OSError as error:
        raise PriceFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (UnicodeDecodeError, EOFError, zlib.error) as error:
        raise PriceFileError(f"{path}: is not a text file: {error}") from error
    if not bars:
        raise PriceFileError(f"{path}: line 2: no bar follows the header")
    return bars


def _opened(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _bars(path: Path, stream: IO[str]) -> Iterator[Bar]:
    rows = csv.reader(stream)
    place = f"{path}: line 1"
    header = [name.strip().removeprefix("\ufeff") for name in _next_row(rows, place) or []]
    for name in COLUMNS:
        if name not in header:
            raise PriceFileError(f"{place}: column {name} is missing, found: {', '.join(header) or 'nothing'}")
    columns = [header.index(name) for name in COLUMNS]
    previous_ms = 0
    while (row := _next_row(rows, f"{path}: line {rows.line_num + 1}")) is not None:
        place = f"{path}: line {rows.line_num}"
        if not row:
            continue
        bar = _bar(place, row, columns)
        if bar.open_time_ms <= previous_ms:
            raise PriceFileError(
                f"{place}: open_time_ms {bar.open_time_ms} does not increase, the one before is {previous_ms}"
            )
        previous_ms = bar.open_time_ms
        yield bar


def _next_row(rows: Iterator[list[str]], place: str) -> list[str] | None:
    try:
        return next(rows, None)
    except csv.Error as error:
        raise PriceFileError(f"{place}: not CSV: {error}") from error


def _bar(place: str, row: list[str], columns: list[int]) -> Bar:
    for name, column in zip(COLUMNS, columns, strict=True):
        if column >= len(row):
            raise PriceFileError(f"{place}: {name} is missing, the line has {len(row)} fields")
    time_text, *price_texts = (row[column].strip() for column in columns)
    time_ms = _time_ms(place, time_text)
    prices = [_price_e18(place, name, text) for name, text in zip(COLUMNS[1:], price_texts, strict=True)]
    open_e18, high_e18, low_e18, close_e18 = prices
    if high_e18 < low_e18:
        raise PriceFileError(f"{place}: high {price_texts[1]} is below low {price_texts[2]}")
    for name, price_e18, text in (("open", open_e18, price_texts[0]), ("close", close_e18, price_texts[3])):
        if not low_e18 <= price_e18 <= high_e18:
            raise PriceFileError(f"{place}: {name} {text} lies outside low {price_texts[2]} to high {price_texts[1]}")
    return Bar(time_ms, open_e18, high_e18, low_e18, close_e18, place)


def _time_ms(place: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise PriceFileError(f"{place}: open_time_ms is not a whole number of milliseconds: {text!r}")
    time_ms = int(text[:20])
    if not 0 < time_ms < 1 << 53:
        raise PriceFileError(f"{place}: open_time_ms is out of range: {text!r}")
    return time_ms


def _price_e18(place: str, name: str, text: str) -> int:
    try:
        # Decimal takes 1_000 and digits of other scripts: a price file does not.
        price = Decimal(text if text.isascii() and "_" not in text else "")
    except InvalidOperation:
        raise PriceFileError(f"{place}: {name} is not a number: {text!r}") from None
    if not price.is_finite():
        raise PriceFileError(f"{place}: {name} is not a finite number: {text!r}")
    if price <= 0:
        raise PriceFileError(f"{place}: {name} is not positive: {text!r}")
    _, digits, exponent = price.as_tuple()
    if price >= _WHOLE_MAX or not isinstance(exponent, int) or exponent < -_DIGITS_MAX:
        raise PriceFileError(f"{place}: {name} is out of range (below 1e12, at most 18 decimals): {text!r}")
    return int("".join(map(str, digits))) * 10 ** (_DIGITS_MAX + exponent)
