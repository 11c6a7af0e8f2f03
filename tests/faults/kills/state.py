"""How long it takes to serve again with much state: a shard of a node on Ray dies, with a standby and without."""

from __future__ import annotations

import os
import signal
import time

from cluster.launch import start_ray, stop_ray
from cluster.replica import take_cut
from cluster.standbys import Standbys
from cluster.supervisor import Supervisor
from cluster.topology import shard_name
from node.bench.world import TICK_MS, World
from tests.faults.verdict import Report, median_and_worst

COLUMNS = ("state", "shards", "replaced by", "kills", "serving after, median / worst", "calls since the cut")
# Marginal bytes of an account with one position in a cut, to begin with.
_ACCOUNT_BYTES = 183
_BATCH = 40_000
_ROOT_MS = 1_000
_PATIENCE_S = 300.0
_CALLS_BLOCKS = 100


def measure(state_mb: int, kills: int, shards: int = 2) -> Report:
    """Serving again: from the kill to the end of the next block, which has a state root."""
    report = Report(f"a shard is killed at {state_mb} MB of state", COLUMNS)
    start_ray(None)
    try:
        # Only now: what Ray demands of whoever calls it is settled when it is imported.
        from cluster.transport.ray import RayTransport

        for standby in ("none", "shards"):
            transport, said = RayTransport(shards), []
            standbys = None if standby == "none" else Standbys(standby, transport, said.append)
            supervisor = Supervisor(transport, said.append, standbys)
            try:
                _one(report, supervisor, state_mb, kills, shards, said)
            finally:
                supervisor.close()
    finally:
        stop_ray()
    return report


def _one(report: Report, supervisor: Supervisor, state_mb: int, kills: int, shards: int, said: list[str]) -> None:
    world, size = _filled(supervisor, state_mb, shards)
    for _ in range(_CALLS_BLOCKS):
        world.seal([world.ticks(ahead_ms=TICK_MS)], TICK_MS)
    times, ways = [], set[str]()
    for kill in range(kills):
        name = shard_name(kill % shards)
        if supervisor.degraded():
            _wait(supervisor, name)
        pid = supervisor.pids()[name]
        begun_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        world.seal([world.ticks(ahead_ms=_ROOT_MS)], _ROOT_MS)
        times.append(time.monotonic() - begun_s)
        ways.add("its standby" if "standby has taken over" in said[-1] else "a rebuild from the cut")
    report.row(
        f"{size / 1e6:,.0f} MB", shards, " or ".join(sorted(ways)), kills, median_and_worst(times), _CALLS_BLOCKS
    )


def _filled(supervisor: Supervisor, state_mb: int, shards: int) -> tuple[World, int]:
    """A venue with as many accounts and positions as make up the state; a cut was taken of it."""
    world = World(supervisor, shards)
    world.found()
    left = state_mb * 1_000_000 // _ACCOUNT_BYTES
    while left > 0:
        people = world.people(min(_BATCH, left))
        world.seal([world.ticks(ahead_ms=TICK_MS), world.opens(people)], TICK_MS)
        left -= len(people)
    world.seal()
    parts = take_cut(world.state, supervisor)
    supervisor.take_cut(parts)
    return world, sum(map(len, parts.values()))


def _wait(supervisor: Supervisor, actor: str) -> None:
    deadline_s = time.monotonic() + _PATIENCE_S
    while actor not in supervisor.standby_names():
        assert time.monotonic() < deadline_s, f"no standby of {actor} after {_PATIENCE_S:.0f} s"
        time.sleep(0.05)
