"""A replay on Ray ends where one in a single process does, whoever is killed in the middle."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from node.client import Client
from node.load.driver import Progress
from node.load.options import ReplayOptions, plans_of
from node.load.replay import ReplayResult, replay
from tests.cli.prices import write_prices

pytestmark = [pytest.mark.ray, pytest.mark.soak]

# Venue, traders, who dies after which block: before the fall, in it, and after it or while the vault unwinds.
STORIES = {
    "all": (60, {12: "shard/1", 22: "book/3/1", 28: "versions/4/1", 34: "coordinator", 44: "the node"}),
    "margin-trade": (150, {12: "shard/0", 22: "book/2/1", 30: "backstop/2", 38: "coordinator", 46: "the node"}),
}


def _options(venue: str, prices: Path, transport: str) -> ReplayOptions:
    return ReplayOptions(venue, prices, STORIES[venue][0], 1, 2, transport, 4)


def _kill(data_dir: Path, victim: str) -> None:
    """kill -9 of the process that holds the actor, or of the node."""
    node = orjson.loads((data_dir / "node.json").read_bytes())
    if victim == "the node":
        os.kill(node["pid"], signal.SIGKILL)
        return
    with Client(node["address"], orjson.loads((data_dir / "dev_keys.json").read_bytes())["dev"]) as client:
        status = client.status()
    pid = dict(zip(status.actors, status.actor_pids, strict=True))[victim]
    assert pid != node["pid"], f"{victim} is no process of its own"
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize(
    ("venue", "transport"),
    [
        ("all", "ray"),
        ("all", "lane"),
        ("margin-trade", "ray"),
    ],
)
def test_whoever_is_killed_on_ray_changes_nothing(venue: str, transport: str, tmp_path: Path) -> None:
    prices = write_prices(tmp_path / "BTCUSDT.csv")
    expected = _replayed(_options(venue, prices, "inline"), tmp_path / "inline", lambda _: None)
    victims, killed = STORIES[venue][1], []

    def kill(progress: Progress) -> None:
        if victim := victims.get(progress.block):
            _kill(tmp_path / transport / "data", victim)
            killed.append(victim)

    result = _replayed(_options(venue, prices, transport), tmp_path / transport, kill)
    assert killed == list(victims.values())
    assert result.restarts == 1
    assert result.conserved
    assert not any(one.conservation.debt_atoms for one in result.venues if one.name == "margin-trade")
    assert (result.final_height, result.state_root) == (expected.final_height, expected.state_root)


def _replayed(options: ReplayOptions, folder: Path, watch: Callable[[Progress], None]) -> ReplayResult:
    folder.mkdir()
    return replay(options, plans_of(options), folder / "data", folder / "node.log", watch)
