"""Perennial's tables: requirements, liquidation fees and totals as the real contracts computed them."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from node.conformance import run
from node.conformance.case import Outcome
from node.conformance.kinds import kind_of
from tests.conformance.tampering import changed, failures, read

FILES = ("v2_math.json", "v2_global_math.json")
RESULTS = {
    "v2_math.json": ("maintenance_requirement", "liquidatable", "liquidation_fee"),
    "v2_global_math.json": (
        "utilization",
        "efficiency",
        "skew",
        "long_socialized",
        "short_socialized",
        "socialized",
    ),
}


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "perennial"


@pytest.mark.parametrize("file", FILES)
def test_the_exact_variant_is_the_contract_s(vectors: Path, file: str) -> None:
    report = run([vectors / file], exact=True)
    assert report.ok
    assert report.passed == len(read(vectors / file)["rows"])
    assert Counter(result.outcome for result in report.files[0].results) == {Outcome.PASSED: report.passed}


def test_ours_differs_only_where_the_floor_is_above_the_cap(vectors: Path) -> None:
    rows = read(vectors / "v2_math.json")["rows"]
    report = run([vectors / "v2_math.json"])
    quarrels = [float(row["min_liquidation_fee"]) > float(row["max_liquidation_fee"]) for row in rows]
    assert report.ok and any(quarrels)
    assert [result.reason for result in report.files[0].results] == ["PE-09" if apart else "" for apart in quarrels]


@pytest.mark.parametrize(("file", "field"), [(file, field) for file in FILES for field in RESULTS[file]])
def test_every_result_is_compared(vectors: Path, file: str, field: str) -> None:
    document = read(vectors / file)
    rows = [{**row, field: changed(row[field])} for row in document["rows"]]
    assert failures({**document, "rows": rows}) == len(rows)


@pytest.mark.parametrize(
    "change", [{"size": "-1"}, {"size": 1}, {"side": "both"}, {"price": "0.0000001"}, {"liquidatable": "no"}]
)
def test_a_position_of_another_shape_fails(vectors: Path, change: dict[str, Any]) -> None:
    document = read(vectors / "v2_math.json")
    assert failures({**document, "rows": [{**document["rows"][0], **change}]}) == 1


def test_a_row_that_lacks_a_field_fails_and_leaves_the_others(vectors: Path) -> None:
    document = read(vectors / "v2_global_math.json")
    rows = [{"maker": "1", "utilization": "1.0"}, *document["rows"][:2]]
    kind = kind_of({"rows": rows})
    assert kind is not None
    assert [result.outcome for result in kind.cases({"rows": rows}, False)] == ["failed", "passed", "passed"]
