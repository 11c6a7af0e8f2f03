"""Everything a seed came to as one digest; run as a program it prints that of a seed (for another hash seed)."""

import sys

from blake3 import blake3

from cluster.simulator.world import Outcome
from node.simulation.run import simulate


def fingerprint(outcome: Outcome) -> str:
    """Timeline, history, journal and faults, byte for byte."""
    told = [
        "\n".join(outcome.timeline),
        repr(outcome.history),
        outcome.journal.hex(),
        outcome.state_root,
        repr(sorted((fault.name, count) for fault, count in outcome.faults.items())),
        repr(outcome.violations),
    ]
    return blake3("\n".join(told).encode()).hexdigest()


if __name__ == "__main__":
    print(fingerprint(simulate(int(sys.argv[1]))))
