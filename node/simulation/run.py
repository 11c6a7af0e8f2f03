"""One seed, whole: the world of `cluster.simulator` with the people and the auditor of this folder."""

from cluster.simulator.swarm import Swarm
from cluster.simulator.world import START_MS, Outcome, World
from node.simulation.auditor import WatchfulAuditor
from node.simulation.workload import Swarming


def simulate(seed: int, safety_ms: int | None = None) -> Outcome:
    """Runs a seed, always alike. `safety_ms`: how long things go wrong, where it is not the seed's to say."""
    world = World(
        Swarm.draw(seed, safety_ms),
        lambda swarm, chaos: Swarming(swarm.seed, swarm.rulebooks, chaos, START_MS),
        WatchfulAuditor,
    )
    return world.run()
