"""Changes one expected number of a vector document at a time and runs it again: what nobody compares stays unseen."""

import copy
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from node.conformance.case import CaseResult, Outcome
from node.conformance.kinds import kind_of

Way = tuple[Any, ...]


def read(path: Path) -> Any:
    """The document with exact decimals, as the runner reads it."""
    return json.loads(path.read_text(encoding="utf-8"), parse_float=Fraction)


def results_of(document: Any) -> list[CaseResult]:
    kind = kind_of(document)
    assert kind is not None, "no reader knows this document"
    return list(kind.cases(document, False))


def leaves(node: Any, path: Way = ()) -> Iterator[tuple[Way, Any]]:
    """All values that are neither objects nor lists, with the way to them."""
    if isinstance(node, dict | list):
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            yield from leaves(value, (*path, key))
    else:
        yield path, node


def changed(value: Any) -> Any:
    """Another value of the same kind, farther off than any tolerance."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}1" if value[-1].isdigit() else f"{value}X"
    return value + 1_000


def tampered(document: Any, path: Way) -> Any:
    other = copy.deepcopy(document)
    node = other
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = changed(node[path[-1]])
    return other


def failures(document: Any) -> int:
    return sum(result.outcome is Outcome.FAILED for result in results_of(document))


def unseen(document: Any, is_expected: Callable[[Way], bool]) -> tuple[int, list[Way]]:
    """How many expected values of the applicable, agreeing cases there are, and which of them nobody compares."""
    count, missed = 0, []
    for case in document["cases"]:
        single = {**document, "cases": [case]}
        if any(result.outcome in (Outcome.FAILED, Outcome.DEVIATING) for result in results_of(single)):
            continue
        if all(result.outcome is Outcome.NOT_APPLICABLE for result in results_of(single)):
            continue
        for path, value in leaves(case, ("cases", 0)):
            if is_expected(path) and value is not None:
                count += 1
                if failures(tampered(single, path)) == 0:
                    missed.append(path)
    return count, missed
