"""A replica to try a block on before the node runs it again: which command is it that actors cannot survive?

It runs in a process of its own, for the block may end the process it is tried in (docs/recovery.md).
"""

from collections.abc import Mapping, Sequence

from breakwater.v1 import commands_pb2 as commands
from cluster import crash_points
from cluster.replica import Replica
from cluster.topology import stays
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Call


class _TriedTransport(InlineTransport):
    """The actors of a trial; what is poison to an actor's process is poison to this one."""

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        for call in calls:
            if not stays(call.actor):
                crash_points.handed(call.payload)
        return super().call(calls)


class TrialHost:
    """Every attempt starts from the cut that was loaded, whatever the one before did."""

    def __init__(self, shards: int) -> None:
        self._shards = shards
        self._parts: Mapping[str, bytes] = {}

    def load(self, parts: Mapping[str, bytes]) -> None:
        """The cut before the block; none: the block is the first."""
        self._parts = parts

    def attempt(self, block: bytes, frame_hash: bytes, epoch: int, voided: Sequence[int] = ()) -> str:
        """Why the block, without the voided commands, cannot be run; empty where it can."""
        replica = Replica(self._shards, transport=_TriedTransport(self._shards))
        if self._parts:
            replica.restore(self._parts)
        try:
            replica.apply(commands.BlockInput.FromString(block), frame_hash, epoch, voided)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""
