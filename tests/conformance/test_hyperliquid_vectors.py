"""Hyperliquid's numbers against Margin Trade: premiums as recorded, tiers and funding as documented."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from actors.risk.tiers import BTC_TIER_ROWS, ETH_TIER_ROWS
from node.conformance import run
from node.conformance.hyperliquid import tiers_of
from tests.conformance.tampering import failures, read, unseen


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "hyperliquid"


def test_every_premium_and_every_example_of_ours_agrees(vectors: Path) -> None:
    report = run([vectors]).to_dict()
    premiums = len(json.loads((vectors / "premium_real.json").read_text())["cases"])
    assert (report["passed"], report["failed"], report["deviating"]) == (premiums + 5, 0, {})
    assert sum(report["not_applicable"].values()) == 3


def test_every_result_of_an_example_is_compared(vectors: Path) -> None:
    given = {"id", "source", "derived", "inputs", "notional"}
    inputs = {"interest_rate_8h", "impact_bid", "oracle", "clamp", "leverage"}

    def is_expected(path: tuple[Any, ...]) -> bool:
        return not (given | inputs) & set(path)

    count, missed = unseen(read(vectors / "docs_examples.json"), is_expected)
    assert count >= 25
    assert missed == []


def test_the_two_premium_formulas_are_told_apart(vectors: Path) -> None:
    document = read(vectors / "premium_real.json")
    other = {"impact": "mid", "mid": "impact"}
    swapped = [{**case, "formula": other[case["formula"]]} for case in document["cases"]]
    assert failures({**document, "cases": swapped}) > 300


@pytest.mark.parametrize("change", [{"oracle": "0"}, {"oracle": 1}, {"formula": "other"}, {"impact_bid": "x"}])
def test_a_premium_of_another_shape_fails(vectors: Path, change: dict[str, Any]) -> None:
    document = read(vectors / "premium_real.json")
    assert failures({**document, "cases": [{**document["cases"][0], **change}]}) == 1


def test_premiums_without_a_tolerance_fail(vectors: Path) -> None:
    document = read(vectors / "premium_real.json")
    assert failures({"cases": document["cases"][:3]}) == 3


def test_published_tiers_are_the_ones_we_list() -> None:
    btc = tiers_of("BTC 0-150M 40x, >150M 20x")
    eth = tiers_of("ETH 0-100M 25x, >100M 15x")
    for published, rows in ((btc, BTC_TIER_ROWS), (eth, ETH_TIER_ROWS)):
        assert published == [(Fraction(lower, 10**6), Fraction(leverage)) for lower, leverage in rows]
