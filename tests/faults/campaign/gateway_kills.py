"""A gateway dies with requests in flight: clients ask again through another, under the same keys."""

from __future__ import annotations

import random
import time
from pathlib import Path

from cluster.audit import audit
from tests.faults.live_gateway import LiveGateway
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.verdict import Amount, Report, judge, median_and_worst

TITLE = "kill -9 of gateways with requests in flight"
COLUMNS = ("gateways", "killed", "longest silence", "longest of the run", "acknowledged", "unknown", "blocks")


def run(folder: Path, amount: Amount) -> list[Report]:
    """Two gateways in front of one node, whichever is asked just then is killed; then node and gateway together."""
    report = Report(TITLE, COLUMNS)
    _campaign(folder / "gateways", report, amount.of(2, 40), False)
    if amount.whole:
        _campaign(folder / "with-the-node", report, amount.of(0, 10), True)
    return [report]


def _campaign(folder: Path, report: Report, kills: int, node_too: bool) -> None:
    """One gateway is always up; `node_too` kills the node in the same moment."""
    folder.mkdir(parents=True)
    chance, silences = random.Random(kills), []
    settings = NodeSettings(folder / "data")
    with (
        LiveNode(settings, folder / "node.log") as node,
        LiveGateway([node.address], folder / "first.log") as first,
        LiveGateway([node.address], folder / "second.log") as second,
    ):
        node.start()
        first.start()
        second.start()
        with Load([first.address, second.address], node.key(), PRINCIPAL, clients=6) as load:
            for _ in range(kills):
                load.acknowledged(10)
                # Clients stay at a gateway until it is silent for them, which a busy machine may have made either.
                victim = first if load.acks[-1].door == first.address else second
                time.sleep(chance.uniform(0, 0.2))
                begun_s = time.monotonic()
                victim.kill()
                if node_too:
                    node.kill()
                    node.start()
                victim.start()
                load.acknowledged(10)
                silences.append(load.longest_gap_s(begun_s, time.monotonic()))
        node.stop()
    verdict = judge(load, node.journal())
    name = "gateways and node" if node_too else "gateways"
    report.blame(name, [*verdict.faults, *audit(settings.data_dir).violations])
    report.row(
        2,
        f"{kills} with the node" if node_too else kills,
        median_and_worst(silences),
        f"{load.longest_gap_s(load.acks[0].at_s, load.acks[-1].at_s):.2f} s",
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )
