"""`replay --venue spin`, `perennial` and `all` over a real channel: summaries, roots, the audit, and kill -9."""

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
TRADERS = 60
SHORT = ("--traders", TRADERS, "--ticks-per-bar", 4, "--transport", "inline", "--json")
VENUES = ("spin", "perennial", "all")


def _replay(venue: str, prices: Path, out: Path, *more: object) -> dict[str, Any]:
    result = breakwater("replay", "--venue", venue, "--prices", prices, "--out", out, *SHORT, *more)
    assert result.exit_code == 0, result.stderr
    return only_object(result)


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prices(tmp_path_factory.mktemp("prices") / "BTCUSDT_fall.csv")


@pytest.fixture(scope="module", params=VENUES)
def run(request: pytest.FixtureRequest, prices: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return _replay(request.param, prices, tmp_path_factory.mktemp("run"), "--shards", 1)


def _venues(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = run.get("rulebooks", {run["venue"]: run})
    return found


def _names(value: Any) -> set[str]:
    """Every key of it and of what is in it."""
    if isinstance(value, list):
        return {name for one in value for name in _names(one)}
    return set(value) | {name for one in value.values() for name in _names(one)} if isinstance(value, dict) else set()


def test_the_summary_counts_and_conserves(run: dict[str, Any]) -> None:
    assert run["conserved"] is True and run["unexplained_bad_debt_atoms"] == 0
    assert run["blocks"] == run["final_height"] >= 12 * 4 + 4
    for venue, facts in _venues(run).items():
        assert facts["conserved"] and facts["conservation"]["difference_atoms"] == 0, venue
        assert facts["commands"] == facts["accepted"] + facts["refused"], venue
        assert facts["refused"] == sum(facts["refused_by_reason"].values()) > 0, venue
        for bot in facts.get("bots", []):
            assert bot["calls"] >= bot["wins"] + sum(bot["refusals"].values()), venue


def test_every_key_is_documented(run: dict[str, Any]) -> None:
    documented = set(re.findall(r"`([A-Za-z_0-9]+)`", DOCUMENT.read_text(encoding="utf-8")))
    by_name = {"refused_by_reason", "refusals", "orders_done", "insurance_by_reason", "rulebooks", "table", "queued"}
    by_name |= {"closes_by_kind", "liquidations_by_outcome", "takeovers_refused"}
    keys = {name for name in _names(run) if name.islower() and name not in ("spin", "perennial", "twilight")}
    assert {"bots", "breach_to_closed"} & keys and by_name & keys
    assert {name for name in keys if "-" not in name} <= documented


def test_the_run_folder_is_whole(run: dict[str, Any]) -> None:
    folder = Path(run["run_dir"])
    assert orjson.loads((folder / "summary.json").read_bytes()) == run
    text = (folder / "summary.txt").read_text(encoding="utf-8")
    assert "to the atom" in text or re.search(r"^Conserved +yes +yes +yes +yes$", text, re.MULTILINE)
    pictures = {"picture.png"} | ({f"{venue}.png" for venue in _venues(run)} if "rulebooks" in run else set())
    assert {path.name for path in folder.glob("*.png")} == pictures
    assert all((folder / name).read_bytes().startswith(b"\x89PNG") for name in pictures)
    for name in run["receipts"]:
        found = breakwater("verify", folder / "receipts" / name, "--key", folder / "validator.pub", "--json")
        assert found.exit_code == 0, found.stdout


def test_the_shard_count_changes_no_root(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    other = _replay(run["venue"], prices, tmp_path, "--shards", 3)
    timing = {"shards", "wall_s", "sealing_s", "blocks_per_s", "data_dir", "run_dir", "validator_key"}
    assert {name: value for name, value in other.items() if name not in timing} == {
        name: value for name, value in run.items() if name not in timing
    }


def test_the_audit_finds_nothing(run: dict[str, Any]) -> None:
    found = only_object(breakwater("audit", run["data_dir"], "--json"))
    assert found["heights"] == run["final_height"]
    assert (found["roots_equal"], found["conserved"], found["violations"]) == (True, True, [])
    assert found["final_state_root"] == run["final_state_root"]


def test_a_node_killed_in_the_middle_comes_to_the_same_end(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    """Bots are told the same by the listing that follows a lost stream."""
    options = ReplayOptions(run["venue"], prices, TRADERS, 1, 2, "inline", 4)
    data_dir = tmp_path / "data"

    def kill_twice(progress: Progress) -> None:
        if progress.block in (30, 41):
            os.kill(orjson.loads((data_dir / "node.json").read_bytes())["pid"], signal.SIGKILL)

    result = replay(options, plans_of(options), data_dir, tmp_path / "node.log", kill_twice)
    assert result.restarts == 2
    assert result.conserved
    assert result.state_root.hex() == run["final_state_root"]


def test_bots_cannot_see_what_is_past(run: dict[str, Any], prices: Path, tmp_path: Path) -> None:
    arguments = ("replay", "--venue", run["venue"], "--prices", prices, "--out", tmp_path, *SHORT)
    again = breakwater(*arguments, "--data", run["data_dir"])
    assert again.exit_code == 1
    assert "begins on a data directory of its own" in only_object(again)["error"]


def test_all_venues_take_one_price(prices: Path, tmp_path: Path) -> None:
    result = breakwater("replay", "--venue", "all", "--prices", prices.parent, "--out", tmp_path / "run", *SHORT)
    assert result.exit_code == 2
    assert "all venues at once take one price" in only_object(result)["error"]
    assert not (tmp_path / "run").exists()
