"""The soak: replays on Ray under kill -9 of anything at random moments, each held to a run in one process.

Odd seeds are Twilight, even ones Margin Trade. `make soak` runs it for SOAK_MINUTES (10); a seed that failed is run
alone with SOAK_SEED.
"""

import itertools
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from node.client import Client
from node.load.driver import Progress
from node.load.options import ReplayOptions, plans_of
from node.load.replay import ReplayResult, replay
from tests.cli.prices import write_prices

pytestmark = pytest.mark.soak

TRADERS = 200
KILLS = 6
NODE = "the node"
VICTIMS = {
    "twilight": ("shard/0", "shard/1", "pool/1", "coordinator", NODE),
    "margin-trade": ("shard/0", "shard/1", "book/2/1", "backstop/2", "coordinator", NODE),
}


def seeds() -> Iterator[int]:
    """The one seed asked for, or one after the other until the time is over; always at least one."""
    if "SOAK_SEED" in os.environ:
        yield int(os.environ["SOAK_SEED"])
        return
    end = time.monotonic() + 60 * float(os.environ.get("SOAK_MINUTES", "10"))
    for seed in itertools.count(1):
        yield seed
        if time.monotonic() >= end:
            return


def venue_of(seed: int) -> str:
    """Rulebooks in turn."""
    return "twilight" if seed % 2 else "margin-trade"


def run(folder: Path, prices: Path, seed: int, transport: str, kills: dict[int, str]) -> ReplayResult:
    """One replay; `kills` says who dies after which block."""
    options = ReplayOptions(venue_of(seed), prices, TRADERS, seed, 2, transport, 4)

    def strike(progress: Progress) -> None:
        if victim := kills.get(progress.block):
            kill(folder / "data", victim)

    return replay(options, plans_of(options), folder / "data", folder / "node.log", strike)


def kill(data_dir: Path, victim: str) -> None:
    """kill -9 of a process of the node."""
    node = orjson.loads((data_dir / "node.json").read_bytes())
    if victim == NODE:
        os.kill(node["pid"], signal.SIGKILL)
        return
    with Client(node["address"], orjson.loads((data_dir / "dev_keys.json").read_bytes())["dev"]) as client:
        status = client.status()
    os.kill(dict(zip(status.actors, status.actor_pids, strict=True))[victim], signal.SIGKILL)


def test_whatever_is_killed_the_roots_are_those_of_one_process(tmp_path: Path) -> None:
    prices = write_prices(tmp_path / "prices.csv")
    for seed in seeds():
        folder = tmp_path / str(seed)
        expected = run(folder / "inline", prices, seed, "inline", {})
        chance = random.Random(seed)
        blocks = chance.sample(range(6, expected.final_height - 4), KILLS)
        kills = {block: chance.choice(VICTIMS[venue_of(seed)]) for block in blocks}
        found = run(folder / "ray", prices, seed, "ray", kills)
        assert found.conservation.conserved, f"seed {seed}"
        assert (found.final_height, found.state_root) == (expected.final_height, expected.state_root), f"seed {seed}"
        ended = f"{found.final_height} blocks, killed {kills}, node started again {found.restarts} times"
        print(f"seed {seed}, {venue_of(seed)}: {ended}")
