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
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, ObjectLostError, RayActorError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from cluster.launch import what_ended
from cluster.placement import Owners, even
from cluster.topology import stays
from cluster.transport import processes
from cluster.transport.actor_host import ActorHost
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import ActorLost, Call, TransportGone

_OPTIONS: dict[str, Any] = {"num_cpus": 0, "max_restarts": 0, "max_task_retries": 0, "enable_task_events": False}
STALL_S = 5.0
# Who works without an answer for so many times `stall_s` is lost too: an endless loop is no progress.
_PATIENCE = 12
# Payloads of a replay that travel together; larger messages go through the object store.
_REPLAY_BYTES = 16 << 20
_LOOK_S = 2.0
_LOOK_EVERY_S = 1.0
_LOST = (RayActorError, ObjectLostError)


def no_resources(actor: str) -> Mapping[str, float]:
    """Every actor may run anywhere."""
    return {}


def _where(host: object) -> tuple[str, int]:
    return ray.get_runtime_context().get_node_id(), os.getpid()


class RayProcess:
    """One process of an actor, from its start to its end. Its answers are its own: the next one is another object."""

    def __init__(self, actor: str, handle: Any, stall_s: float, owners: Callable[[], Owners]) -> None:
        self.actor = actor
        self.handle = handle
        self._stall_s = stall_s
        self._owners = owners
        self._where = handle.__ray_call__.remote(_where)  # asked first, so that it is known when the process stalls

    def where(self, timeout_s: float) -> tuple[str, int] | None:
        """(Ray node, pid); None while the process is not up, or no more."""
        try:
            node, pid = ray.get(self._where, timeout=timeout_s)
            return str(node), int(pid)
        except (*_LOST, GetTimeoutError):
            return None

    def restore(self, parts: Sequence[bytes]) -> None:
        """Waits until the actor has its state. Raises ActorLost."""
        gather([(self, self.handle.restore.remote(self._owners(), *parts))], self._stall_s)

    def replay(self, payloads: Sequence[bytes]) -> None:
        """Waits until the calls are applied. Raises ActorLost."""
        for some in _by_size(payloads):
            gather([(self, self.handle.replay.remote(*some))], self._stall_s)

    def end(self) -> None:
        """Ends it, wherever it is and in whatever state; answers still on their way are nobody's."""
        where = self.where(0)
        if not what_ended():
            with contextlib.suppress(RayError, ValueError):  # it is gone already
                ray.kill(self.handle)
        if where:
            _there(where[0], processes.end, where[1])


def _there(node: str, work: Callable[..., Any], *arguments: Any) -> Any:
    """Does something with a process on the machine where it is; None where that machine does not answer."""
    if node == ray.get_runtime_context().get_node_id():
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


class _Watch:
    """Whether Ray itself is still there; asked at every trouble and now and then."""

    def __init__(self) -> None:
        self._looked_s = 0.0

    def look(self, unless_within_s: float = 0.0) -> None:
        """Raises TransportGone; does nothing where the last look is no older."""
        now_s = time.monotonic()
        if now_s - self._looked_s < unless_within_s:
            return
        self._looked_s = now_s
        if ended := what_ended():
            raise TransportGone(f"the embedded Ray has lost its {ended}, and every actor with it")


_WATCH = _Watch()


def gather(requests: Sequence[tuple[RayProcess, Any]], stall_s: float) -> list[Any]:
    """Waits for all answers while those who owe one are working on it.

    Raises ActorLost, which names who is gone; TransportGone where Ray itself is.
    """
    references = [reference for _, reference in requests]
    seen: dict[str, tuple[processes.Look, float]] = {}
    _WATCH.look(_LOOK_EVERY_S)
    for _ in range(_PATIENCE):
        try:
            return list(ray.get(references, timeout=stall_s))
        except GetTimeoutError:
            _WATCH.look()
            stalled = [process for process in _late(requests) if _is_stalled(process, seen)]
            _end_all(stalled, f"has not answered for {stall_s:g} s and does nothing")
        except _LOST as error:
            _WATCH.look()
            lost = _lost(requests)
            raise ActorLost(lost[0], lost[1:]) from error
    _end_all(_late(requests), f"has worked for {_PATIENCE * stall_s:g} s without an answer")
    return list(ray.get(references, timeout=stall_s))


def _late(requests: Sequence[tuple[RayProcess, Any]]) -> list[RayProcess]:
    _, waiting = ray.wait([reference for _, reference in requests], num_returns=len(requests), timeout=0)
    return [process for process, reference in requests if reference in waiting]


def _is_stalled(process: RayProcess, seen: dict[str, tuple[processes.Look, float]]) -> bool:
    """Whether it is stopped, or got nowhere since the last look; `seen` remembers the looks of one wait."""
    where, now_s = process.where(0), time.monotonic()
    if where is None:
        return False  # it has not started yet
    found = _there(where[0], processes.look, where[1])
    before, then_s = seen.get(process.actor, (None, now_s))
    if found is not None:
        seen[process.actor] = (found, now_s)
    return not processes.is_working(before, found, now_s - then_s)


def _end_all(late: Sequence[RayProcess], how: str) -> None:
    for process in late:
        process.end()
    if late:
        raise ActorLost(late[0].actor, [process.actor for process in late[1:]], how)


def _lost(requests: Sequence[tuple[RayProcess, Any]]) -> list[str]:
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


class RayTransport:
    """See `Transport`. Ray must be initialised (`cluster.launch`). `resources`: what an actor's machine must offer."""

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
        self._host_class = ray.remote(ActorHost)

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
        handle = self._host_class.options(**_OPTIONS, resources=resources, **options).remote(actor, self._owners)
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
        return self._both(calls, self._local.call, lambda handle, payload: handle.apply.remote(payload))

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """All at once."""
        return self._both(calls, self._local.query, lambda handle, payload: handle.query.remote(payload))

    def _both(
        self, calls: Sequence[Call], here: Callable[[Sequence[Call]], list[bytes]], away: Callable[[Any, bytes], Any]
    ) -> list[bytes]:
        staying = [call for call in calls if self._local.has(call.actor)]
        asked = [(self._processes[call.actor], call.payload) for call in calls if not self._local.has(call.actor)]
        requests = [(process, away(process.handle, payload)) for process, payload in asked]
        answers = dict(zip((call.actor for call in staying), here(staying), strict=True))
        found = gather(requests, self._stall_s) if requests else []
        answers |= dict(zip((process.actor for process, _ in requests), found, strict=True))
        return [answers[call.actor] for call in calls]

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """All at once."""
        remote = [self._processes[actor] for actor in actors if not self._local.has(actor)]
        requests = [(process, process.handle.snapshot.remote()) for process in remote]
        found = gather(requests, self._stall_s) if requests else []
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


class RayValidator:
    """A validator in a process of its own; see `cluster.validation.ValidatorHost`."""

    def __init__(
        self, host: type, *arguments: Any, stall_s: float = STALL_S, resources: Mapping[str, float] | None = None
    ) -> None:
        self._stall_s = stall_s
        handle = ray.remote(host).options(**_OPTIONS, resources=dict(resources or {})).remote(*arguments)
        self._process = RayProcess("validator", handle, stall_s, lambda: even(1))

    def ask(self, method: str, *arguments: Any) -> Any:
        """Calls a method and waits. Raises ActorLost."""
        request = getattr(self._process.handle, method).remote(*arguments)
        return gather([(self._process, request)], self._stall_s)[0]

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
        request = process.handle.attempt.remote(block, frame_hash, epoch, tuple(voided))
        try:
            return str(gather([(process, request)], self._stall_s)[0])
        except ActorLost:
            self._process = None
            raise

    def _start(self) -> RayProcess:
        # A replica brings every actor's mind: none of it belongs into the process of one actor, which reads this file.
        from cluster.trial import TrialHost

        handle = ray.remote(TrialHost).options(**_OPTIONS).remote(self._shards)
        process = self._process = RayProcess("trial", handle, self._stall_s, lambda: even(1))
        gather([(process, handle.load.remote(self._parts))], self._stall_s)
        return process

    def close(self) -> None:
        """Ends the process."""
        if self._process is not None:
            self._process.end()
            self._process = None
