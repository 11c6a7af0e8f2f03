"""`replay` over a real channel: the run folder, the roots, the receipts, and what a kill -9 changes (nothing)."""

import os
import re
import signal
from pathlib import Path
from typing import Any

import orjson
import pytest

from node.load.driver import Progress
from node.load.options import ReplayOptions, plans_of
from node.load.replay import replay
from tests.cli.prices import write_prices
from tests.cli.running import breakwater, only_object

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
SHORT = ("--traders", 60, "--ticks-per-bar", 4, "--transport", "inline", "--json")


def _replay(prices: Path, out: Path, *more: object) -> dict[str, Any]:
    result = breakwater("replay", "--prices", prices, "--out", out, *SHORT, *more)
    assert result.exit_code == 0, result.stderr
    return only_object(result)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prices(tmp_path_factory.mktemp("prices") / "prices.csv")


@pytest.fixture(scope="module")
def run(prices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _replay(prices, tmp_path_factory.mktemp("run"), "--shards", 1)


def test_the_summary_counts_and_conserves(run: dict[str, Any]) -> None:
    assert run["conserved"] is True
    assert run["conservation"]["difference_atoms"] == 0
    assert run["blocks"] == run["final_height"] >= 12 * 4 + 4
    assert run["commands"] == run["accepted"] + run["refused"]
    assert run["refused"] == sum(run["refused_by_reason"].values()) > 0
    assert run["fills"] == run["opens"] + run["closes"] > 0
    assert run["liquidations"] == sum(run["liquidations_by_outcome"].values()) > 0
    assert re.fullmatch("[0-9a-f]{64}", run["final_state_root"])
    assert (run["restarts"], run["synthetic"]) == (0, False)


def test_every_key_is_documented(run: dict[str, Any]) -> None:
    documented = set(re.findall(r"`([a-z_]+)`", DOCUMENT.read_text(encoding="utf-8")))
    nested = {name for value in (run["nav"]["start"], run["price"], run["conservation"]) for name in value}
    assert run.keys() | nested <= documented


def test_the_run_folder_is_whole(run: dict[str, Any], prices: Path) -> None:
    folder = Path(run["run_dir"])
    assert orjson.loads((folder / "summary.json").read_bytes()) == run
    assert "to the atom" in (folder / "summary.txt").read_text(encoding="utf-8")
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    command = (folder / "reproduce.txt").read_text(encoding="utf-8")
    assert command.startswith("breakwater replay --venue twilight --prices")
    assert f"--prices {prices}" in command
    assert sorted(path.name for path in (folder / "receipts").iterdir()) == sorted(run["receipts"])
    assert run["receipts"]
    assert (folder / "node.log").stat().st_mode & 0o077 == 0


def test_the_shard_count_changes_no_root(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    other = _replay(prices, tmp_path, "--shards", 3)
    timing = {"shards", "wall_s", "sealing_s", "blocks_per_s", "data_dir", "run_dir", "validator_key"}
    assert {name: value for name, value in other.items() if name not in timing} == {
        name: value for name, value in run.items() if name not in timing
    }


def test_the_audit_finds_nothing(run: dict[str, Any]) -> None:
    found = only_object(breakwater("audit", run["data_dir"], "--json"))
    assert found["heights"] == run["final_height"]
    assert (found["roots_equal"], found["conserved"], found["violations"]) == (True, True, [])
    assert found["final_state_root"] == run["final_state_root"]


def test_the_same_replay_on_the_same_data_adds_nothing(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    again = _replay(prices, tmp_path, "--shards", 2, "--data", run["data_dir"])
    for name in ("final_height", "final_state_root", "commands", "refused", "liquidations", "nav", "conservation"):
        assert again[name] == run[name]


def test_another_replay_on_the_same_data_is_refused(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    other = breakwater("replay", "--prices", prices, "--out", tmp_path, "--data", run["data_dir"], "--seed", 9, *SHORT)
    assert other.exit_code == 1
    assert "REQUEST_KEY_REUSED" in only_object(other)["error"]


def test_receipts_are_verified_offline(run: dict[str, Any]) -> None:
    folder = Path(run["run_dir"])
    for name in run["receipts"]:
        found = breakwater("verify", folder / "receipts" / name, "--key", folder / "validator.pub", "--json")
        assert found.exit_code == 0
        verdict = only_object(found)
        assert verdict["valid"] is True
        assert any("liquidated at mark" in fact for fact in verdict["facts"])


@pytest.mark.parametrize("what", ["words", "proof", "signature", "key"])
def test_a_receipt_that_was_touched_is_refused(run: dict[str, Any], tmp_path: Path, what: str) -> None:
    folder = Path(run["run_dir"])
    document = orjson.loads((folder / "receipts" / run["receipts"][0]).read_bytes())
    key = run["validator_key"]
    if what == "words":
        document["event"]["position_liquidated"]["margin_held_atoms"] = "1"
    elif what == "proof":
        proof = document["receipt"]
        document["receipt"] = proof[:60] + ("0" if proof[60] != "0" else "1") + proof[61:]
    elif what == "signature":
        document["signature"] = "00" * 64
    else:
        key = "11" * 32
    path = tmp_path / "receipt.json"
    path.write_bytes(orjson.dumps(document))
    found = breakwater("verify", path, "--key", key, "--json")
    assert found.exit_code == 1
    verdict = only_object(found)
    assert verdict["valid"] is False
    assert verdict["reason"]


def test_a_node_killed_in_the_middle_comes_to_the_same_end(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    options = ReplayOptions("twilight", prices, 60, 1, 2, "inline", 4)
    data_dir = tmp_path / "data"

    def kill_once(progress: Progress) -> None:
        if progress.block in (20, 33):
            os.kill(orjson.loads((data_dir / "node.json").read_bytes())["pid"], signal.SIGKILL)

    result = replay(options, plans_of(options), data_dir, tmp_path / "node.log", kill_once)
    assert result.restarts == 2
    assert result.conservation.conserved
    assert result.state_root.hex() == run["final_state_root"]
    assert len(result.tally.liquidations) == run["liquidations"]
