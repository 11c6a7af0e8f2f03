"""Waiting for answers of processes that may die, stop, or never come to an end; the same however they travel."""

import time
from collections.abc import Sequence
from typing import Any, Protocol

from cluster.launch import what_ended
from cluster.transport import processes
from cluster.transport.transport import ActorLost, TransportGone

STALL_S = 5.0
# Who works without an answer for so many times `stall_s` is lost too: an endless loop is no progress.
_PATIENCE = 12
_LOOK_EVERY_S = 1.0


class Process(Protocol):
    """One process of an actor, from its start to its end."""

    actor: str

    def is_up(self) -> bool:
        """Whether it has started; it may have ended since."""

    def look(self) -> processes.Look | None:
        """See `processes.look`; None too where its machine does not answer."""

    def end(self) -> None:
        """Ends it, wherever it is and in whatever state."""


Asked = tuple[Any, Any]  # a Process, and what its wire knows an answer by


class Wire(Protocol):
    """How answers travel."""

    def get(self, requests: Sequence[Asked], timeout_s: float) -> list[Any] | None:
        """The answers in their order; None where some are not there in time.

        Raises ActorLost, which names whose answers will never come, TransportGone, and what an actor raised.
        """

    def late(self, requests: Sequence[Asked]) -> list[Any]:
        """The processes that still owe an answer."""


class RayWatch:
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


RAY_WATCH = RayWatch()


def gather(requests: Sequence[Asked], stall_s: float, wire: Wire) -> list[Any]:
    """Waits for all answers while those who owe one are working on it.

    Raises ActorLost, which names who is gone; TransportGone where Ray itself is.
    """
    seen: dict[str, tuple[processes.Look, float]] = {}
    RAY_WATCH.look(_LOOK_EVERY_S)
    for _ in range(_PATIENCE):
        answers = wire.get(requests, stall_s)
        if answers is not None:
            return answers
        RAY_WATCH.look()
        stalled = [process for process in wire.late(requests) if _is_stalled(process, seen)]
        _end_all(stalled, f"has not answered for {stall_s:g} s and does nothing")
    _end_all(wire.late(requests), f"has worked for {_PATIENCE * stall_s:g} s without an answer")
    answers = wire.get(requests, stall_s)
    assert answers is not None, "nobody owes an answer and some are missing"
    return answers


def _is_stalled(process: Process, seen: dict[str, tuple[processes.Look, float]]) -> bool:
    """Whether it is stopped, or got nowhere since the last look; `seen` remembers the looks of one wait."""
    if not process.is_up():
        return False
    now_s = time.monotonic()
    found = process.look()
    before, then_s = seen.get(process.actor, (None, now_s))
    if found is not None:
        seen[process.actor] = (found, now_s)
    return not processes.is_working(before, found, now_s - then_s)


def _end_all(late: Sequence[Process], how: str) -> None:
    for process in late:
        process.end()
    if late:
        raise ActorLost(late[0].actor, [process.actor for process in late[1:]], how)
