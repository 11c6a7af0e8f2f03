"""Actors on Ray: each a plain object in a process of its own. The one file that says `.remote(`.

Restarts and retries are ours: Ray's own would bring back an empty actor and repeat calls out of order, so they are off,
and a dead actor is reported as ActorLost within milliseconds. Small payloads travel by value. Registry and oracle stay
here, beside the sequencer whose frames they read: small, first in every block, and two round trips before the shards
could begin. What is left of a quiet block are its two fan-outs. An insurance desk stays too: a handful of sums a block
do not earn a process, 60 MB and half a second of start.

A process that has not answered for `stall_s` and used no processor time meanwhile is stalled: stopped, swapped out, or
behind a broken network. It is ended (by pid: Ray's own way waits for a stopped process) and lost like a dead one. An
answer is taken only from the call it was made for, and that names one process: whatever the old one may still do, on
a machine that cannot be reached, nobody listens.

How calls and answers travel is a `Wire`: here Ray's own calls, in `cluster.transport.lane` a socket to each process.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, ObjectLostError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.launch import what_ended
from cluster.placement import Owners, even
from cluster.topology import stays
from cluster.transport import processes
from cluster.transport.actor_host import ActorHost
from cluster.transport.gathering import RAY_WATCH, STALL_S, Asked, Wire, gather
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import ActorLost, Call

_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0, "enable_task_events": False}
# Payloads of a replay that travel together; larger messages go through the object store.
_REPLAY_BYTES = 16 << 20
_LOOK_S = 2.0
_LOST = (RayActorError, ObjectLostError)


def no_resources(actor: str) -> Mapping[str, float]:
    """Every actor may run anywhere."""
    return {}


# One class of Ray's for each of ours: every further one would be sent to the cluster again.
_on_ray = cache(ray.remote)


def start(host: type, *arguments: Any, **options: Any) -> Any:
    """Puts a plain object into a process of its own; its handle. `options` are Ray's, beyond those of every actor."""
    return _on_ray(host).options(**{**_OPTIONS, **options}).remote(*arguments)


def this_node() -> str:
    """The Ray node of this process."""
    return str(ray.get_runtime_context().get_node_id())


def this_address() -> str:
    """Under which this machine is reached from others."""
    return str(ray.util.get_node_ip_address())


def _where(host: object) -> tuple[str, int]:
    return this_node(), os.getpid()


class _RayCalls:
    """Answers travel as Ray's own; a request is known by the reference of its answer. See `Wire`."""

    def get(self, requests: Sequence[Asked], timeout_s: float) -> list[Any] | None:
        """See `Wire`."""
        try:
            return list(ray.get([reference for _, reference in requests], timeout=timeout_s))
        except GetTimeoutError:
            return None
        except _LOST as error:
            RAY_WATCH.look()
            lost = _lost(requests)
            raise ActorLost(lost[0], lost[1:]) from error

    def late(self, requests: Sequence[Asked]) -> list[Any]:
        """See `Wire`."""
        _, waiting = ray.wait([reference for _, reference in requests], num_returns=len(requests), timeout=0)
        return [process for process, reference in requests if reference in waiting]


def _lost(requests: Sequence[Asked]) -> list[str]:
    """Everybody whose answer will never come, as far as is known."""
    known, _ = ray.wait([reference for _, reference in requests], num_returns=len(requests), timeout=0)
    lost = []
    for process, reference in requests:
        if reference in known:
            try:
                ray.get(reference)
            except _LOST:
                lost.append(process.actor)
            except Exception:
                continue  # it answered with an error, and will again when it is asked again
    return lost


OVER_RAY = _RayCalls()


class RayProcess:
    """One process of an actor, from its start to its end. Its answers are its own: the next one is another object."""

    wire: Wire = OVER_RAY

    def __init__(self, actor: str, handle: Any, stall_s: float, owners: Callable[[], Owners]) -> None:
        self.actor = actor
        self._handle = handle
        self._stall_s = stall_s
        self._owners = owners
        self._where = self.within(_where)  # asked first, so that it is known when the process stalls

    def within(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """Has a function called on the object in its process, through Ray; `gather` has the answer."""
        return self._handle.__ray_call__.remote(work, *arguments)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Asks it to carry out a method; `gather` has the answer. It does one thing after the other, as asked."""
        return getattr(self._handle, method).remote(*arguments)

    def where(self, timeout_s: float) -> tuple[str, int] | None:
        """(Ray node, pid); None while the process is not up, or no more."""
        try:
            node, pid = ray.get(self._where, timeout=timeout_s)
            return str(node), int(pid)
        except (*_LOST, GetTimeoutError):
            return None

    def is_up(self) -> bool:
        """See `Process`."""
        return self.where(0) is not None

    def look(self) -> processes.Look | None:
        """See `Process`."""
        where = self.where(0)
        return _there(where[0], processes.look, where[1]) if where else None

    def restore(self, parts: Sequence[bytes]) -> None:
        """Waits until the actor has its state. Raises ActorLost."""
        gather([(self, self.ask("restore", self._owners(), *parts))], self._stall_s, self.wire)

    def replay(self, payloads: Sequence[bytes]) -> None:
        """Waits until the calls are applied. Raises ActorLost."""
        for some in _by_size(payloads):
            gather([(self, self.ask("replay", *some))], self._stall_s, self.wire)

    def end(self) -> None:
        """Ends it, wherever it is and in whatever state; answers still on their way are nobody's."""
        where = self.where(0)
        if not what_ended():
            with contextlib.suppress(RayError, ValueError):  # it is gone already
                ray.kill(self._handle)
        if where:
            _there(where[0], processes.end, where[1])


def _there(node: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Does something with a process on the machine where it is; None where that machine does not answer."""
    if node == this_node():
        return work(*arguments)
    options = {"num_cpus": 0, "scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=False)}
    try:
        return ray.get(ray.remote(work).options(**options).remote(*arguments), timeout=_LOOK_S)
    except RayError:
        return None


def _by_size(payloads: Sequence[bytes]) -> Iterator[list[bytes]]:
    some: list[bytes] = []
    size = 0
    for payload in payloads:
        some.append(payload)
        size += len(payload)
        if size >= _REPLAY_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


class RayTransport:
    """See `Transport`. Ray must be initialised (`cluster.launch`). `resources`: what an actor's machine must offer."""

    host: type = ActorHost
    wire: Wire = OVER_RAY

    def __init__(
        self,
        shards: int,
        resources: Callable[[str], Mapping[str, float]] = no_resources,
        stall_s: float = STALL_S,
    ) -> None:
        self._owners = even(shards)
        self._resources = resources
        self._stall_s = stall_s
        self._processes: dict[str, RayProcess] = {}
        self._local = InlineTransport(shards)

    def place(self, owners: Owners) -> None:
        """Shards made or restored from here on own their buckets in this way."""
        self._owners = owners
        self._local.place(owners)

    def make(self, actor: str) -> None:
        """Starts a process for the actor; one that was there is ended."""
        if stays(actor):
            self._local.make(actor)
            return
        self._end(actor)
        self._processes[actor] = self._start(actor, {})

    def _start(self, actor: str, options: Mapping[str, Any]) -> RayProcess:
        resources = dict(self._resources(actor))
        handle = start(self.host, actor, self._owners, resources=resources, **options)
        return self._process(actor, handle)

    def _process(self, actor: str, handle: Any) -> RayProcess:
        return RayProcess(actor, handle, self._stall_s, lambda: self._owners)

    def can_stand_by(self, actor: str) -> bool:
        """Whether a second process makes sense: the actor has one of its own."""
        return not stays(actor)

    def follower(self, actor: str) -> RayProcess:
        """A second, empty process for the actor, on another Ray node than the first where there is one."""
        primary = self._processes[actor].where(self._stall_s)
        node = _another_node(primary[0] if primary else "", self._resources(actor))
        options = {"scheduling_strategy": NodeAffinitySchedulingStrategy(node, soft=True)} if node else {}
        return self._start(actor, options)

    def promote(self, actor: str, follower: RayProcess) -> None:
        """The second process takes the actor's place; the first is ended."""
        self._end(actor)
        self._processes[actor] = follower

    def has(self, actor: str) -> bool:
        """Whether it was made, dead or alive."""
        return actor in self._processes or self._local.has(actor)

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """All at once; what stays here works while the others do."""
        return self._both(calls, self._local.call, "apply")

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """All at once."""
        return self._both(calls, self._local.query, "query")

    def _both(self, calls: Sequence[Call], here: Callable[[Sequence[Call]], list[bytes]], away: str) -> list[bytes]:
        staying = [call for call in calls if self._local.has(call.actor)]
        asked = [(self._processes[call.actor], call.payload) for call in calls if not self._local.has(call.actor)]
        requests = [(process, process.ask(away, payload)) for process, payload in asked]
        answers = dict(zip((call.actor for call in staying), here(staying), strict=True))
        found = gather(requests, self._stall_s, self.wire) if requests else []
        answers |= dict(zip((process.actor for process, _ in requests), found, strict=True))
        return [answers[call.actor] for call in calls]

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """All at once."""
        remote = [self._processes[actor] for actor in actors if not self._local.has(actor)]
        requests = [(process, process.ask("snapshot")) for process in remote]
        found = gather(requests, self._stall_s, self.wire) if requests else []
        parts = dict(zip((process.actor for process in remote), found, strict=True))
        return [parts[actor] if actor in parts else self._local.snapshot([actor])[0] for actor in actors]

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """Waits until the actor has its state."""
        if self._local.has(actor):
            self._local.restore(actor, parts)
        else:
            self._processes[actor].restore(parts)

    def replay(self, actor: str, payloads: Sequence[bytes]) -> None:
        """Many calls a message."""
        if self._local.has(actor):
            self._local.replay(actor, payloads)
        else:
            self._processes[actor].replay(payloads)

    def pids(self) -> dict[str, int]:
        """The process of every actor; one that is being made again has none."""
        return self._local.pids() | {actor: pid for actor, (_, pid) in self._places().items()}

    def nodes(self) -> dict[str, str]:
        """The Ray node of every actor that has a process of its own."""
        return {actor: node for actor, (node, _) in self._places().items()}

    def _places(self) -> dict[str, tuple[str, int]]:
        places = {actor: process.where(self._stall_s) for actor, process in list(self._processes.items())}
        return {actor: where for actor, where in places.items() if where}

    def _end(self, actor: str) -> None:
        process = self._processes.pop(actor, None)
        if process is not None:
            process.end()

    def close(self) -> None:
        """Ends every actor."""
        for actor in list(self._processes):
            self._end(actor)


def offered_resources() -> dict[str, float]:
    """What the machines of the cluster offer, in all."""
    return dict(ray.cluster_resources())


def _another_node(node: str, resources: Mapping[str, float]) -> str:
    """A living Ray node that offers the resources and is not this one; empty where there is none."""
    for other in sorted(ray.nodes(), key=lambda one: str(one["NodeID"])):
        offered = other["Resources"]
        if other["Alive"] and other["NodeID"] != node and all(name in offered for name in resources):
            return str(other["NodeID"])
    return ""
