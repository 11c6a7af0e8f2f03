"""All four venues on Ray end where they do in a single process, whoever is killed in the middle."""

import os
import signal
from pathlib import Path

import orjson
import pytest

from node.client import Client
from node.load.driver import Progress
from node.load.options import ReplayOptions, plans_of
from node.load.replay import ReplayResult, replay
from tests.cli.prices import write_prices

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Who dies after which block: before the fall, in it, and after it.
VICTIMS = {12: "shard/1", 22: "book/3/1", 28: "versions/4/1", 34: "coordinator", 44: "the node"}


def _options(prices: Path, transport: str) -> ReplayOptions:
    return ReplayOptions("all", prices, 60, 1, 2, transport, 4)


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


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReplayResult]:
    folder = tmp_path_factory.mktemp("inline")
    prices = write_prices(folder / "BTCUSDT.csv")
    options = _options(prices, "inline")
    return prices, replay(options, plans_of(options), folder / "data", folder / "node.log", lambda _: None)


def test_whoever_is_killed_on_ray_changes_nothing(in_one_process: tuple[Path, ReplayResult], tmp_path: Path) -> None:
    prices, expected = in_one_process
    options = _options(prices, "ray")
    killed = []

    def kill(progress: Progress) -> None:
        if victim := VICTIMS.get(progress.block):
            _kill(tmp_path / "data", victim)
            killed.append(victim)

    result = replay(options, plans_of(options), tmp_path / "data", tmp_path / "node.log", kill)
    assert killed == list(VICTIMS.values())
    assert result.restarts == 1
    assert result.conserved
    assert (result.final_height, result.state_root) == (expected.final_height, expected.state_root)
