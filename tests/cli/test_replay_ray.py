"""A replay on Ray ends where one in a single process does, also when an actor is killed in the middle."""

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

pytestmark = [pytest.mark.ray, pytest.mark.soak]


def _options(prices: Path, transport: str) -> ReplayOptions:
    return ReplayOptions("twilight", prices, 60, 1, 2, transport, 4)


def _kill_actor(data_dir: Path, name: str) -> None:
    """kill -9 of the process that holds the actor."""
    address = orjson.loads((data_dir / "node.json").read_bytes())["address"]
    with Client(address, orjson.loads((data_dir / "dev_keys.json").read_bytes())["dev"]) as client:
        status = client.status()
    pids = dict(zip(status.actors, status.actor_pids, strict=True))
    os.kill(pids[name], signal.SIGKILL)


@pytest.fixture(scope="module")
def in_one_process(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ReplayResult]:
    folder = tmp_path_factory.mktemp("inline")
    prices = write_prices(folder / "prices.csv")
    options = _options(prices, "inline")
    return prices, replay(options, plans_of(options), folder / "data", folder / "node.log", lambda _: None)


def test_actors_killed_on_ray_change_nothing(in_one_process: tuple[Path, ReplayResult], tmp_path: Path) -> None:
    prices, expected = in_one_process
    options = _options(prices, "ray")
    victims = {14: "shard/0", 24: "pool/1", 34: "coordinator"}

    def kill(progress: Progress) -> None:
        if victim := victims.get(progress.block):
            _kill_actor(tmp_path / "data", victim)

    result = replay(options, plans_of(options), tmp_path / "data", tmp_path / "node.log", kill)
    assert result.restarts == 0
    assert result.conservation.conserved
    assert (result.final_height, result.state_root) == (expected.final_height, expected.state_root)
