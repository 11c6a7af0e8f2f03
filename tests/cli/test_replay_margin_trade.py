"""`replay --venue margin-trade` over a real channel: the run folder, the roots, the receipts, several markets."""

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
TRADERS = 150
SHORT = ("--venue", "margin-trade", "--traders", TRADERS, "--ticks-per-bar", 4, "--transport", "inline", "--json")


def _replay(prices: Path, out: Path, *more: object) -> dict[str, Any]:
    result = breakwater("replay", "--prices", prices, "--out", out, *SHORT, *more)
    assert result.exit_code == 0, result.stderr
    return only_object(result)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prices(tmp_path_factory.mktemp("prices") / "BTCUSDT_fall.csv")


@pytest.fixture(scope="module")
def run(prices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _replay(prices, tmp_path_factory.mktemp("run"), "--shards", 1)


def test_the_summary_counts_and_conserves(run: dict[str, Any]) -> None:
    assert run["conserved"] is True
    assert run["conservation"]["difference_atoms"] == 0
    assert run["blocks"] == run["final_height"] >= 12 * 4 + 4
    assert run["commands"] == run["accepted"] + run["refused"]
    assert run["refused"] == sum(run["refused_by_reason"].values()) > 0
    assert run["trades"] > 0
    assert run["volume_atoms"] > run["liquidated_atoms"] > 0
    assert run["rungs"].keys() == {"partial", "whole", "takeover", "deleveraged"}
    assert run["rungs"]["whole"] > 0 and run["rungs"]["takeover"] > 0 and run["rungs"]["deleveraged"] > 0
    assert run["deleverage"]["runs"] > 0
    assert run["unexplained_bad_debt_atoms"] == 0
    assert run["shortfall_atoms"] == run["shortfall_recorded_atoms"]
    assert run["markets"] == ["BTC-PERP"]
    assert re.fullmatch("[0-9a-f]{64}", run["final_state_root"])


def test_the_vault_is_told_from_start_to_end(run: dict[str, Any]) -> None:
    vault = run["vault"]
    heights = [vault[at]["height"] for at in ("start", "largest", "end")]
    assert heights == sorted(heights) and heights[0] > 0
    assert vault["low"]["nav_marked_atoms"] <= vault["start"]["nav_marked_atoms"]
    assert vault["largest"]["gross_notional_atoms"] > 0 == vault["start"]["gross_notional_atoms"]


def test_every_key_is_documented(run: dict[str, Any]) -> None:
    documented = set(re.findall(r"`([a-z_0-9]+)`", DOCUMENT.read_text(encoding="utf-8")))
    inside = (run["vault"], run["vault"]["low"], run["deleverage"], run["market_prices"][0], run["price"], run["rungs"])
    assert run.keys() | {name for value in inside for name in value} <= documented


def test_the_run_folder_is_whole(run: dict[str, Any], prices: Path) -> None:
    folder = Path(run["run_dir"])
    assert orjson.loads((folder / "summary.json").read_bytes()) == run
    text = (folder / "summary.txt").read_text(encoding="utf-8")
    assert "to the atom" in text
    assert re.search(r"BTC-PERP 6,\d{3}\.\d to 5,199\.2 \(-\d+\.\d\d%\), end 6,\d{3}\.\d USDC", text)
    assert re.search(r"^Bad debt +none$", text, re.MULTILINE)
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in (folder / "receipts").iterdir()) == sorted(run["receipts"]) != []


def test_the_command_to_reproduce_gives_the_same_again(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    command = (Path(run["run_dir"]) / "reproduce.txt").read_text(encoding="utf-8").split()
    assert command[:6] == ["breakwater", "replay", "--venue", "margin-trade", "--prices", str(prices)]
    assert "--rules" not in command
    command[command.index("--out") + 1] = str(tmp_path)
    again = breakwater(*command[1:], "--json")
    assert again.exit_code == 0, again.stderr
    assert only_object(again)["final_state_root"] == run["final_state_root"]


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


def test_receipts_are_verified_offline(run: dict[str, Any]) -> None:
    folder = Path(run["run_dir"])
    for name in run["receipts"]:
        found = breakwater("verify", folder / "receipts" / name, "--key", folder / "validator.pub", "--json")
        assert found.exit_code == 0, found.stdout
        assert only_object(found)["valid"] is True


def test_a_node_killed_in_the_middle_comes_to_the_same_end(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    options = ReplayOptions("margin-trade", prices, TRADERS, 1, 2, "inline", 4)
    data_dir = tmp_path / "data"

    def kill_once(progress: Progress) -> None:
        if progress.block in (20, 38):
            os.kill(orjson.loads((data_dir / "node.json").read_bytes())["pid"], signal.SIGKILL)

    result = replay(options, plans_of(options), data_dir, tmp_path / "node.log", kill_once)
    assert result.restarts == 2
    assert result.conservation.conserved
    assert result.state_root.hex() == run["final_state_root"]


def test_a_folder_is_several_markets(prices: Path, tmp_path: Path) -> None:
    folder = tmp_path / "a crash"
    folder.mkdir()
    for asset in ("BTCUSDT", "LTCUSDT", "NEW"):
        (folder / f"{asset}_1m.csv").write_bytes(prices.read_bytes())
    result = breakwater("replay", "--prices", folder, "--out", tmp_path / "run", *SHORT[:-1])
    assert result.exit_code == 0, result.stderr
    for symbol in ("BTC-PERP", "LTC-PERP", "NEW-PERP"):
        assert re.search(rf"{symbol} 6,\d{{3}}\.\d* to 5,199\.\d* \(-\d+\.\d\d%\)", result.stdout), result.stdout
    assert re.search(r"block \d+ of \d+  prices -\d+\.\d\d%  volume", result.stderr)
    command = (tmp_path / "run" / "reproduce.txt").read_text(encoding="utf-8")
    assert f"--prices '{folder}'" in command
    assert (tmp_path / "run" / "picture.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        (None, "nowhere: cannot be read: No such file or directory"),
        ({}, "holds no file of bars (*.csv, *.csv.gz)"),
        ({"a.csv": "60000,1,1,1,1", "b.csv": "120000,1,1,1,1"}, "the files have no minute in common"),
        ({"a.csv": "60000,1,1,1,1", "b.csv": "60000,1,2,3,1"}, "b.csv: line 2: high 2 is below low 3"),
        ({"a_1.csv": "60000,1,1,1,1", "a_2.csv": "60000,1,1,1,1"}, "a_1.csv and a_2.csv both are bars of A"),
    ],
)
def test_prices_that_cannot_be_used_are_named_and_leave_no_run(
    files: dict[str, str] | None, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prices = tmp_path / "nowhere"
    if files is not None:
        prices.mkdir()
        for name, line in files.items():
            (prices / name).write_text(f"open_time_ms,open,high,low,close\n{line}\n", encoding="utf-8")
    result = breakwater("replay", "--prices", prices, *SHORT)
    assert result.exit_code == 2
    assert sentence in only_object(result)["error"]
    assert not (tmp_path / "runs").exists()


def test_rules_of_twilight_are_not_for_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = breakwater("replay", *SHORT, "--rules", "seed")
    assert result.exit_code == 2
    assert "--rules names a preset of Twilight; margin-trade has one" in only_object(result)["error"]
