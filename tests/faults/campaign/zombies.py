"""A sequencer that was taken for dead comes back: it acknowledges nothing any more, and says FENCED."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from node.bench.journal_server import NoPostgresql
from node.client import requests
from node.client.errors import refused_of
from tests.faults.live_load import TWILIGHT, Ack, Load
from tests.faults.live_node import CALL_TIMEOUT_S, PRINCIPAL, LiveNode, NodeSettings, state_name
from tests.faults.verdict import Amount, Report, judge, median_and_worst
from tests.postgresql_server import KillableServer

TITLE = "a stopped sequencer, taken over, wakes up"
COLUMNS = (
    "journal",
    "successor",
    "times",
    "serving after",
    "acknowledging after",
    "acks by the zombie",
    "it says",
    "acknowledged",
    "unknown",
    "blocks",
)
_PAUSE_S = 1.0
# What a successor says of itself: where the machine held the holder up for the life of its lease, it serves already.
FOLLOWING = ("STANDBY", "RESUMING", "READY", "DEGRADED")


@dataclass
class Takeovers:
    """What became of each: seconds, and acknowledgements of blocks that are not the zombie's to make."""

    serving: list[float] = field(default_factory=list)
    acknowledging: list[float] = field(default_factory=list)
    late: list[Ack] = field(default_factory=list)
    said: set[str] = field(default_factory=set)


def run(folder: Path, amount: Amount) -> list[Report]:
    """PostgreSQL by an operator's word and by a standby of its own accord; SQLite, whose lock stays with the zombie."""
    report = Report(TITLE, COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        server = KillableServer()
    except NoPostgresql as reason:
        report.notes.append(f"skipped: {reason}")
    else:
        try:
            if amount.whole:
                _campaign(folder / "take-over", report, server, "--take-over", amount.of(0, 4))
            _campaign(folder / "standby", report, server, "--standby", amount.of(1, 4))
        finally:
            server.close()
    _on_sqlite(folder / "sqlite", report)
    return [report]


def _campaign(folder: Path, report: Report, server: KillableServer, successor: str, times: int) -> None:
    """Two nodes on one journal take turns: the one that is stopped comes back as the other's successor."""
    folder.mkdir()
    url, takeovers = server.new_database(), Takeovers()
    chance = random.Random(times)
    with (
        LiveNode(NodeSettings(folder / "a", journal=url), folder / "a.log") as first,
        LiveNode(NodeSettings(folder / "b", journal=url), folder / "b.log") as second,
    ):
        first.share_keys(second)
        holder, other = first, second
        holder.start()
        with Load([first.address, second.address], first.key(), PRINCIPAL) as load:
            for _ in range(times):
                load.acknowledged(50)
                _take_over(holder, other, successor, load, takeovers, chance)
                holder.kill()
                holder, other = other, holder
        holder.stop()
        verdict = judge(load, holder.journal())
    where = f"PostgreSQL, {successor}"
    report.blame(where, verdict.faults)
    late = [f"the zombie acknowledged height {ack.height} after its successor served" for ack in takeovers.late]
    report.blame(where, late)
    report.blame(where, [f"the zombie says {word}" for word in takeovers.said - {"FENCED"}])
    report.row(
        "PostgreSQL",
        successor,
        times,
        median_and_worst(takeovers.serving),
        median_and_worst(takeovers.acknowledging),
        len(takeovers.late),
        ", ".join(sorted(takeovers.said)),
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def _take_over(
    holder: LiveNode, other: LiveNode, successor: str, load: Load, takeovers: Takeovers, chance: random.Random
) -> None:
    """Stops the holder under load, has the other take its place, wakes the zombie and listens to it."""
    if successor == "--standby":
        other.start("--standby", wait=False)
        other.wait_state(*FOLLOWING)
    time.sleep(chance.uniform(0, 0.3))
    holder.pause()
    paused_s = time.monotonic()
    if successor == "--standby":
        other.wait_serving()
    else:
        other.start("--take-over")
    served_s = time.monotonic()
    takeovers.serving.append(served_s - paused_s)
    load.acknowledged(20, [other.address])
    takeovers.acknowledging.append(load.acks_since(paused_s, [other.address])[0].at_s - paused_s)
    holder.unpause()
    takeovers.said |= {state_name(holder.wait_state("FENCED", "STOPPED")), answer_of(holder)}
    time.sleep(_PAUSE_S)
    load.acknowledged(20, [other.address])
    takeovers.late += load.acks_since(served_s, [holder.address])


def answer_of(node: LiveNode) -> str:
    """What a node says to a command of a new key, asked once: a client would ask a fenced node again."""
    request = requests.open_account(TWILIGHT, 1, None)
    with node.client() as client:
        try:
            client.accounts.OpenAccount(request, timeout=CALL_TIMEOUT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            if refused := refused_of(error):
                return refused.refusal
            raise
    return "yes"


def _on_sqlite(folder: Path, report: Report) -> None:
    """The lock is the stopped process's as long as it lives: a second node is refused, until the holder is killed."""
    folder.mkdir()
    settings = NodeSettings(folder / "data")
    with (
        LiveNode(settings, folder / "a.log") as holder,
        LiveNode(settings, folder / "b.log") as successor,
    ):
        holder.start()
        with Load([holder.address, successor.address], holder.key(), PRINCIPAL) as load:
            load.acknowledged(50)
            holder.pause()
            paused_s = time.monotonic()
            for option in ([], ["--take-over"]):
                successor.start(*option, wait=False)
                code, words = successor.wait_exit(), successor.last_words()
                if code == 0 or "in use by" not in words:
                    report.blame("SQLite", [f"a second node beside a stopped one ended with {code}: {words}"])
            holder.kill()
            successor.start()
            served_s = time.monotonic()
            load.acknowledged(20)
            acknowledged_s = load.acks_since(paused_s, [successor.address])[0].at_s
            late = load.acks_since(served_s, [holder.address])
        successor.stop()
        verdict = judge(load, successor.journal())
    report.blame("SQLite", verdict.faults)
    report.row(
        "SQLite",
        "after kill -9",
        1,
        f"{served_s - paused_s:.2f} s",
        f"{acknowledged_s - paused_s:.2f} s",
        len(late),
        "(is dead)",
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )
