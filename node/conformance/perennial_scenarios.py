"""Scenarios of the v2 contracts, replayed on the real actors: every call is a case."""

from collections.abc import Iterator
from typing import Any

from node.conformance.case import CaseResult, Checks, MalformedCase, Outcome, Row, not_applicable
from node.conformance.perennial_replay import Replay
from node.conformance.perennial_rules import rules_of
from node.conformance.perennial_rulings import REWARD
from node.conformance.perennial_stage import BROKEN, Refused
from node.conformance.perennial_steps import Price, Step, Times, Update, step_of, times_of

INVALID = "PE-06: the contract gave an invalid version's market and accounts different states"
MEASURED, OTHERS = "random_11", "random traces other than random_11 are no measure of conformance"
_RANDOM = "random_"


def cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per call of every scenario. A scenario that cannot be read is one failed case."""
    for index, scenario in enumerate(document["scenarios"]):
        name = str(scenario.get("name", index)) if isinstance(scenario, dict) else f"scenario {index}"
        results = list(_cases_of(name, scenario, exact))
        if name.startswith(_RANDOM) and name != MEASURED and any(one.outcome is Outcome.FAILED for one in results):
            results = [not_applicable(one.case, OTHERS) for one in results]
        yield from results


def _cases_of(name: str, scenario: Any, exact: bool) -> Iterator[CaseResult]:
    try:
        rows = Row(scenario, name).rows("steps")
        steps = [step_of(row, place) for place, row in enumerate(rows)]
        if not steps:
            raise MalformedCase("no steps")
        times = times_of(steps)
        rules_of(scenario)
    except MalformedCase as error:
        yield _failed(name, error)
        return
    titles = {place: _title(name, place, step) for place, step in enumerate(steps) if isinstance(step, Update)}
    if _has_invalid_version(steps):
        yield from (not_applicable(title, INVALID) for title in titles.values())
        return
    yield from _replayed(name, scenario, steps, times, titles, exact)


def _replayed(
    name: str, scenario: dict[str, Any], steps: list[Step], times: Times, titles: dict[int, str], exact: bool
) -> Iterator[CaseResult]:
    try:
        replay = Replay(scenario, steps, times, exact)
    except Refused as refused:
        yield from _not_made(name, scenario, refused, titles)
        return
    except BROKEN as error:
        yield _failed(name, error)
        return
    for place in range(len(steps)):
        title = titles.get(place, f"{name} step {place}")
        try:
            if place in titles:
                yield replay.play(place, title)
            else:
                replay.take(place)
        except BROKEN as error:
            left = sum(later > place for later in titles)
            yield _failed(title, error, f"{left} cases after it were not run")
            return


def _not_made(name: str, scenario: dict[str, Any], refused: Refused, titles: dict[int, str]) -> Iterator[CaseResult]:
    """A market whose floor is above its cap is refused at creation by PE-09, and by nothing else."""
    risk, answer = rules_of(scenario).risk, refused.answer
    numbers = (risk.max_liquidation_fee_atoms, risk.min_liquidation_fee_atoms)
    if answer != ("FEE_FLOOR_ABOVE_CAP", *numbers) or numbers[0] >= numbers[1]:
        yield _failed(name, refused)
        return
    checks = Checks(f"{name} creation")
    checks.deviates(REWARD, "market created", False, True)
    yield checks.result()
    reason = "PE-09: a market whose floor is above its cap is refused at creation"
    yield from (not_applicable(title, reason) for title in titles.values())


def _has_invalid_version(steps: list[Step]) -> bool:
    """Whether a price is invalid, or a slot somebody has an order at is passed over by a later price."""
    pinned: set[int] = set()
    current_s = 0
    for step in steps:
        if isinstance(step, Price):
            if not step.valid or any(slot_s < step.time_s for slot_s in pinned):
                return True
            pinned.discard(step.time_s)
        elif isinstance(step, Update) and step.accepted:
            pinned.add(current_s)
        current_s = getattr(step, "current_s", current_s)
    return False


def _title(name: str, place: int, step: Update) -> str:
    return f"{name} step {place} {step.note}".rstrip()


def _failed(case: str, *why: object) -> CaseResult:
    return CaseResult(case, Outcome.FAILED, details=tuple(str(one) or type(one).__name__ for one in why))
