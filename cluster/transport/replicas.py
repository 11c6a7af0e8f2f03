"""Replicas of the whole node in processes of their own on Ray: the validator, and the trial of a command that kills.

They are no actors of a block: nobody waits for them, so their calls travel over Ray whatever the transport is.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cluster.placement import even
from cluster.transport.gathering import STALL_S, gather
from cluster.transport.ray import OVER_RAY, RayProcess, start
from cluster.transport.transport import ActorLost
from cluster.trial import TrialHost


class RayValidator:
    """A validator in a process of its own; see `cluster.validation.ValidatorHost`."""

    def __init__(
        self, host: type, *arguments: Any, stall_s: float = STALL_S, resources: Mapping[str, float] | None = None
    ) -> None:
        self._stall_s = stall_s
        handle = start(host, *arguments, resources=dict(resources or {}))
        self._process = RayProcess("validator", handle, stall_s, lambda: even(1))

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method and waits. Raises ActorLost."""
        return gather([(self._process, self._process.ask(method, *arguments))], self._stall_s, OVER_RAY)[0]

    def close(self) -> None:
        """Ends the process."""
        self._process.end()


class RayTrial:
    """A trial in a process of its own; see `cluster.trial.TrialHost`. One that dies is made again when it is asked."""

    def __init__(self, shards: int, stall_s: float = STALL_S) -> None:
        self._shards = shards
        self._stall_s = stall_s
        self._parts: dict[str, bytes] = {}
        self._process: RayProcess | None = None

    def load(self, parts: Mapping[str, bytes]) -> None:
        """The cut every attempt starts from."""
        self._parts = dict(parts)
        self.close()

    def attempt(self, block: bytes, frame_hash: bytes, epoch: int, voided: Sequence[int] = ()) -> str:
        """Runs the block on the cut; why it cannot be run, or nothing. Raises ActorLost where it killed the process."""
        process = self._process or self._start()
        request = process.ask("attempt", block, frame_hash, epoch, tuple(voided))
        try:
            return str(gather([(process, request)], self._stall_s, OVER_RAY)[0])
        except ActorLost:
            self._process = None
            raise

    def _start(self) -> RayProcess:
        handle = start(TrialHost, self._shards)
        process = self._process = RayProcess("trial", handle, self._stall_s, lambda: even(1))
        gather([(process, process.ask("load", self._parts))], self._stall_s, OVER_RAY)
        return process

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.end()
            self._process = None
