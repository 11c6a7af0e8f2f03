"""Twilight against the reference's numbers: all agree or deviate by a named rule, and any number changed is seen."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.conformance import Report, run

DEVIATIONS = {"TW-04/TW-10", "TW-12", "TW-04/TW-10, TW-12"}
# What a case is given, and what names it; everything else in a file is a result and must be compared.
GIVEN = {
    "positions.json": {"id", "inputs"},
    "funding_rate.json": {"total_long_position_size", "total_short_position_size", "psi"},
    "risk_limits.json": {
        *("total_long", "total_short", "pool_equity", "status"),
        *("max_oi_mult", "max_net_mult", "max_position_pct"),
    },
    "trigger_sets.json": {"search", "price", "levels"},
    "pool_shares.json": {"id", "op"},
}


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "twilight"


def case_count(folder: Path) -> int:
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    sequences = [sequence for document in documents for sequence in document.get("sequences", [])]
    single = sum(len(document.get("vectors", [])) for document in documents)
    return single + len(sequences) + sum(len(sequence["ops"]) for sequence in sequences)


def test_every_reference_number_agrees_or_deviates_by_a_rule(vectors: Path) -> None:
    report = run([vectors])
    assert report.text().splitlines()[-1] == f"{case_count(vectors)} passed, 0 failed"
    assert report.ok
    assert set(report.to_dict()["deviating"]) <= DEVIATIONS
    assert report.to_dict()["not_applicable"] == {}


def results(node: Any, given: set[str], path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all leaves that are not given."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key not in given:
                yield from results(value, given, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from results(value, given, (*path, index))
    else:
        yield path


def changed(value: Any) -> Any:
    """Another value of the same kind, farther off than any tolerance."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}1" if value[-1].isdigit() else f"{value}X"
    return value * 1.000001 + 1.5 if isinstance(value, float) else value + 1_000_000


def run_tampered(folder: Path, document: Any, path: tuple[Any, ...]) -> Report:
    tampered = copy.deepcopy(document)
    node = tampered
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = changed(node[path[-1]])
    target = folder / "tampered.json"
    target.write_text(json.dumps(tampered), encoding="utf-8")
    return run([target])


def chosen(name: str, document: Any) -> list[Any]:
    """A few cases of a file, of every shape it has, each as a file of its own."""
    if name == "pool_shares.json":
        return [{"sequences": document["sequences"][:1]}]
    if name != "positions.json":
        return [{"vectors": [vector]} for vector in document["vectors"][:6]]
    shapes: dict[tuple[Any, ...], Any] = {}
    for vector in document["vectors"]:
        if len(vector["funding_steps"]) <= 13:
            decisions = (vector["at_mark"]["tick_liquidation"], vector["at_mark"]["funding_liquidated"])
            shape = ("on_fill" in vector, *decisions, vector["close"]["payout_u64"] > 0, vector["inputs"]["side"])
            shapes.setdefault(shape, vector)
    return [{"vectors": [vector]} for vector in shapes.values()]


@pytest.mark.parametrize("name", sorted(GIVEN))
def test_every_result_in_a_file_is_compared(vectors: Path, tmp_path: Path, name: str) -> None:
    files = chosen(name, json.loads((vectors / name).read_text()))
    paths = [(file, path) for file in files for path in results(file, GIVEN[name])]
    assert len(paths) >= 6
    unseen = [path for file, path in paths if run_tampered(tmp_path, file, path).failed == 0]
    assert unseen == []


def test_a_deviating_decision_is_no_licence_to_be_wrong(vectors: Path, tmp_path: Path) -> None:
    """Where our decision differs from the file's, the file is still held to its own rule (TW-04/TW-10)."""
    document = json.loads((vectors / "positions.json").read_text())
    result = next(
        case
        for case in run([vectors / "positions.json"]).to_dict()["files"][0]["cases"]
        if "at_mark.tick_liquidation" in case["details"][0]
    )
    identity = int(result["case"].split()[1])
    vector = next(vector for vector in document["vectors"] if vector["id"] == identity)
    tampered = run_tampered(tmp_path, {"vectors": [vector]}, ("vectors", 0, "at_mark", "tick_liquidation"))
    assert tampered.failed == 1


def test_a_funding_list_of_another_length_fails(vectors: Path, tmp_path: Path) -> None:
    document = json.loads((vectors / "positions.json").read_text())
    vector = next(
        vector
        for vector in document["vectors"]
        if vector["funding_steps"] and not vector["at_mark"]["funding_liquidated"]
    )
    for funding in (vector["inputs"]["funding"][:-1], [*vector["inputs"]["funding"], [0.01, 50_000]], [7]):
        other = {**vector, "inputs": {**vector["inputs"], "funding": funding}}
        (tmp_path / "a.json").write_text(json.dumps({"vectors": [other]}), encoding="utf-8")
        assert run([tmp_path / "a.json"]).failed == 1
