"""Two Ray daemons: the machine that holds the shards loses its power, and the node goes on with what is left."""

from __future__ import annotations

import time
from pathlib import Path

from cluster.audit import audit
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.raylets import EITHER, Raylet, Raylets
from tests.faults.verdict import Amount, Report, judge, median_and_worst

TITLE = "two Ray daemons, the second is killed with all its workers"
COLUMNS = (
    "placed",
    "times",
    "actors lost",
    "longest silence",
    "acknowledged",
    "unknown",
    "blocks",
)


def run(folder: Path, amount: Amount) -> list[Report]:
    """Actors that may be anywhere go on at the daemon that is left; those bound to the lost one wait for another."""
    report = Report(TITLE, COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    with Raylets(folder) as cluster:
        _campaign(folder / "either", report, cluster, f"all={EITHER}", amount.of(1, 4))
        if amount.whole:
            _campaign(folder / "bound", report, cluster, "shard=far", amount.of(0, 3))
    return [report]


def _campaign(folder: Path, report: Report, cluster: Raylets, placed: str, times: int) -> None:
    """So many times: a node whose actors are on the second daemon, which is then killed under load."""
    folder.mkdir()
    settings = NodeSettings(
        folder / "data",
        "ray",
        options=["--address", cluster.address, "--place", placed],
        environment=cluster.environment,
    )
    silences, lost = [], []
    far = cluster.join(f"{folder.name}-0")
    with (
        LiveNode(settings, folder / "node.log") as node,
        Load([node.address], node.key(), PRINCIPAL) as load,
    ):
        for number in range(1, times + 1):
            with cluster.head_is_taken():
                node.start()
            load.acknowledged(50)
            lost.append(actors_at(node, far))
            killed_s = time.monotonic()
            far.kill()
            if placed.endswith("far") or number < times:
                far = cluster.join(f"{folder.name}-{number}")
            load.acknowledged(50)
            silences.append(load.longest_gap_s(killed_s, time.monotonic()))
            node.stop()
    far.kill()
    if not all(lost):
        report.blame(placed, ["no actor was on the daemon that was killed"])
    verdict = judge(load, node.journal())
    report.blame(placed, [*verdict.faults, *audit(settings.data_dir).violations])
    report.row(
        placed,
        times,
        "; ".join(" ".join(names) or "-" for names in lost),
        median_and_worst(silences),
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def actors_at(node: LiveNode, raylet: Raylet) -> list[str]:
    """Actors whose processes are below a daemon."""
    status = node.status()
    pids = {process.pid for process in raylet.below()}
    named = zip(status.actors, status.actor_pids, strict=True) if status is not None else ()
    return [name for name, pid in named if pid in pids]
