"""The campaign of damage, short; the whole of it in the soak and in `make faults`."""

from pathlib import Path

import pytest

from tests.cluster.damage_campaign import bit_flips, torn_tails
from tests.faults.verdict import Report


def cell(report: Report, row: int, column: str) -> int:
    return int(str(report.rows[row][list(report.columns).index(column)]))


def check_flips(report: Report, flips: int) -> None:
    assert report.violations == []
    assert [row[:2] for row in report.rows] == [
        ("SQLite", "frames"),
        ("SQLite", "anywhere"),
        ("PostgreSQL", "frames"),
        ("PostgreSQL", "anywhere"),
        ("snapshot", "anywhere"),
    ]
    for row in (0, 2, 4):
        assert cell(report, row, "detected") == cell(report, row, "flips") == flips
    for row in (1, 3):
        assert cell(report, row, "detected") + cell(report, row, "harmless") == flips


def check_tears(report: Report, fewest: int) -> None:
    assert report.violations == []
    assert len(report.rows) == 3
    for row in range(3):
        assert cell(report, row, "exact") == cell(report, row, "tears tried") > fewest


@pytest.mark.slow
def test_a_few_flipped_bits_are_noticed(tmp_path: Path) -> None:
    check_flips(bit_flips(tmp_path, short=True), 4)


def test_a_log_torn_at_some_bytes_recovers_what_was_acknowledged(tmp_path: Path) -> None:
    check_tears(torn_tails(tmp_path, short=True), 40)


@pytest.mark.soak
def test_flipped_bits_are_noticed(tmp_path: Path) -> None:
    check_flips(bit_flips(tmp_path, short=False), 25)


@pytest.mark.soak
def test_a_log_torn_at_every_byte_recovers_what_was_acknowledged(tmp_path: Path) -> None:
    check_tears(torn_tails(tmp_path, short=False), 32_000)
