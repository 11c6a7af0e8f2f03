"""Kills under a driver: one replay of all four venues on Ray, whose every root must be that of an undisturbed one."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Timer

import psutil

from breakwater.v1 import admin_pb2 as admin
from cluster.audit import audit
from cluster.crash_points import VARIABLE
from cluster.replica import Replica
from node.load.bars import QUOTE_E18
from node.load.child import ChildSettings, NodeChild
from node.load.crash import crash_bars
from node.load.driver import Driver, Events, Standings
from node.load.link import NodeLink
from node.load.options import ALL, ReplayOptions, plans_of
from node.load.rehearsal import ReplicaSealer
from tests.faults.kills.tally import Tally
from tests.faults.kills.victims import ACTORS, NODE, VALIDATOR, Blow, Deck, Order

SHARDS, TRADERS, TICKS_A_BAR = 2, 40, 4
# The fall and its low: every rung of every ladder. Fewer than 100 blocks, so that no block waits for the validator.
FIRST_BAR, BARS = 36, 21
_SETUP_BLOCKS = 4
_SNAPSHOT_EVERY = 7
# A point that is not met within so many blocks is taken back.
_BLOCKS_A_POINT = 3
_RANDOM_WITHIN_S = 0.03
_PATIENCE_S = 60.0
# Of the node itself, which takes all of Ray with it: `node_kills` in tests/faults/campaign does it more often.
_NODE_KILLS_MAX = 3
KINDS = (*ACTORS, VALIDATOR, NODE)

Roots = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class DrivenSettings(ChildSettings):
    """A node whose actors may die often."""

    options: tuple[str, ...] = ()

    def command(self) -> list[str]:
        """As a replay's node, in front of which the waits between rebuilds are made short."""
        config = self.log.with_suffix(".toml")
        config.write_text(f"snapshot_every = {_SNAPSHOT_EVERY}\n", encoding="utf-8")
        python, _, _, *words = super().command()
        return [python, "-m", "tests.faults.kills.node", *words, "--config", str(config), *self.options]


@dataclass
class Wound:
    """A process that died, until its death was noticed and made good."""

    blow: Blow
    at_s: float
    noticed_before: int


def options_of(folder: Path, seed: int, bars: int = BARS) -> ReplayOptions:
    """The replay of a seed, its prices written into the folder."""
    lines = ["open_time_ms,open,high,low,close"]
    for bar in crash_bars(seed)[FIRST_BAR : FIRST_BAR + bars]:
        cents = (price * 100 // QUOTE_E18 for price in (bar.open_e18, bar.high_e18, bar.low_e18, bar.close_e18))
        lines.append(",".join([str(bar.open_time_ms), *(f"{cent // 100}.{cent % 100:02d}" for cent in cents)]))
    prices = folder / "prices.csv"
    prices.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ReplayOptions(ALL, prices, TRADERS, seed, SHARDS, "ray", TICKS_A_BAR)


def drive_round(
    folder: Path, deck: Deck, kills: int, tally: Tally, seed: int, standby: str = "none", bars: int = BARS
) -> list[str]:
    """One replay with at most so many kills; what is wrong with it."""
    folder.mkdir(parents=True)
    options = options_of(folder, seed, bars)
    undisturbed = _Recorded(ReplicaSealer(Replica(1)))
    Driver(plans_of(options), undisturbed, lambda progress: None).run()
    order = Order(folder / "crash-at")
    os.environ[VARIABLE] = order.setting
    try:
        settings = DrivenSettings(
            folder / "data", SHARDS, "ray", folder / "node.log", ("--actor-standbys", standby, "--no-house-bot")
        )
        with NodeLink(NodeChild(settings)) as link:
            struck = Struck(link, settings, order, deck, kills, tally)
            Driver(plans_of(options), struck, lambda progress: None).run()
            faults = struck.finish()
    finally:
        del os.environ[VARIABLE]
    wrong = [
        height for height, pair in enumerate(zip(struck.roots, undisturbed.roots, strict=True), 1) if pair[0] != pair[1]
    ]
    if wrong:
        faults.append(f"{len(wrong)} blocks have other roots than undisturbed, the first at height {wrong[0]}")
    return [*faults, *audit(settings.data_dir).violations]


class _Recorded:
    """A sealer that keeps the roots of every block."""

    def __init__(self, inner: ReplicaSealer | NodeLink) -> None:
        self._inner = inner
        self.roots: Roots = []

    def seal(self, request: admin.SealBlockRequest) -> admin.SealBlockResponse:
        """Seals, and keeps the roots."""
        response = self._inner.seal(request)
        self.roots.append((response.header.events_root, response.header.state_root))
        return response

    def events_later(self, height: int) -> Events:
        """See `Sealer`."""
        return self._inner.events_later(height)

    def standings_later(self, venue: int, height: int) -> Standings:
        """See `Sealer`."""
        return self._inner.standings_later(venue, height)


class Struck(_Recorded):
    """A link to a node of which, block after block, a process dies."""

    def __init__(
        self, link: NodeLink, settings: ChildSettings, order: Order, deck: Deck, kills: int, tally: Tally
    ) -> None:
        super().__init__(link)
        self._link = link
        self._log = settings.log
        self._order = order
        self._deck = deck
        self._left = kills
        self._node_left = _NODE_KILLS_MAX
        self._tally = tally
        self._armed: Wound | None = None
        self._blocks_armed = 0
        self._wounds: list[Wound] = []

    def seal(self, request: admin.SealBlockRequest) -> admin.SealBlockResponse:
        """A block, in which somebody may die."""
        timer = self._strike() if len(self.roots) >= _SETUP_BLOCKS else None
        begun_s = time.time()
        response = super().seal(request)
        ended_s = time.time()
        if timer is not None:
            timer.join()
        self._look()
        self._heal(response.header.height, begun_s, ended_s)
        return response

    def finish(self) -> list[str]:
        """Takes back what is still to be met; what is wrong in the end. A death that nobody met any more is not."""
        if self._armed is not None and not self._order.withdraw():
            self._look()
        height = len(self.roots)
        return [] if self._validated(height) else [f"the validator did not come to height {height}"]

    def _strike(self) -> Timer | None:
        """Draws the next blow; a random one comes while the block is made. Nothing else while a point may yet be met,
        but where it was not met in its first block, somebody else may die at random in the next.
        """
        armed = self._armed
        if self._left <= 0 or (armed is not None and not self._blocks_armed):
            return None
        unwanted = [wound.blow.actor for wound in self._wounds]
        if armed is not None:
            unwanted.append(armed.blow.actor)
        if unwanted or self._node_left == 0:
            unwanted.append(NODE)
        blow = self._deck.draw(unwanted, at_random=armed is not None)
        if blow is None:
            return None
        wound = Wound(blow, 0.0, self._noticed(blow))
        if blow.point:
            self._armed, self._blocks_armed = wound, 0
            self._order.give(blow)
            return None
        pid = self._pid(blow.actor)
        if pid == 0:
            self._deck.give_back(blow)
            return None
        timer = Timer(self._deck.chance.uniform(0, _RANDOM_WITHIN_S), self._kill, (wound, pid))
        timer.start()
        return timer

    def _kill(self, wound: Wound, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        self._died(wound, time.time())

    def _died(self, wound: Wound, at_s: float) -> None:
        wound.at_s = at_s
        self._wounds.append(wound)
        self._left -= 1
        self._node_left -= wound.blow.kind == NODE
        self._tally.killed(wound.blow)

    def _look(self) -> None:
        """Whether the point was met, or is to be given up."""
        if self._armed is None:
            return
        self._blocks_armed += 1
        if self._blocks_armed >= _BLOCKS_A_POINT and self._order.withdraw():
            self._deck.give_back(self._armed.blow)
            self._armed = None
        elif met_at_s := self._order.met_at_s():
            self._died(self._armed, met_at_s)
            self._armed = None

    def _heal(self, height: int, begun_s: float, ended_s: float) -> None:
        """Deaths that were noticed: how long after them everything was as before."""
        for wound in [wound for wound in self._wounds if self._noticed(wound.blow) > wound.noticed_before]:
            if wound.blow.kind == VALIDATOR:
                assert self._validated(height), f"the validator did not come back to height {height}"
                begun_s, ended_s = 0.0, time.time()
            self._tally.serving(wound.blow, ended_s - max(begun_s, wound.at_s))
            self._wounds.remove(wound)

    def _noticed(self, blow: Blow) -> int:
        """How often the node has noticed that it is gone; the node's own death is noticed here."""
        if blow.kind == NODE:
            return self._link.restarts
        said = f"{blow.actor} is gone" if blow.kind == VALIDATOR else f"actor {blow.actor} is gone"
        return self._log.read_text(errors="replace").count(said) if self._log.exists() else 0

    def _pid(self, actor: str) -> int:
        """The process of an actor, of the validator, or of the node; 0 where there is none now."""
        node = self._link._child.pid
        if actor in (NODE, VALIDATOR):
            return node if actor == NODE else validator_pid(node)
        status = self._status()
        return dict(zip(status.actors, status.actor_pids, strict=True)).get(actor, 0)

    def _status(self) -> admin.GetStatusResponse:
        return self._link._insist("ask for the status", lambda client: client.status())

    def _validated(self, height: int) -> bool:
        deadline_s = time.monotonic() + _PATIENCE_S
        while self._status().validated_height < height:
            if time.monotonic() > deadline_s:
                return False
            time.sleep(0.02)
        return True


def validator_pid(node: int) -> int:
    """The validator's process, below the node's; 0 while there is none."""
    for process in psutil.Process(node).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if any("ValidatorHost" in word for word in process.cmdline()):
                return process.pid
    return 0
