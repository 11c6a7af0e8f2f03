"""Scenarios of the real contracts on the real actors: what agrees, what rulings change, that nothing goes unseen."""

from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from node.conformance import run
from node.conformance.case import CaseResult, Outcome
from node.conformance.kinds import kind_of
from tests.conformance.tampering import changed, leaves, read

V2 = ("v2_scenarios.json", "v2_random_traces.json")
INVALID = "PE-06: the contract gave an invalid version's market and accounts different states"
EAGER = "PE-05: settlement is eager here, it is no command that could be refused"


@pytest.fixture(scope="module")
def vectors(shared_dir: Path) -> Path:
    return shared_dir / "vectors" / "perennial"


@pytest.fixture(scope="module")
def scenarios(vectors: Path) -> dict[str, Any]:
    documents = [read(vectors / file) for file in V2]
    return {scenario["name"]: scenario for document in documents for scenario in document["scenarios"]}


def played(*scenarios: Any, exact: bool = True) -> list[CaseResult]:
    document = {"scenarios": list(scenarios)}
    kind = kind_of(document)
    assert kind is not None, "no reader knows this document"
    return list(kind.cases(document, exact))


def outcomes(results: list[CaseResult]) -> dict[str, int]:
    return {str(outcome): count for outcome, count in Counter(one.outcome for one in results).items()}


def failed(results: list[CaseResult]) -> list[str]:
    return [" ".join((one.case, *one.details)) for one in results if one.outcome is Outcome.FAILED]


def up_to(scenario: Any, steps: int) -> Any:
    return {**scenario, "steps": deepcopy(scenario["steps"][:steps])}


@pytest.mark.parametrize(("file", "passed"), [("v2_scenarios.json", 166), ("v2_random_traces.json", 135)])
def test_the_exact_variant_is_the_contract_s(vectors: Path, file: str, passed: int) -> None:
    report = run([vectors / file], exact=True)
    assert report.ok and report.passed == passed
    assert not report.reasons(Outcome.DEVIATING)
    assert set(report.reasons(Outcome.NOT_APPLICABLE)) <= {INVALID, EAGER}


@pytest.mark.parametrize("file", V2)
def test_ours_deviates_only_where_a_ruling_says_so(vectors: Path, file: str) -> None:
    report = run([vectors / file])
    assert report.ok
    assert set(report.reasons(Outcome.DEVIATING)) <= {"PE-08", "PE-09", "PE-17"}


@pytest.mark.parametrize("exact", [True, False])
def test_v1_locks_rewards_and_repays_as_we_do(vectors: Path, exact: bool) -> None:
    report = run([vectors / "v1_scenarios.json"], exact=exact)
    assert report.ok and report.passed == 20
    assert set(report.reasons(Outcome.DEVIATING)) == (set() if exact else {"PE-08"})


def expected(way: tuple[Any, ...]) -> bool:
    """What a file says of a state, but for the numbers of its queues, and what only lazy settlement has."""
    return "state" in way and way[-1] not in ("latest_id", "current_id", "id", "protection", "timestamp")


@pytest.mark.parametrize(("name", "place"), [("liquidate_long_lock", 12), ("fees_funding", 10)])
def test_every_number_of_a_state_is_compared(scenarios: dict[str, Any], name: str, place: int) -> None:
    scenario = up_to(scenarios[name], place + 1)
    state = scenario["steps"][place]["state"]
    latest_s = state["global"]["position"]["timestamp"]
    lagging = {who for who, row in state["accounts"].items() if row["latest"]["timestamp"] < latest_s}
    missed = []
    for way, value in leaves(state):
        of_lagging = len(way) > 2 and way[1] in lagging and way[2] != "wallet_delta"
        if not expected(("state", *way)) or of_lagging:
            continue
        other = deepcopy(scenario)
        node = other["steps"][place]["state"]
        for part in way[:-1]:
            node = node[part]
        node[way[-1]] = changed(value)
        if not failed(played(other)):
            missed.append(way)
    assert missed == []


@pytest.mark.parametrize("place", [6, 10, 12, 13, 15, 17, 18])
def test_the_other_answer_fails(scenarios: dict[str, Any], place: int) -> None:
    scenario = up_to(scenarios["liquidate_long_lock"], place + 1)
    step = scenario["steps"][place]
    step["result"] = "MarketError" if step["result"] == "ok" else "ok"
    (why,) = failed(played(scenario))
    assert "accepted: ours" in why


@pytest.mark.parametrize(
    ("place", "change"),
    [
        (1, {"op": "donate"}),
        (1, {"referrer": "C"}),
        (1, {"maker": "-1"}),
        (1, {"collateral": "0.0000001"}),
        (1, {"protect": 0}),
        (1, {"state": {}}),
        (3, {"oracle_current": 1_700_003_600}),
        (0, {"op": "oracle"}),
    ],
)
def test_what_nobody_knows_fails(scenarios: dict[str, Any], place: int, change: dict[str, Any]) -> None:
    scenario = up_to(scenarios["liquidate_long_lock"], 8)
    scenario["steps"][place].update(change)
    assert failed(played(scenario))


def test_a_field_of_the_market_that_nobody_knows_fails(scenarios: dict[str, Any]) -> None:
    scenario = deepcopy(scenarios["close_only_and_limits"])
    place = next(place for place, step in enumerate(scenario["steps"]) if step["op"] == "market_parameter")
    scenario["steps"][place]["open"] = True
    assert "unknown open" in failed(played(scenario))[0]


def test_a_market_the_registry_refuses_fails_unless_its_floor_is_above_its_cap(scenarios: dict[str, Any]) -> None:
    scenario = deepcopy(scenarios["happy_path"])
    scenario["risk_parameter"]["maintenance"] = "0.001"
    assert "PARAMETER_OUT_OF_BOUNDS" in failed(played(scenario))[0]
    scenario = deepcopy(scenarios["happy_path"])
    scenario["risk_parameter"]["maxLiquidationFee"] = "4"
    assert outcomes(played(scenario)) == {"passed": 16}
    ruled = played(scenario, exact=False)
    assert outcomes(ruled) == {"deviating": 1, "not applicable": 16}
    assert ruled[0].reason == "PE-09"


def test_slots_are_as_wide_as_the_scenario_s_times(scenarios: dict[str, Any]) -> None:
    """The same scenario at a third of its pace and from another second: nothing accrues, so nothing is different."""
    other = deepcopy(scenarios["liquidate_long_lock"])
    for way, value in leaves(other["steps"]):
        if way[-1] in ("timestamp", "oracle_current", "protection") and value:
            node = other["steps"]
            for part in way[:-1]:
                node = node[part]
            node[way[-1]] = (value - 1_700_000_000) // 3 + 1_700_000_007
    assert failed(played(other)) == []


def test_a_scenario_with_a_version_that_never_came_is_none_of_ours(scenarios: dict[str, Any]) -> None:
    scenario = deepcopy(scenarios["liquidate_long_lock"])
    del scenario["steps"][3]  # the price of the version that both orders were pinned to
    assert set(outcomes(played(scenario))) == {"not applicable"}


def test_a_random_trace_other_than_the_one_that_measures_may_disagree(scenarios: dict[str, Any]) -> None:
    scenario = up_to(scenarios["random_11"], 30)
    assert outcomes(played({**scenario, "name": "random_12"})) == outcomes(played(scenario)) == {"passed": 26}
    scenario["steps"][1]["state"]["market_token_balance"] = "1.0"
    assert failed(played(scenario))
    assert outcomes(played({**scenario, "name": "random_12"})) == {"not applicable": 26}
