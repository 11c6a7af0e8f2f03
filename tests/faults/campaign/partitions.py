"""Machines that cannot reach each other: network namespaces on a switch, one of which is unplugged.

The node and its clients are on one side. Ray's second daemon on the other: its actors are fenced, made again here, and
whatever they still do is nobody's state. The sequencer on the other, away from PostgreSQL: another takes over, and the
one that comes back acknowledges nothing.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from cluster.audit import audit
from cluster.journal import open_reader
from node.bench.journal_server import NoPostgresql
from tests.faults.campaign.two_raylets import actors_at
from tests.faults.campaign.zombies import FOLLOWING, answer_of
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings, state_name
from tests.faults.namespaces import Holder, NotPermitted, Switch, network
from tests.faults.raylets import EITHER, Raylets
from tests.faults.relay import relayed
from tests.faults.verdict import Amount, Report, judge, median_and_worst
from tests.postgresql_server import KillableServer

TITLE = "partitions between network namespaces"
COLUMNS = (
    "cut off",
    "times",
    "longest silence",
    "acks by who was cut off",
    "it says",
    "acknowledged",
    "unknown",
    "blocks",
)
# Addresses on the switch; the store is beside the clients.
HERE, THERE, STORE = "10.77.0.1", "10.77.0.2", "10.77.0.3"
_STORE_PORT = 5432
_HEALED_S = 1.0


def run(folder: Path, amount: Amount) -> list[Report]:
    """The daemon with the shards, then the sequencer."""
    report = Report(TITLE, COLUMNS)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _sequencer(folder / "sequencer", report, amount.of(1, 4))
        if amount.whole:
            _raylet(folder / "raylet", report, amount.of(0, 4))
    except (NotPermitted, NoPostgresql) as reason:
        report.notes.append(f"skipped: {reason}")
    return [report]


class Machine:
    """A network namespace on the switch, and a door out of it for clients and tests, which no cut touches."""

    def __init__(self, stack: ExitStack, switch: Switch, address: str) -> None:
        self.holder: Holder = stack.enter_context(network())
        self.address = address
        self._stack = stack
        # The path of a socket may have 107 bytes.
        self._door = Path(stack.enter_context(TemporaryDirectory(prefix="bw-"))) / "door"
        switch.join(self.holder, address)

    def node(self, settings: NodeSettings, log: Path) -> LiveNode:
        """A node on this machine, not started yet; its clients come through the door."""
        settings = replace(settings, host=self.address, inside=self.holder.inside, door=f"unix:{self._door}")
        node = self._stack.enter_context(LiveNode(settings, log))
        self._stack.enter_context(relayed(self.holder.inside, str(self._door), f"{self.address}:{node.port}"))
        return node


def _sequencer(folder: Path, report: Report, times: int) -> None:
    """Two nodes in turn on one PostgreSQL: whoever sequences is cut off from it, and found out later."""
    folder.mkdir()
    silences, late, said = [], [], set()
    with ExitStack() as stack:
        server = KillableServer()
        stack.callback(server.close)
        switch = stack.enter_context(Switch())
        store = stack.enter_context(network())
        switch.join(store, STORE)
        listen, socket = f"{STORE}:{_STORE_PORT}", f"{server.directory}/.s.PGSQL.{_STORE_PORT}"
        stack.enter_context(relayed(store.inside, listen, socket))
        database = server.new_database()
        url = database.replace("@/", f"@{listen}/").partition("?")[0]
        machines = [Machine(stack, switch, address) for address in (HERE, THERE)]
        nodes = [
            machine.node(NodeSettings(folder / name, journal=url), folder / f"{name}.log")
            for machine, name in zip(machines, "ab", strict=True)
        ]
        nodes[0].share_keys(nodes[1])
        nodes[0].start()
        with Load([node.address for node in nodes], nodes[0].key(), PRINCIPAL) as load:
            for number in range(times):
                cut_off, other = nodes[number % 2], nodes[1 - number % 2]
                holder = machines[number % 2].holder
                other.start("--standby", wait=False)
                other.wait_state(*FOLLOWING)
                load.acknowledged(50)
                switch.cut(holder)
                cut_s = time.monotonic()
                other.wait_serving()
                served_s = time.monotonic()
                load.acknowledged(20, [other.address])
                silences.append(load.longest_gap_s(cut_s, time.monotonic()))
                switch.mend(holder)
                said |= {state_name(cut_off.wait_state("FENCED", "STOPPED")), answer_of(cut_off)}
                time.sleep(_HEALED_S)
                load.acknowledged(20, [other.address])
                late += load.acks_since(served_s, [cut_off.address])
                cut_off.kill()
        other.stop()
        verdict = judge(load, open_reader(database, other.settings.data_dir))
    report.blame("sequencer", verdict.faults)
    report.blame(
        "sequencer", [f"cut off, it acknowledged height {ack.height} after its successor served" for ack in late]
    )
    report.blame("sequencer", [f"cut off and back, it says {word}" for word in said - {"FENCED"}])
    report.row(
        "the sequencer",
        times,
        median_and_worst(silences),
        len(late),
        ", ".join(sorted(said)),
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )


def _raylet(folder: Path, report: Report, times: int) -> None:
    """The daemon with every actor is cut off from node, head and clients; healed later, it changes nothing."""
    folder.mkdir()
    silences = []
    with ExitStack() as stack:
        switch = stack.enter_context(Switch())
        here, there = (Machine(stack, switch, address) for address in (HERE, THERE))
        cluster = stack.enter_context(Raylets(folder, HERE, here.holder.inside))
        settings = NodeSettings(
            folder / "data",
            "ray",
            options=["--address", cluster.address, "--place", f"all={EITHER}"],
            environment=cluster.environment,
        )
        node = here.node(settings, folder / "node.log")
        load = stack.enter_context(Load([node.address], node.key(), PRINCIPAL))
        for number in range(times):
            far = cluster.join(f"far-{number}", THERE, there.holder.inside)
            with cluster.head_is_taken():
                node.start()
            load.acknowledged(50)
            if not actors_at(node, far):
                report.blame("raylet", ["no actor was on the daemon that was cut off"])
            switch.cut(there.holder)
            cut_s = time.monotonic()
            load.acknowledged(50)
            silences.append(load.longest_gap_s(cut_s, time.monotonic()))
            switch.mend(there.holder)
            time.sleep(_HEALED_S)
            load.acknowledged(50)
            node.stop()
            far.kill()
        load.stop()
    verdict = judge(load, node.journal())
    report.blame("raylet", [*verdict.faults, *audit(settings.data_dir).violations])
    report.row(
        "the daemon with the actors",
        times,
        median_and_worst(silences),
        "-",
        "-",
        verdict.acknowledged,
        verdict.unknown,
        verdict.blocks,
    )
