"""The node's process is killed, at random moments and where it says it is, and started again on the same directory."""

from __future__ import annotations

import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from cluster.audit import audit
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.verdict import Amount, Report, judge, median_and_worst

TITLE = "kill -9 of the node's process"
COLUMNS = ("transport", "killed", "kills", "serving after", "acknowledging after", "acknowledged", "unknown", "blocks")
# Moments of a block at which the node can be told to die; the number says at which passing.
POINTS = (
    "node:sealed",
    "node:appended",
    "node:executed",
    "node:acknowledged",
    "node:archived",
    "node:snapshot",
    "node:checkpointed",
)
_SNAPSHOT_EVERY = 25


@dataclass
class Times:
    """Seconds from a kill until the node served, and until a client was acknowledged again."""

    serving: list[float] = field(default_factory=list)
    acknowledging: list[float] = field(default_factory=list)


def run(folder: Path, amount: Amount) -> list[Report]:
    """Kills in one process mostly, because it starts fast, and a few on Ray."""
    report = Report(TITLE, COLUMNS)
    chance = random.Random(5)
    _campaign(folder / "random", report, "inline", "at random", [""] * amount.of(2, 40), chance)
    kinds = POINTS if amount.whole else POINTS[1::2]
    points = [f"{point}#{nth}" for nth in (1, 2, 7)[: amount.of(1, 3)] for point in kinds]
    _campaign(folder / "points", report, "inline", "at its points", points, chance)
    if amount.whole:
        deaths = [death for point in POINTS[:4] for death in ("", f"{point}#1")]
        _campaign(folder / "ray", report, "ray", "both", deaths[: amount.of(0, 8)], chance)
    return [report]


def _campaign(
    folder: Path, report: Report, transport: str, killed: str, deaths: list[str], chance: random.Random
) -> None:
    """Deaths one after the other on one directory under one load; `deaths` are points, "" is at random."""
    folder.mkdir(parents=True)
    times, settings = Times(), NodeSettings(folder / "data", transport, snapshot_every=_SNAPSHOT_EVERY)
    told = folder / "crash-at"
    with LiveNode(settings, folder / "node.log") as node:
        node.start(BREAKWATER_CRASH_AT=f"@{told}")
        with Load([node.address], node.key(), PRINCIPAL) as load:
            for point in deaths:
                load.acknowledged(20)
                _die(node, point, told, chance)
                died_s = time.monotonic()
                node.start(BREAKWATER_CRASH_AT=f"@{told}")
                times.serving.append(time.monotonic() - died_s)
                load.acknowledged()
                times.acknowledging.append(load.acks_since(died_s)[0].at_s - died_s)
        node.stop()
    verdict = judge(load, node.journal())
    report.blame(f"{transport}, {killed}", [*verdict.faults, *audit(settings.data_dir).violations])
    report.row(
        transport,
        killed,
        len(deaths),
        median_and_worst(times.serving),
        median_and_worst(times.acknowledging),
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def _die(node: LiveNode, point: str, told: Path, chance: random.Random) -> None:
    """Kills the node, or has it die where it is told to."""
    if not point:
        time.sleep(chance.uniform(0, 0.5))
        node.kill()
        return
    told.write_text(point)
    code = node.wait_exit()
    assert code == -signal.SIGKILL, f"the node was to die at {point} and ended with code {code}: {node.last_words()}"
    node.kill()
