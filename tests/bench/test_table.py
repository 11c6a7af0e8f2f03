"""The rows of the bench: their keys, what counts as reached, how they are shown."""

import pytest

from node.bench.table import COLUMNS, Row, document, lines
from node.bench.timing import percentile, times_ms

DOCUMENTED = ["name", "value", "unit", "reach", "reference", "reference_value", "ratio", "met"]


def test_a_row_has_exactly_the_documented_keys() -> None:
    row = Row("append", 1.23456, "ms", 2.0, "plain file", 0.5)
    assert list(row.to_json()) == DOCUMENTED
    assert row.to_json() == {
        "name": "append",
        "value": 1.235,
        "unit": "ms",
        "reach": 2.0,
        "reference": "plain file",
        "reference_value": 0.5,
        "ratio": 2.469,
        "met": True,
    }


def test_what_is_absent_is_null() -> None:
    row = Row("append", 1.0, "ms").to_json()
    assert [row[name] for name in ("reach", "reference", "reference_value", "ratio", "met")] == [None] * 5


@pytest.mark.parametrize(
    ("value", "unit", "reach", "met"),
    [
        (6.0, "ms", 6.0, True),
        (6.001, "ms", 6.0, False),
        (3_000.0, "RPC/s", 3_000.0, True),
        (2_999.0, "RPC/s", 3_000.0, False),
        (399.0, "bytes", 400.0, True),
        (401.0, "bytes", 400.0, False),
        (1.0, "s", None, None),
    ],
)
def test_rates_must_be_above_everything_else_below(
    value: float, unit: str, reach: float | None, met: bool | None
) -> None:
    assert Row("a", value, unit, reach).met is met


def test_a_figure_is_judged_before_it_is_rounded() -> None:
    row = Row("a", 6.00001, "ms", 6.0)
    assert row.to_json()["value"] == 6.0
    assert row.met is False


def test_people_see_the_direction_and_the_verdict() -> None:
    late = dict(zip(COLUMNS, Row("a", 12.5, "ms", 6.0, "b", 5.0).to_text(), strict=True))
    assert (late["value"], late["reach"], late["ratio"], late["met"]) == ("12.5", "<= 6", "2.5", "NO")
    fast = dict(zip(COLUMNS, Row("a", 3_210.4, "RPC/s", 3_000.0).to_text(), strict=True))
    assert (fast["value"], fast["reach"], fast["ratio"], fast["met"]) == ("3,210", ">= 3,000", "", "yes")


def test_the_table_is_aligned_and_whole() -> None:
    long_name = "a name that is longer than every other one"
    head, first, second = lines([Row("a", 1.0, "ms", 2.0), Row(long_name, 1_234.0, "RPC/s", 3_000.0)])
    assert head.split() == ["name", "value", "unit", "reach", "reference", "reference", "value", "ratio", "met"]
    assert second.startswith(long_name)
    assert first.index("ms") == second.index("RPC/s") == head.index("unit")
    assert (first.split()[-1], second.split()[-1]) == ("yes", "NO")


def test_the_document() -> None:
    facts = document([Row("a", 1.0, "ms")], quick=True, wall_s=12.345)
    assert facts["wall_s"] == 12.3
    assert facts["quick"] is True
    assert [row["name"] for row in facts["rows"]] == ["a"]


def test_percentiles_are_values_that_occurred() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert (percentile(values, 50), percentile(values, 99), percentile(values, 100)) == (50.0, 99.0, 100.0)
    assert percentile([7.0], 99) == 7.0


def test_warm_calls_do_not_count() -> None:
    calls: list[int] = []
    assert len(times_ms(lambda: calls.append(1), repeats=3, warm=2)) == 3
    assert len(calls) == 5
