"""Price files: what is read exactly, and what is refused with file and line."""

import gzip
from pathlib import Path

import pytest

from node.load.bars import QUOTE_E18, Bar, PriceFileError, read_bars

HEADER = "open_time_ms,open,high,low,close,volume\n"
GOOD = "60000,100.5,101,99.25,100,1\n"


def _file(folder: Path, text: str) -> Path:
    path = folder / "prices.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_prices_are_read_as_they_are_written(tmp_path: Path) -> None:
    (bar,) = read_bars(_file(tmp_path, HEADER + GOOD))
    assert bar == Bar(
        60_000, 1005 * QUOTE_E18 // 10, 101 * QUOTE_E18, 9925 * QUOTE_E18 // 100, 100 * QUOTE_E18, bar.place
    )
    assert bar.place == f"{tmp_path / 'prices.csv'}: line 2"


def test_columns_may_come_in_any_order_and_compressed(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv.gz"
    path.write_bytes(gzip.compress(b"close,low,high,open,open_time_ms\n2,1,4,3,60000\n"))
    (bar,) = read_bars(path)
    assert (bar.open_e18, bar.high_e18, bar.low_e18, bar.close_e18) == tuple(n * QUOTE_E18 for n in (3, 4, 1, 2))


@pytest.mark.parametrize(
    ("text", "line", "complaint"),
    [
        ("", 1, "column open_time_ms is missing, found: nothing"),
        ("open_time_ms,open,high,close\n" + GOOD, 1, "column low is missing"),
        (HEADER, 2, "no bar follows the header"),
        (HEADER + GOOD + "120000,abc,101,99,100,1\n", 3, "open is not a number: 'abc'"),
        (HEADER + GOOD + "120000,1_0,101,99,100,1\n", 3, "open is not a number: '1_0'"),
        (HEADER + GOOD + "120000,100,NaN,99,100,1\n", 3, "high is not a finite number: 'NaN'"),
        (HEADER + GOOD + "120000,100,Infinity,99,100,1\n", 3, "high is not a finite number"),
        (HEADER + GOOD + "120000,100,101,0,100,1\n", 3, "low is not positive: '0'"),
        (HEADER + GOOD + "120000,100,101,-5,100,1\n", 3, "low is not positive: '-5'"),
        (HEADER + GOOD + "120000,100,1e13,99,100,1\n", 3, "high is out of range"),
        (HEADER + GOOD + "120000,100,99,101,100,1\n", 3, "high 99 is below low 101"),
        (HEADER + GOOD + "120000,102,101,99,100,1\n", 3, "open 102 lies outside low 99 to high 101"),
        (HEADER + GOOD + "120000,100,101,99,98,1\n", 3, "close 98 lies outside low 99 to high 101"),
        (HEADER + GOOD + GOOD, 3, "open_time_ms 60000 does not increase, the one before is 60000"),
        (HEADER + GOOD + "soon,100,101,99,100,1\n", 3, "open_time_ms is not a whole number of milliseconds: 'soon'"),
        (HEADER + GOOD + "0,100,101,99,100,1\n", 3, "open_time_ms is out of range"),
        (HEADER + GOOD + "\n120000,100\n", 4, "high is missing, the line has 2 fields"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, complaint: str) -> None:
    path = _file(tmp_path, text)
    with pytest.raises(PriceFileError) as error:
        read_bars(path)
    assert str(error.value).startswith(f"{path}: line {line}: ")
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [("missing.csv", None, "No such file"), ("a.csv.gz", b"plain", "cannot be read"), ("b.csv", b"\xff\xfe", "no")],
)
def test_a_file_that_is_no_text_is_named(tmp_path: Path, name: str, content: bytes | None, complaint: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PriceFileError) as error:
        read_bars(path)
    assert str(path) in str(error.value)
    assert complaint in str(error.value)


def test_the_real_crashes_are_read(shared_dir: Path) -> None:
    bars = read_bars(shared_dir / "data/prices/BTCUSDT_20200312_1000_1200.csv")
    assert len(bars) == 120
    assert min(bar.low_e18 for bar in bars) == 519_917 * QUOTE_E18 // 100
