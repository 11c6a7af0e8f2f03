"""Commands that a node's machine cannot execute, though the rules can: every attempt at their block fails.

What replays a journal elsewhere (recovery, the witness) knows nothing of them, so a void that is forgotten shows as
another root.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from breakwater.v1 import batches_pb2 as batches
from breakwater.v1 import commands_pb2 as commands
from cluster.poison import command_count
from cluster.replica import Replica
from cluster.topology import REGISTRY
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Call

# (principal, request key); the first command under it is the poison.
Keys = AbstractSet[tuple[int, bytes]]


class Poisoned(Exception):
    """The machine gives up at this command."""


def taste(call: Call, keys: Keys) -> None:
    """Raises Poisoned where the call brings a poison command that is not voided."""
    if call.actor != REGISTRY or not any(key in call.payload for _, key in keys):
        return
    brought = batches.RegistryCall.FromString(call.payload)
    index = 0
    for batch in brought.input.batches:
        if (batch.principal, batch.request_key) in keys and index not in brought.voided:
            raise Poisoned(f"command {index} of block {brought.input.height} cannot be executed here")
        index += command_count(commands.BlockInput(block_time_ms=brought.input.block_time_ms, batches=[batch]))


class _Tasting(InlineTransport):
    def __init__(self, keys: Keys) -> None:
        super().__init__(1)
        self._keys = keys

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        for call in calls:
            taste(call, self._keys)
        return super().call(calls)


class SimTrial:
    """See `cluster.poison.Trial`: on the machine that gave up."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._parts: Mapping[str, bytes] = {}

    def load(self, parts: Mapping[str, bytes]) -> None:
        """See `Trial`."""
        self._parts = parts

    def attempt(self, block: bytes, frame_hash: bytes, epoch: int, voided: Sequence[int]) -> str:
        """See `Trial`."""
        replica = Replica(1, transport=_Tasting(self._keys))
        try:
            if self._parts:
                replica.restore(self._parts)
            replica.apply(commands.BlockInput.FromString(block), frame_hash, epoch, voided)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return ""

    def close(self) -> None:
        """See `Trial`."""
