"""Vega's scenarios on our book: every applicable row agrees or deviates by a named rule, and any change is seen."""

from pathlib import Path
from typing import Any

import pytest

from actors.matching.words import BUY, GTC, REDUCE_ONLY, SELL
from node.conformance import run
from node.conformance.case import Outcome
from node.conformance.vega_market import Order, Peg, VegaMarket, auction_price
from tests.conformance.tampering import failures, read, results_of, unseen

REPLAYED = ("pnl", "order_book", "order_book_amend")
NAMES = {"party", "reference", "market id"}


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "vega"


def test_every_applicable_row_agrees_or_deviates_by_a_rule(vectors: Path) -> None:
    report = run([vectors]).to_dict()
    assert (report["passed"], report["failed"], report["errors"]) == (87, 0, [])
    assert report["deviating"] == {"MT-06": 3}
    rows = sum(case.get("expected_rows", 0) for path in vectors.glob("*.json") for case in read(path)["cases"])
    assert report["passed"] + sum(report["not_applicable"].values()) == rows + 7


def with_row(case: dict[str, Any], at: int, index: int, row: dict[str, Any]) -> dict[str, Any]:
    step = case["steps"][at]
    rows = [*step["rows"][:index], row, *step["rows"][index + 1 :]]
    return {**case, "steps": [*case["steps"][:at], {**step, "rows": rows}, *case["steps"][at + 1 :]]}


@pytest.mark.parametrize("name", REPLAYED)
def test_every_row_of_a_replayed_scenario_is_compared(vectors: Path, name: str) -> None:
    document = read(vectors / f"{name}.json")
    tried, missed = 0, []
    for case in document["cases"]:
        for result in results_of({**document, "cases": [case]}):
            if result.outcome is not Outcome.PASSED:
                continue
            at, index = map(int, result.case.split()[1].split("."))
            row = case["steps"][at]["rows"][index]
            for field in set(row) - NAMES:
                other = "nobody" if isinstance(row[field], str) else row[field] + 1_000
                changed_case = with_row(case, at, index, {**row, field: other})
                after = results_of({**document, "cases": [changed_case]})
                tried += 1
                if not any(one.outcome is Outcome.FAILED for one in after):
                    missed.append((result.case, field, row))
    assert tried >= 15
    # Nothing rests at a price moved elsewhere either: a row that says so stays true.
    assert [entry for entry in missed if not (entry[1] == "price" and entry[2]["volume"] == 0)] == []


@pytest.mark.parametrize("name", ["derived_pnl", "derived_loss_socialisation"])
def test_every_derived_number_is_compared(vectors: Path, name: str) -> None:
    free = {"id", "file", "line", "method", "note", "rule", "party", "columns", "insurance_fund"}

    def is_expected(path: tuple[Any, ...]) -> bool:
        in_check = "check" in path and path[-1] == 1
        given = {"trades", "losers", "winners"} & set(path)
        return not (free & set(path) or in_check or given)

    count, missed = unseen(read(vectors / f"{name}.json"), is_expected)
    assert count >= 24
    assert missed == []


@pytest.mark.parametrize(
    ("field", "value"), [("volume", 0), ("volume", 1 << 41), ("price", 0), ("side", "both"), ("type", "TYPE_X")]
)
def test_an_order_that_cannot_be_ours_fails_its_scenario(vectors: Path, field: str, value: Any) -> None:
    document = read(vectors / "order_book_amend.json")
    case = document["cases"][1]
    order = {**case["steps"][1]["rows"][0], field: value}
    steps = [case["steps"][0], {**case["steps"][1], "rows": [order]}, *case["steps"][2:]]
    assert failures({**document, "cases": [{**case, "steps": steps}]}) == 1


@pytest.mark.parametrize(
    "change",
    [{"winners": []}, {"winners": [{"party": "a", "gain": -1}]}, {"insurance_fund": -1}, {"check": {"party2": []}}],
)
def test_a_shortage_of_another_shape_fails(vectors: Path, change: dict[str, Any]) -> None:
    document = read(vectors / "derived_loss_socialisation.json")
    assert failures({**document, "cases": [{**document["cases"][0], **change}]}) == 1


def order(number: int, side: int, price: int, size: int) -> Order:
    return Order(number, f"party{number}", side, price, size, GTC, 0)


def test_an_auction_crosses_most_lots_at_the_middle_of_their_prices() -> None:
    orders = [order(1, BUY, 110, 5), order(2, BUY, 100, 5), order(3, SELL, 90, 4), order(4, SELL, 105, 4)]
    assert auction_price(orders) == 107
    assert auction_price(orders[:2]) == 0
    assert auction_price([]) == 0


def test_the_rest_of_an_auction_stands_at_its_own_prices() -> None:
    market = VegaMarket()
    market.place("a", BUY, 110, 5, "TIF_GTC", 0, "a")
    market.place("b", SELL, 90, 8, "TIF_GTC", 0, "b")
    market.place("c", BUY, 80, 3, "TIF_GTC", 0, "c")
    market.place("d", BUY, 70, 3, "TIF_GTC", 0, "d")
    market.cancel("d", "d")
    market.end_auction()
    assert [tuple(trade) for trade in market.trades] == [("a", "b", 100, 5)]
    assert market.depth(SELL) == {90: 3} and market.depth(BUY) == {80: 3}
    assert market.mark == 100


def test_a_pegged_row_is_told_by_the_best_of_our_own_book() -> None:
    market = VegaMarket()
    market.pegs.append(Peg(SELL, "ASK", 20))
    assert not market.is_pegged(SELL, 20)
    market.end_auction()
    market.place("a", SELL, 1_010, 1, "TIF_GTC", 0, "a")
    assert market.is_pegged(SELL, 1_030)
    assert not market.is_pegged(SELL, 1_010) and not market.is_pegged(BUY, 1_030)


def test_reduce_only_orders_know_their_position() -> None:
    market = VegaMarket()
    market.end_auction()
    market.place("a", BUY, 100, 5, "TIF_GTC", 0, "a")
    market.place("b", SELL, 100, 3, "TIF_GTC", 0, "b")
    market.place("c", BUY, 90, 9, "TIF_GTC", 0, "c")
    market.cancel("a", "a")
    market.place("a", SELL, 90, 9, "TIF_IOC", REDUCE_ONLY, "less")
    assert market.position("a").size == 0
