"""What runs in an actor's process: the actor, and the points at which a test may end it."""

from actors.contract import Actor
from breakwater.v1 import batches_pb2 as batches
from cluster import crash_points
from cluster.garbage import collect_rarely
from cluster.placement import Owners
from cluster.topology import build, is_shard

_PREFIX = "SHARD_PHASE_"


class ActorHost:
    """One actor, alone in its process."""

    def __init__(self, name: str, owners: Owners) -> None:
        self._name = name
        self._actor: Actor = build(name, owners)
        collect_rarely()

    def apply(self, payload: bytes) -> bytes:
        """Carries out a call of a block."""
        if not crash_points.is_armed():
            return self._actor.apply(payload)
        phases = _phases(self._name, payload)
        crash_points.handed(payload)
        crash_points.reached(f"actor:{self._name}:before{phases}")
        reply = self._actor.apply(payload)
        crash_points.reached(f"actor:{self._name}:after{phases}")
        return reply

    def query(self, payload: bytes) -> bytes:
        """Answers a read."""
        return self._actor.query(payload)

    def snapshot(self) -> bytes:
        """The actor's part of a cut."""
        crash_points.reached(f"actor:{self._name}:snapshot")
        return self._actor.snapshot()

    def restore(self, owners: Owners, *parts: bytes) -> None:
        """Makes the actor anew with this state, so that nothing is left of what there was."""
        crash_points.reached(f"actor:{self._name}:restore")
        self._actor = build(self._name, owners)
        self._actor.restore(parts)

    def replay(self, *payloads: bytes) -> None:
        """Calls that were answered before; nobody asks for the answers again."""
        crash_points.reached(f"actor:{self._name}:replay")
        for payload in payloads:
            self._actor.apply(payload)


def _phases(name: str, payload: bytes) -> str:
    """What a shard is asked for in this call, as part of a point's name: `:SETTLE+MARK+TAKE+SCAN`."""
    if not is_shard(name):
        return ""
    asked = batches.ShardCall.FromString(payload).phases
    return ":" + "+".join(batches.ShardPhase.Name(phase).removeprefix(_PREFIX) for phase in asked)
