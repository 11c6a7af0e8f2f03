"""Messages between clients, gateways and nodes: lost, doubled, late, out of order, cut off in one direction."""

from collections.abc import Callable
from random import Random

from cluster.simulator.faults import Chaos, Fault
from cluster.simulator.scheduler import Scheduler

# Directions between gateways and nodes, and the fault that cuts each.
TO_NODE, FROM_NODE = "to node", "from node"
_PARTITIONS = {TO_NODE: Fault.PARTITION_TO_NODE, FROM_NODE: Fault.PARTITION_FROM_NODE}


class Network:
    """Delivers by calling. Messages of one link keep their order unless a fault says otherwise."""

    def __init__(self, scheduler: Scheduler, chaos: Chaos, seed: int, hop_ms: tuple[int, int]) -> None:
        self._scheduler = scheduler
        self._chaos = chaos
        self._rng = Random(f"{seed}/network")
        self._hop_ms = hop_ms
        self._cut_until_ms: dict[str, int] = {}
        self._last_ms: dict[str, int] = {}

    def send(self, link: str, what: str, deliver: Callable[[], None], direction: str = "") -> None:
        """One message over a link (both ends named), one way; `direction` where it passes between gateway and node."""
        chaos = self._chaos
        if direction and self._is_cut(direction):
            return
        if chaos.strikes(Fault.MESSAGE_LOST, f"{link}: {what}"):
            return
        self._carry(link, what, deliver)
        if chaos.strikes(Fault.MESSAGE_DUPLICATED, f"{link}: {what}"):
            self._carry(link, what, deliver)

    def _carry(self, link: str, what: str, deliver: Callable[[], None]) -> None:
        chaos, now_ms = self._chaos, self._scheduler.now_ms
        delay_ms = self._rng.randint(*self._hop_ms)
        if chaos.strikes(Fault.MESSAGE_DELAYED, f"{link}: {what}"):
            delay_ms += chaos.between(Fault.MESSAGE_DELAYED, 2, 3_000)
        if not chaos.strikes(Fault.MESSAGE_REORDERED, f"{link}: {what}"):
            delay_ms = max(delay_ms, self._last_ms.get(link, 0) - now_ms)
            self._last_ms[link] = now_ms + delay_ms
        self._scheduler.after(delay_ms, deliver)

    def _is_cut(self, direction: str) -> bool:
        fault, now_ms = _PARTITIONS[direction], self._scheduler.now_ms
        if now_ms < self._cut_until_ms.get(direction, 0):
            return not self._chaos.calm
        if self._chaos.strikes(fault):
            self._cut_until_ms[direction] = now_ms + self._chaos.between(fault, 200, 4_000)
            return True
        return False
