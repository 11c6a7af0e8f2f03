"""Spin against the reference's numbers: all agree, any number changed is seen, and a field nobody reads fails."""

import copy
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from node.conformance import run
from node.conformance.case import Checks, MalformedCase, Row
from node.conformance.spin_decimals import compare, decimal, half_up, places, rate_e9
from tests.conformance.tampering import failures, leaves, read, results_of, tampered

FIGURES = {"upnl", "equity", "tier", "tier_without_orders", "margin_ratio", "margin_ratio_without_orders"}
FIGURES |= {"position_collateral", "order_collateral", "increasing_qty", "liquidation", "expect"}
# Enough accounts to meet every field, among them three markets and a complete liquidation.
SAMPLE = 20


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "spin"


@pytest.fixture(scope="module")
def accounts(vectors: Path) -> Any:
    return read(vectors / "margin_ratio_derived.json")


@pytest.fixture(scope="module")
def documented(vectors: Path) -> Any:
    return read(vectors / "documented.json")


def test_every_reference_number_agrees(vectors: Path) -> None:
    report = run([vectors]).to_dict()
    rows = sum(len(json.loads(path.read_text())["rows"]) for path in vectors.glob("*.json"))
    assert (report["failed"], report["errors"]) == (0, [])
    assert report["passed"] == rows + 1
    assert report["not_applicable"] == {} and report["deviating"] == {}


def unseen_figures(document: dict[str, Any]) -> tuple[int, list[tuple[Any, ...]]]:
    count, missed = 0, []
    for row in document["rows"]:
        single = {**document, "rows": [row]}
        for path, value in leaves(row, ("rows", 0)):
            if value is None or not FIGURES & set(path):
                continue
            count += 1
            if failures(tampered(single, path)) == 0:
                missed.append(path)
    return count, missed


def test_every_figure_of_an_account_is_compared(accounts: Any) -> None:
    count, missed = unseen_figures({**accounts, "rows": accounts["rows"][:SAMPLE]})
    assert count > 300
    assert missed == []


def test_every_figure_of_an_example_is_compared(documented: Any) -> None:
    count, missed = unseen_figures(documented)
    assert count >= 15
    assert missed == []


@pytest.mark.parametrize("identifier", ["market_near_perp", "funding_cap", "insurance_target"])
def test_every_published_term_is_compared(documented: Any, identifier: str) -> None:
    row = next(row for row in documented["rows"] if row["id"] == identifier)
    for field in set(row) - {"id", "source"}:
        assert failures({"rows": [{**row, field: f"{row[field]}1"}]}) == 1, field


def with_change(document: Any, way: tuple[Any, ...], value: Any) -> Any:
    other = copy.deepcopy({**document, "rows": document["rows"][1:2]})
    node = other
    for step in way[:-1]:
        node = node[step]
    node[way[-1]] = value
    return other


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("rows", 0, "bonus"), "1"),
        (("rows", 0, "markets", 0, "leverage"), "1"),
        (("rows", 0, "markets", 0, "liquidation", "bonus"), "1"),
        (("rows", 0, "markets", 2, "orders", 0, "reduce_only"), True),
        (("rows", 0, "markets", 2, "orders", 0, "side"), "buy"),
        (("rows", 0, "markets", 0, "mark"), "0"),
        (("rows", 0, "markets", 0, "mark"), "1/3"),
        (("rows", 0, "markets", 0, "step_size"), "-1"),
        (("rows", 0, "markets", 0, "collateral_ratio"), "0"),
        (("rows", 0, "margin"), None),
        (("rows", 0, "tier"), "unknown"),
        (("constants", "target"), "0.8"),
        (("constants", "bonus"), "1"),
        (("constants", "tiers", "partial"), "0.2<=Mr<0.7"),
        (("constants", "tiers", "full"), "Mr<0.31"),
        (("constants", "tiers", "ok"), "Mr>1"),
    ],
)
def test_what_no_rule_reads_or_allows_fails(accounts: Any, way: tuple[Any, ...], value: Any) -> None:
    assert failures(with_change(accounts, way, value)) == 1


def test_a_liquidation_that_is_left_out_or_not_due_fails(accounts: Any) -> None:
    row = copy.deepcopy(accounts["rows"][1])
    lost = row["markets"][0].pop("liquidation")
    assert failures({**accounts, "rows": [row]}) == 1
    healthy = copy.deepcopy(accounts["rows"][0])
    healthy["markets"][0]["liquidation"] = lost
    assert failures({**accounts, "rows": [healthy]}) == 1


def test_the_rates_of_the_file_are_those_its_accounts_are_worked_with(accounts: Any) -> None:
    constants = {**accounts["constants"], "liquidator_reward": "0.02"}
    assert failures({**accounts, "rows": accounts["rows"][1:2], "constants": constants}) == 1
    without = {key: value for key, value in accounts.items() if key != "constants"}
    assert len(results_of(without)) == len(accounts["rows"])
    assert failures(without) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"expect": {"upnl": "1680", "roe": "1"}},
        {"expect": {}},
        {"fees": "1"},
        {"side": "buy"},
        {"mark": "0"},
        {"expect": {"Mr=0.5": "0.444444444444"}},
    ],
)
def test_an_example_that_no_rule_can_work_fails(documented: Any, change: dict[str, Any]) -> None:
    row = next(row for row in documented["rows"] if row["id"] == "upnl_long")
    assert failures({"rows": [row]}) == 0
    assert failures({"rows": [{**row, **change}]}) == 1


def test_terms_that_say_nothing_fail(documented: Any) -> None:
    rows = [{"id": "nothing", "source": "nowhere"}, *documented["rows"]]
    assert failures({"rows": rows}) == 1


def test_a_figure_is_exact_or_printed_to_twelve_decimals() -> None:
    assert half_up(Fraction(5, 10**13)) == Fraction(1, 10**12)
    assert half_up(Fraction(-5, 10**13)) == Fraction(-1, 10**12)
    assert half_up(Fraction(1, 3)) == Fraction(333_333_333_333, 10**12)
    for text, agrees in (("0.333333333333", True), ("0.33333333333", False), ("0.333333333334", False)):
        checks = Checks("third")
        compare(checks, "third", Fraction(1, 3), Row({"third": text}), "third")
        assert (checks.result().outcome == "passed") == agrees


@pytest.mark.parametrize("text", ["1e3", "", ".5", "1/2", "NaN", " 1", "1_0"])
def test_only_plain_decimals_are_read(text: str) -> None:
    with pytest.raises(MalformedCase):
        decimal(Row({"a": text}), "a")


def test_decimals_beyond_the_scale_are_refused() -> None:
    with pytest.raises(MalformedCase, match="9 decimals"):
        rate_e9(Row({"a": "0.0000000001"}), "a")
    with pytest.raises(MalformedCase, match="more than"):
        places([Fraction(1, 3)])
    assert places([Fraction(1, 8), Fraction(5)]) == 3
