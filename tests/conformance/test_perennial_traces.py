"""Scenarios nobody has seen: random ones, of fees, funding, other slots and hard times, on the real actors.

The answers are the naive lazy market's, which agrees with every scenario of the real contracts.
"""

from typing import Any

import pytest

from node.conformance.case import CaseResult, Outcome
from node.conformance.kinds import kind_of
from tests.conformance.perennial_traces import trace

EAGER = "PE-05: settlement is eager here, it is no command that could be refused"


def played(scenario: Any, exact: bool) -> list[CaseResult]:
    kind = kind_of({"scenarios": [scenario]})
    assert kind is not None
    return list(kind.cases({"scenarios": [scenario]}, exact))


def failed(results: list[CaseResult]) -> list[CaseResult]:
    return [one for one in results if one.outcome is Outcome.FAILED]


@pytest.mark.parametrize("seed", [15, 18, 25, 26, 31])
def test_the_exact_variant_agrees_with_a_lazy_market(seed: int) -> None:
    results = played(trace(seed, versions=14, acts=12), exact=True)
    assert failed(results) == []
    others = {one.reason for one in results if one.outcome is not Outcome.PASSED}
    assert others <= {EAGER}


@pytest.mark.parametrize(("seed", "tag"), [(18, "PE-09"), (25, "PE-17"), (31, "PE-08")])
def test_ours_differs_by_what_the_rulings_give(seed: int, tag: str) -> None:
    results = played(trace(seed, versions=25, acts=12), exact=False)
    assert failed(results) == []
    deviating = {one.reason for one in results if one.outcome is Outcome.DEVIATING}
    assert tag in deviating and deviating <= {"PE-08", "PE-09", "PE-17"}
