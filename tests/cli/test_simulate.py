"""`breakwater simulate`: a page for people, an object for programs, a folder of a single seed, a sentence otherwise."""

from pathlib import Path

from cluster.simulator.faults import Fault
from tests.cli.running import breakwater, only_object


def test_a_seed_in_json_and_its_folder(tmp_path: Path) -> None:
    found = only_object(breakwater("simulate", "--seed", 3, "--out", tmp_path, "--json"))
    assert found["seeds"] == 1 and found["failed"] == []
    assert found["blocks"] > 5 and found["starts"] >= 1 and found["simulated_hours"] > 0
    assert set(found["requests"]) == {"ok", "fail", "unknown"}
    assert list(found["faults"]) == sorted(fault.value for fault in Fault)
    summary = (tmp_path / "seed-3" / "summary.txt").read_text()
    assert "seed 3: no violation\nbreakwater simulate --seed 3" in summary


def test_a_page_for_people_counts_every_fault() -> None:
    result = breakwater("simulate", "--seeds", 2, "--hours", 0.001)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("2 seeds in ") and lines[0].endswith(" simulated hours")
    assert lines[-1] == "no violation"
    assert all(any(line.endswith(f"  {fault.value}") for line in lines) for fault in Fault)


def test_what_cannot_be_is_said_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = breakwater("simulate", "--seed", 3, "--out", file)
    assert result.exit_code == 2
    assert "not a directory" in result.stderr
    assert breakwater("simulate", "--hours", 0).exit_code == 2
