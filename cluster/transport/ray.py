"""Actors on Ray: each a plain object in a process of its own. The one file that says `.remote(`.

Restarts and retries are ours: Ray's own would bring back an empty actor and repeat calls out of order, so they are off,
and a dead actor is reported as ActorLost within milliseconds. Small payloads travel by value. Registry and oracle stay
here, beside the sequencer whose frames they read: small, first in every block, and two round trips before the shards
could begin. What is left of a quiet block are its two fan-outs. An insurance desk stays too: a handful of sums a block
do not earn a process, 60 MB and half a second of start.
"""

from collections.abc import Callable, Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError

from cluster.placement import Owners, even
from cluster.topology import ORACLE, REGISTRY, is_insurance
from cluster.transport.actor_host import ActorHost
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import ActorLost, Call

_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0, "enable_task_events": False}


_LOCAL = frozenset((REGISTRY, ORACLE))


def _stays(actor: str) -> bool:
    return actor in _LOCAL or is_insurance(actor)


class RayTransport:
    """See `Transport`. Ray must be initialised (`cluster.launch`)."""

    def __init__(self, shards: int) -> None:
        self._owners = even(shards)
        self._handles: dict[str, Any] = {}
        self._pids: dict[str, int] = {}
        self._local = InlineTransport(shards)
        self._host_class = ray.remote(ActorHost)

    def place(self, owners: Owners) -> None:
        """Shards made from here on own their buckets in this way."""
        self._owners = owners

    def make(self, actor: str) -> None:
        """Starts a process for the actor; one that was there is ended."""
        if _stays(actor):
            self._local.make(actor)
            return
        self._end(actor)
        self._handles[actor] = self._host_class.options(**_OPTIONS).remote(actor, self._owners)
        self._pids.pop(actor, None)

    def has(self, actor: str) -> bool:
        """Whether it was made, dead or alive."""
        return actor in self._handles or self._local.has(actor)

    def _gather(self, requests: Sequence[tuple[str, Any]]) -> list[Any]:
        """Waits for all answers; the first lost actor is named after every other has answered or failed."""
        try:
            return list(ray.get([reference for _, reference in requests]))
        except RayActorError:
            for actor, reference in requests:
                try:
                    ray.get(reference)
                except RayActorError as error:
                    raise ActorLost(actor) from error
            raise

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """All at once; what stays here works while the others do."""
        return self._both(calls, self._local.call, lambda call: self._handles[call.actor].apply.remote(call.payload))

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """All at once."""
        return self._both(calls, self._local.query, lambda call: self._handles[call.actor].query.remote(call.payload))

    def _both(
        self, calls: Sequence[Call], here: Callable[[Sequence[Call]], list[bytes]], away: Callable[[Call], Any]
    ) -> list[bytes]:
        staying = [call for call in calls if self._local.has(call.actor)]
        requests = [(call.actor, away(call)) for call in calls if not self._local.has(call.actor)]
        answers = dict(zip((call.actor for call in staying), here(staying), strict=True))
        answers |= dict(zip((actor for actor, _ in requests), self._gather(requests), strict=True))
        return [answers[call.actor] for call in calls]

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """All at once."""
        remote = [actor for actor in actors if not self._local.has(actor)]
        parts = dict(
            zip(remote, self._gather([(name, self._handles[name].snapshot.remote()) for name in remote]), strict=True)
        )
        return [parts[actor] if actor in parts else self._local.snapshot([actor])[0] for actor in actors]

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """Waits until the actor has its state."""
        if self._local.has(actor):
            self._local.restore(actor, parts)
            return
        self._gather([(actor, self._handles[actor].restore.remote(*parts))])

    def pids(self) -> dict[str, int]:
        """The process of every actor, asked for once each."""
        self._pids |= self._local.pids()
        for actor, handle in list(self._handles.items()):
            if actor not in self._pids:
                try:
                    (self._pids[actor],) = self._gather([(actor, handle.pid.remote())])
                except ActorLost:
                    continue  # it is being made again
        return dict(self._pids)

    def _end(self, actor: str) -> None:
        handle = self._handles.pop(actor, None)
        if handle is not None:
            ray.kill(handle)

    def close(self) -> None:
        """Ends every actor."""
        for actor in list(self._handles):
            self._end(actor)


class RayValidator:
    """A validator in a process of its own; see `cluster.validation.ValidatorHost`."""

    def __init__(self, host: type, *arguments: Any) -> None:
        self._handle = ray.remote(host).options(**_OPTIONS).remote(*arguments)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method and waits. Raises ActorLost."""
        try:
            return ray.get(getattr(self._handle, method).remote(*arguments))
        except RayActorError as error:
            raise ActorLost("validator") from error

    def close(self) -> None:
        """Ends the process."""
        ray.kill(self._handle)
