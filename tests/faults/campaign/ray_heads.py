"""The embedded Ray's head dies: the node goes on or ends with a sentence, and a restart serves everything."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from cluster.audit import audit
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.live_process import NotInTime
from tests.faults.verdict import Amount, Report, judge

TITLE = "processes of the embedded Ray are killed"
COLUMNS = ("killed", "then", "after", "exit code", "serving again after", "acknowledged", "unknown", "blocks")
# By the name of the process: the head's control store, and the daemon that owns every worker of the machine.
HEAD = ("gcs_server", "raylet")
# Ray gives up on a lost control store after a minute.
_PATIENCE_S = 150.0


def run(folder: Path, amount: Amount) -> list[Report]:
    """Each of the two, and both at once."""
    report = Report(TITLE, COLUMNS)
    for victims in [("raylet",), ("gcs_server",), HEAD][: amount.of(1, 3)]:
        _campaign(folder / "-".join(victims), report, victims)
    return [report]


def _campaign(folder: Path, report: Report, victims: tuple[str, ...]) -> None:
    folder.mkdir(parents=True)
    settings = NodeSettings(folder / "data", "ray")
    with LiveNode(settings, folder / "node.log") as node:
        node.start()
        with Load([node.address], node.key(), PRINCIPAL) as load:
            load.acknowledged(20)
            killed_s = time.monotonic()
            _kill(node, victims)
            ended = _watch(node, load)
            after_s = time.monotonic() - killed_s
            code = node.exit_code()
            if code is not None:
                report.blame(folder.name, _unclear(node, code))
            node.kill()
            again_s = time.monotonic()
            node.start()
            load.acknowledged(20)
            again_s = load.acks_since(again_s)[0].at_s - again_s
        node.stop()
    verdict = judge(load, node.journal())
    report.blame(folder.name, [*verdict.faults, *audit(settings.data_dir).violations])
    report.row(
        " and ".join(victims),
        ended,
        f"{after_s:.1f} s",
        "-" if code is None else code,
        f"{again_s:.1f} s",
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def _kill(node: LiveNode, victims: tuple[str, ...]) -> None:
    found = {process.name(): process.pid for process in node.descendants() if process.name() in victims}
    assert sorted(found) == sorted(victims), f"the node has no {victims} of its own: {found}"
    for pid in found.values():
        os.kill(pid, signal.SIGKILL)


def _watch(node: LiveNode, load: Load) -> str:
    """What becomes of the node: it ends, or acknowledges for as long as Ray would need to give up."""
    begun_s = time.monotonic()
    try:
        while time.monotonic() - begun_s < _PATIENCE_S:
            if not node.alive:
                return "the node ended"
            time.sleep(0.1)
        load.acknowledged(20)
    except NotInTime:
        return "the node ended" if not node.alive else "the node hangs"
    return "the node goes on"


def _unclear(node: LiveNode, code: int) -> list[str]:
    """A node that cannot go on has to say so in a sentence, and end with 1."""
    words = node.last_words(12)
    faults = [] if code == 1 else [f"the node ended with code {code}, not 1: {words}"]
    return faults if "the node stopped: " in words else [*faults, f"the node ended without a reason: {words}"]
