"""What everybody in a simulated world shares."""

from collections.abc import Callable
from dataclasses import dataclass

from cluster.simulator.faults import Chaos
from cluster.simulator.scheduler import Scheduler
from cluster.simulator.storage.depot import Depot
from cluster.simulator.swarm import Swarm
from cluster.simulator.witness import Witness


@dataclass(frozen=True)
class Surroundings:
    """`note` writes into the timeline, `complain` says that something was violated."""

    swarm: Swarm
    scheduler: Scheduler
    chaos: Chaos
    depot: Depot
    witness: Witness
    note: Callable[[str], None]
    complain: Callable[[str], None]
