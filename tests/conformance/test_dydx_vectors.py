"""dYdX's numbers against Margin Trade: all agree or deviate by a named rule, and any number changed is seen."""

import json
from pathlib import Path
from typing import Any

import pytest

from node.conformance import run
from tests.conformance.tampering import failures, read, results_of, unseen

APPLICABLE = ("bankruptcy_price", "deleveraging", "funding_index", "insurance_fund_delta", "margin_requirements")
# A fill is given by its quote; the price it came from and what the file says about itself take no part.
FREE = {"check_formula_ok", "expect_error", "expect_at_oracle_price", "id"}


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "dydx"


def test_every_applicable_number_agrees_or_deviates_by_a_rule(vectors: Path) -> None:
    report = run([vectors]).to_dict()
    total = sum(len(json.loads(path.read_text())["cases"]) for path in vectors.glob("*.json"))
    assert (report["failed"], report["errors"]) == (0, [])
    assert report["passed"] + sum(report["not_applicable"].values()) == total
    assert report["deviating"] == {"MT-02": 4, "MT-15": 3}
    assert report["passed"] == 80


@pytest.mark.parametrize("name", [*APPLICABLE, "thresholds"])
def test_every_expected_number_is_compared(vectors: Path, name: str) -> None:
    def is_expected(path: tuple[Any, ...]) -> bool:
        return str(path[2]).startswith("expect") and not FREE & set(path)

    count, missed = unseen(read(vectors / f"{name}.json"), is_expected)
    assert count >= 4
    assert missed == []


@pytest.mark.parametrize("name", ["bankruptcy_price", "deleveraging", "insurance_fund_delta"])
def test_a_refusal_that_is_expected_elsewhere_fails(vectors: Path, name: str) -> None:
    document = read(vectors / f"{name}.json")
    agreeing = next(case for case in document["cases"] if "expect_error" not in case and "subaccounts" not in case)
    assert failures({**document, "cases": [{**agreeing, "expect_error": "Whatever"}]}) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("perpetual", 7), ("subaccount", {"usdc_quantums": 1, "positions": [{"perpetual": 9, "quantums": 1}]})],
)
def test_a_case_that_names_what_is_not_there_fails(vectors: Path, field: str, value: Any) -> None:
    document = read(vectors / "bankruptcy_price.json")
    assert failures({**document, "cases": [{**document["cases"][0], field: value}]}) == 1


@pytest.mark.parametrize("change", [{"imf": "0.3"}, {"mmf": "0.2"}, {"oracle_usd": 0}, {"base_quantums_per_unit": 0}])
def test_a_market_that_cannot_be_ours_fails_its_cases(vectors: Path, change: dict[str, Any]) -> None:
    document = read(vectors / "bankruptcy_price.json")
    document["perpetuals"]["0"].update(change)
    results = results_of({**document, "cases": document["cases"][:1]})
    assert [str(result.outcome) for result in results] == ["failed"]


def test_an_exponent_of_no_market_fails_at_once(vectors: Path) -> None:
    document = read(vectors / "funding_index.json")
    assert failures({**document, "cases": [{**document["cases"][0], "exponent": 10**30}]}) == 1
