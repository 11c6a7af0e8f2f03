"""A few mutants, each found within a few seeds; and that the list is what it says. The whole: `make mutants`."""

import re
from pathlib import Path

import pytest

from node.simulation.run import simulate
from tests.mutants.catalogue import MUTANTS
from tests.mutants.hunt import hunt

ROOT = Path(__file__).resolve().parents[2]
SEEDS = range(1, 13)
# What the complaint says of each that is hunted here.
SHORT = {
    "leg lost": "cannot be executed",
    "keys forgotten": "was taken at height",
    "charged twice": "TW-02, TW-07",
    "repeated call decided again": "answered the same call with other bytes",
}


@pytest.mark.parametrize("name", SHORT)
def test_the_simulator_finds_it(name: str) -> None:
    (mutant,) = (one for one in MUTANTS if one.name == name)
    catch = hunt(mutant, SEEDS)
    assert catch.seed is not None, f"nobody found out in {catch.tried} seeds"
    assert SHORT[name] in catch.complaint


def test_plants_are_taken_out_again() -> None:
    for mutant in MUTANTS:
        with mutant.plant():
            pass
    assert simulate(SEEDS[0]).violations == []


def test_every_mutant_has_a_name_of_its_own_and_names_code_that_is_there() -> None:
    assert len({(mutant.group, mutant.name) for mutant in MUTANTS}) == len(MUTANTS) >= 24
    for mutant in MUTANTS:
        for path, names in re.findall(r"([\w/]+\.py): ([\w., ]+?)(?:, (?=[\w/]+\.py)|$)", mutant.place):
            source = (ROOT / path).read_text(encoding="utf-8")
            for name in re.split(r"[., ]+", names):
                assert re.search(rf"\b{name}\b", source), f"{mutant.name}: {path} has no {name}"
