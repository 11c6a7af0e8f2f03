"""150 seeds of the whole node: nothing is violated, and together they meet everything that can go wrong."""

from collections import Counter
from functools import cache

import pytest

from cluster.simulator.faults import Fault
from cluster.simulator.folder import reproducing_line
from node.simulation.run import simulate

FIRST_SEED, SEEDS, SEEDS_A_CASE = 1, 150, 10
CASES = range(FIRST_SEED, FIRST_SEED + SEEDS, SEEDS_A_CASE)
# More poison commands in a block than a node looks for; a thousand requests while a node stood still.
FOUND_SOMETHING = (1302, 3130)


@cache
def ran(first: int) -> tuple[Counter[Fault], Counter[str], list[str]]:
    """Faults, endings of requests, and the lines that reproduce what was violated, of one case's seeds."""
    faults: Counter[Fault] = Counter()
    endings: Counter[str] = Counter()
    lines = []
    for seed in range(first, first + SEEDS_A_CASE):
        outcome = simulate(seed)
        faults.update(outcome.faults)
        endings.update(outcome.endings)
        if outcome.violations:
            lines.append(reproducing_line(outcome, None))
    return faults, endings, lines


@pytest.mark.parametrize("first", CASES)
def test_nothing_is_violated_whatever_goes_wrong(first: int) -> None:
    _, endings, lines = ran(first)
    assert not lines, "\n".join(lines)
    assert endings["ok"] > 100


@pytest.mark.parametrize("seed", FOUND_SOMETHING)
def test_a_seed_that_found_something_finds_it_no_more(seed: int) -> None:
    outcome = simulate(seed)
    assert not outcome.violations, reproducing_line(outcome, None)


def test_the_seeds_meet_every_fault() -> None:
    met: Counter[Fault] = Counter()
    for first in CASES:
        met.update(ran(first)[0])
    assert set(met) == set(Fault), [fault.value for fault in Fault if fault not in met]
