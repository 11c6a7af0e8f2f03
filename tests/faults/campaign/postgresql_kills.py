"""The PostgreSQL server of the journal dies under load: the node waits for it, and goes on by itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from node.bench.journal_server import NoPostgresql
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings, state_name
from tests.faults.verdict import Amount, Report, judge, median_and_worst
from tests.postgresql_server import KillableServer

TITLE = "the journal's PostgreSQL server goes away under load"
COLUMNS = ("server", "times", "away", "node says", "acknowledging after", "acknowledged", "unknown", "blocks")
# What a node may say of itself while its journal does not answer.
_HONEST = {"READ_ONLY", "DEGRADED"}


@dataclass
class Absences:
    """How long the server was away, what the node said meanwhile, and how long it took afterwards."""

    away: list[float] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    acknowledging: list[float] = field(default_factory=list)


def run(folder: Path, amount: Amount) -> list[Report]:
    """kill -9 of all its processes mostly; also an orderly restart, and a server that hangs."""
    report = Report(TITLE, COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = KillableServer()
    except NoPostgresql as reason:
        report.notes.append(f"skipped: {reason}")
        return [report]
    ways: list[tuple[str, Callable[[], None], Callable[[], None], int]] = [
        ("kill -9", server.kill9, server.start, amount.of(2, 15)),
        ("restarted", server.stop, server.start, amount.of(0, 3)),
        ("hangs", server.pause, server.wake, amount.of(0, 3)),
    ]
    try:
        for name, leave, come_back, times in ways:
            if times:
                _campaign(folder / name.replace(" ", ""), report, name, server, (leave, come_back), times)
    finally:
        server.close()
    return [report]


def _campaign(
    folder: Path,
    report: Report,
    name: str,
    server: KillableServer,
    way: tuple[Callable[[], None], Callable[[], None]],
    times: int,
) -> None:
    """So many absences of the server under one load; the node is never touched."""
    folder.mkdir()
    absences, chance = Absences(), random.Random(times)
    leave, come_back = way
    settings = NodeSettings(folder / "data", journal=server.new_database(), snapshot_every=50)
    with LiveNode(settings, folder / "node.log") as node:
        node.start()
        with Load([node.address], node.key(), PRINCIPAL) as load:
            for _ in range(times):
                load.acknowledged(40)
                time.sleep(chance.uniform(0, 0.3))
                leave()
                left_s = time.monotonic()
                absences.said.append(_said(node))
                time.sleep(chance.uniform(0, 2.0))
                come_back()
                back_s = time.monotonic()
                absences.away.append(back_s - left_s)
                load.acknowledged()
                absences.acknowledging.append(load.acks_since(back_s)[0].at_s - back_s)
        if not node.alive:
            report.blame(name, [f"the node ended with code {node.exit_code()}: {node.last_words()}"])
        node.stop()
        verdict = judge(load, node.journal())
    report.blame(name, verdict.faults)
    report.blame(name, [f"the node said {word} while its journal was away" for word in {*absences.said} - _HONEST])
    report.row(
        name,
        times,
        median_and_worst(absences.away),
        ", ".join(sorted({*absences.said})),
        median_and_worst(absences.acknowledging),
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def _said(node: LiveNode) -> str:
    """The first state that is not READY or RESUMING, which a node says until it has missed an append."""
    status = node.wait_state("READ_ONLY", "DEGRADED", "FENCED", "STOPPED", "PAUSED")
    return state_name(status)
