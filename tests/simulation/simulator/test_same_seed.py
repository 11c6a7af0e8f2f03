"""A seed says everything: the same timeline, history and journal, byte for byte, here, elsewhere, from the folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.simulator.swarm import Swarm
from cluster.simulator.witness import Witness
from cluster.validation import Claim
from node.cli.main import app
from node.simulation.run import simulate
from tests.simulation.simulator.fingerprint import fingerprint

# Busy worlds: several starts of a node, both kinds of store.
SEEDS = (9, 22)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_seed_is_the_same_story(seed: int) -> None:
    outcome = simulate(seed)
    assert outcome.starts > 1
    assert fingerprint(simulate(seed)) == fingerprint(outcome)


@pytest.mark.parametrize("hash_seed", ["1", "77"])
def test_pythons_hash_seed_tells_no_other_story(hash_seed: str) -> None:
    command = [sys.executable, "-m", "tests.simulation.simulator.fingerprint", str(SEEDS[0])]
    run = subprocess.run(
        command, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == fingerprint(simulate(SEEDS[0]))


def test_other_seeds_are_other_stories() -> None:
    swarms = [Swarm.draw(seed) for seed in range(100)]
    assert len({swarm.rulebooks for swarm in swarms}) > 8
    assert {swarm.is_server for swarm in swarms} == {True, False}
    assert len({tuple(swarm.rates) for swarm in swarms}) == 100


def test_a_failing_seed_leaves_a_folder_and_a_line_that_reproduces_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The violation is planted: whoever looks at block 12 does not like it."""
    saw = Witness.saw

    def complains(witness: Witness, claim: Claim, view: object) -> None:
        saw(witness, claim, view)  # type: ignore[arg-type]
        if claim.height == 12 and witness.height == 12:
            witness.complain("height 12: planted")

    monkeypatch.setattr(Witness, "saw", complains)
    found = CliRunner().invoke(app, ["simulate", "--seeds", "1", "--seed", "9", "--out", str(tmp_path / "first")])
    assert found.exit_code == 1
    line = next(line for line in found.output.splitlines() if line.startswith("breakwater simulate --seed 9"))
    assert line.endswith("# height 12: planted")
    arguments = line.removeprefix("breakwater ").split("#")[0].split()
    again = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "again")])
    assert line in again.output
    folders = [tmp_path / name / "seed-9" for name in ("first", "again")]
    names = [sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) for folder in folders]
    assert names[0] == names[1]
    assert {"summary.txt", "timeline.txt", "history.jsonl", "swarm.json", "journal"} <= set(names[0])
    for name in names[0]:
        first, second = (folder / name for folder in folders)
        assert first.is_dir() or first.read_bytes() == second.read_bytes(), name
    assert "height 12: planted" in (folders[0] / "summary.txt").read_text()


def test_simulated_hours_are_as_long_as_asked_for() -> None:
    outcome = simulate(3, safety_ms=180_000)
    assert not outcome.violations
    assert outcome.simulated_ms > 180_000
    assert outcome.blocks > simulate(3).blocks


def test_a_world_that_breaks_names_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(witness: Witness, claim: Claim, view: object) -> None:
        raise LookupError("planted")

    monkeypatch.setattr(Witness, "saw", breaks)
    outcome = simulate(9)
    assert any("LookupError: planted" in violation for violation in outcome.violations)
