"""Kills under clients: a live node on Ray and a load over gRPC, whose history is held against the journal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

from cluster.audit import audit
from cluster.crash_points import VARIABLE
from tests.faults.kills.driven import validator_pid
from tests.faults.kills.tally import Tally
from tests.faults.kills.victims import NODE, VALIDATOR, Blow, Deck, Order
from tests.faults.live_load import Load
from tests.faults.live_node import PRINCIPAL, LiveNode, NodeSettings
from tests.faults.verdict import Verdict, judge

# Kinds of actors that this load calls: Twilight and Margin Trade, nobody below a rung.
KINDS = ("shard", "book", "backstop", "pool", VALIDATOR, NODE)
_SNAPSHOT_EVERY = 40
# How long a point may wait to be met.
_POINT_S = 8.0
_RANDOM_WITHIN_S = 0.2
_NOT_HERE = ("book/3/1",)


class LiveVictim(LiveNode):
    """A node whose waits between rebuilds are short."""

    def _command(self, options: Sequence[str]) -> list[str]:
        command = super()._command(options)
        command[command.index("node.cli")] = "tests.faults.kills.node"
        return command


def live_round(folder: Path, deck: Deck, kills: int, tally: Tally, seed: int, standby: str = "none") -> list[str]:
    """One node under one load, with at most so many kills; what is wrong with it."""
    folder.mkdir(parents=True)
    order = Order(folder / "crash-at")
    settings = NodeSettings(
        folder / "data",
        "ray",
        options=("--actor-standbys", standby),
        environment={VARIABLE: order.setting},
        snapshot_every=_SNAPSHOT_EVERY,
    )
    with LiveVictim(settings, folder / "node.log") as node:
        node.start()
        with Load([node.address], node.key(), PRINCIPAL, clients=2, seed=seed, pause_s=0.05) as load:
            load.acknowledged(20)
            before = tally.kills
            while tally.kills - before < kills:
                blow = deck.draw(_NOT_HERE)
                assert blow is not None
                if not _Strike(node, load, order, deck, tally, blow).done():
                    deck.give_back(blow)
            load.acknowledged(20)
        node.stop()
    verdict: Verdict = judge(load, node.journal())
    return [*verdict.faults, *audit(settings.data_dir).violations]


class _Strike:
    """One kill of a live node, from the blow to the first acknowledgement after it was made good."""

    def __init__(self, node: LiveNode, load: Load, order: Order, deck: Deck, tally: Tally, blow: Blow) -> None:
        self._node, self._load, self._order = node, load, order
        self._deck, self._tally, self._blow = deck, tally, blow

    def done(self) -> bool:
        """Whether somebody died."""
        noticed = self._noticed()
        died_s = self._at_its_point() if self._blow.point else self._at_random()
        if not died_s:
            return False
        self._tally.killed(self._blow)
        if self._blow.kind == NODE:
            self._node.wait_exit()
            self._node.kill()  # Ray's processes with it
            self._node.start()
        else:
            self._node.until(lambda: self._noticed() > noticed, f"the death of {self._blow.actor} to be noticed")
        found_s = time.monotonic()
        self._load.acknowledged(1)
        first = self._load.acks_since(found_s)[0]
        self._tally.serving(self._blow, first.at_s - died_s)
        return True

    def _at_its_point(self) -> float:
        """Monotonic seconds of the death; 0 where the point was not met."""
        self._order.give(self._blow)
        deadline_s = time.monotonic() + _POINT_S
        while not self._order.met_at_s():
            if time.monotonic() > deadline_s and self._order.withdraw():
                return 0.0
            time.sleep(0.005)
        return time.monotonic() - (time.time() - self._order.met_at_s())

    def _at_random(self) -> float:
        pid = self._pid()
        if pid == 0:
            return 0.0
        time.sleep(self._deck.chance.uniform(0, _RANDOM_WITHIN_S))
        os.kill(pid, signal.SIGKILL)
        return time.monotonic()

    def _pid(self) -> int:
        if self._blow.kind in (NODE, VALIDATOR):
            return self._node.pid if self._blow.kind == NODE else validator_pid(self._node.pid)
        status = self._node.status()
        if status is None:
            return 0
        return dict(zip(status.actors, status.actor_pids, strict=True)).get(self._blow.actor, 0)

    def _noticed(self) -> int:
        name = self._blow.actor if self._blow.kind == VALIDATOR else f"actor {self._blow.actor}"
        return self._node.log_text().count(f"{name} is gone")
