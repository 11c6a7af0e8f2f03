"""The order book vectors: all agree, and any expectation changed is seen."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from node.conformance import Report, run

ORDER = {"op": "new", "tif": "GTC", "user": 1}
# What the files of the reference do not try: a number in use that trades, a plain FOK, budgets of zero.
MORE: dict[str, Any] = {
    "initial": [{**ORDER, "id": 1, "price": 101, "size": 5, "side": "ASK"}],
    "cases": [
        {
            "name": "a number in use may trade but not rest",
            "commands": [{**ORDER, "id": 1, "price": 101, "size": 7, "side": "BID"}],
            "expect_trades_last": [{"maker": 1, "price": 101, "size": 5}],
            "expect_reject_size": 2,
            "expect_asks": [],
            "expect_bids": [],
        },
        {
            "name": "FOK at a price",
            "commands": [{**ORDER, "tif": "FOK", "id": 2, "price": 100, "size": 5, "side": "BID"}],
            "expect_trades_last": [],
            "expect_reject_size": 5,
        },
        {
            "name": "nothing is bought for nothing",
            "commands": [{**ORDER, "tif": "FOK_BUDGET", "id": 2, "budget": 0, "size": 5, "side": "BID"}],
            "expect_trades_last": [],
            "expect_reject_size": 5,
        },
        {
            "name": "an order reduced keeps its place",
            "commands": [
                {**ORDER, "id": 2, "price": 101, "size": 5, "side": "ASK"},
                {"op": "reduce", "id": 1, "user": 1, "by": 2},
                {**ORDER, "tif": "IOC", "id": 3, "price": 101, "size": 4, "side": "BID"},
            ],
            "expect_trades_last": [{"maker": 1, "price": 101, "size": 3}, {"maker": 2, "price": 101, "size": 1}],
            "check_ok": True,
        },
    ],
}


def write(path: Path, document: Any) -> Path:
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def last_line(report: Report) -> str:
    return report.text().splitlines()[-1]


@pytest.fixture(scope="module")
def document(shared_dir: Path) -> Any:
    path = shared_dir / "vectors" / "orderbook" / "exchange_core_orderbook.json"
    if not path.is_file():
        pytest.skip(f"no order book vectors: {path.name} is absent")
    return json.loads(path.read_text(encoding="utf-8"))


def test_every_case_of_the_reference_passes(document: Any, tmp_path: Path) -> None:
    report = run([write(tmp_path / "book.json", document)])
    assert last_line(report) == f"{len(document['cases'])} passed, 0 failed"
    assert report.ok


def changed(value: Any) -> Any:
    """Another expectation of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return [*value, value[-1]] if value else [[1, 1, 1]]
    return f"{value}X" if isinstance(value, str) else value + 1


def test_any_expectation_changed_is_seen(document: Any, tmp_path: Path) -> None:
    for index, case in enumerate(document["cases"]):
        for key in case:
            if key.startswith("expect_") or key == "check_ok":
                tampered = copy.deepcopy(document)
                tampered["cases"] = [tampered["cases"][index]]
                tampered["cases"][0][key] = changed(case[key])
                assert last_line(run([write(tmp_path / "book.json", tampered)])) == "0 passed, 1 failed", key


def test_what_the_reference_does_not_try(tmp_path: Path) -> None:
    assert last_line(run([write(tmp_path / "more.json", MORE)])) == f"{len(MORE['cases'])} passed, 0 failed"


@pytest.mark.parametrize(
    ("field", "value"), [("op", "swap"), ("tif", "GTD"), ("id", 0), ("price", 2**41), ("size", "5"), ("side", "MID")]
)
def test_a_malformed_command_fails_its_case_only(tmp_path: Path, field: str, value: Any) -> None:
    malformed = copy.deepcopy(MORE)
    malformed["cases"][0]["commands"][0][field] = value
    report = run([write(tmp_path / "more.json", malformed)])
    assert last_line(report) == f"{len(MORE['cases']) - 1} passed, 1 failed"
