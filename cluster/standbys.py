"""Standbys: beside an actor a second one that is given the same calls and takes its place within milliseconds.

A standby gets a call once the actor has answered it, from a thread of its own, so the block's path neither waits for it
nor hears of its failures, and a call that kills the actor does not kill the standby with it. It may therefore be ahead
of the journal by the block under way: where that block is rolled back, all actors get their state anew, the standbys
too. One that falls two cuts behind starts again from the newest, so what waits for it is bounded by what is kept for
rebuilds anyway.
"""

from collections.abc import Callable, Sequence
from threading import Thread
from typing import Any, Protocol

from cluster.backoff import Backoff, Clock, SystemClock
from cluster.call_log import CallLog, Stretch
from cluster.topology import is_shard
from cluster.transport.transport import ActorLost

KINDS = ("none", "shards", "all")
# A new standby waits for so long: whoever has just started, or taken over, has the processors first.
SETTLE_S = 1.0
# The calls of one block reach the standby together.
_GATHER_S = 0.005
_HAND_OVER_S = 10.0


class Follower(Protocol):
    """A second process of an actor. Every method raises ActorLost when it is gone."""

    def restore(self, parts: Sequence[bytes]) -> None:
        """Gives it a state in place of whatever it had."""

    def replay(self, payloads: Sequence[bytes]) -> None:
        """Applies calls, in their order."""

    def end(self) -> None:
        """Ends it."""


class Crew(Protocol):
    """What a transport offers beyond `Transport` where there are standbys."""

    def can_stand_by(self, actor: str) -> bool:
        """Whether a second one makes sense."""

    def follower(self, actor: str) -> Any:
        """A new, empty Follower."""

    def promote(self, actor: str, follower: Any) -> None:
        """It becomes the actor; the one before is ended."""


class Standbys:
    """The standbys of a node. `kind` says of which actors: `shards`, or `all` that have a process of their own."""

    def __init__(
        self,
        kind: str,
        crew: Crew,
        notice: Callable[[str], None],
        clock: Clock | None = None,
        settle_s: float = SETTLE_S,
    ) -> None:
        assert kind in KINDS, f"standbys are {', '.join(KINDS)}, not {kind}"
        self._kind = kind
        self._crew = crew
        self._notice = notice
        self._backoff = Backoff(clock or SystemClock())
        self._settle_s = settle_s
        self._standbys: dict[str, _Standby] = {}
        self.log = CallLog()

    def watch(self, actor: str) -> None:
        """The actor was made: it gets a standby if it is one of those that have one."""
        chosen = self._kind == "all" or (self._kind == "shards" and is_shard(actor))
        if chosen and actor not in self._standbys and self._crew.can_stand_by(actor):
            self._begin(actor)

    def _begin(self, actor: str) -> None:
        self._standbys[actor] = _Standby(actor, self._crew, self.log, self._backoff, self._notice, self._settle_s)

    def promote(self, actor: str) -> bool:
        """Brings the standby up to the last answered call and puts it in the actor's place; False where it cannot.

        Another standby is then made in the background.
        """
        standby = self._standbys.get(actor)
        follower = standby.hand_over() if standby else None
        if follower is None:
            return False
        self._crew.promote(actor, follower)
        self._begin(actor)
        return True

    def ready(self) -> list[str]:
        """Actors whose standby could take over now."""
        return sorted(actor for actor, standby in list(self._standbys.items()) if standby.could_take_over())

    def missing(self) -> list[str]:
        """A sentence for every standby that could not."""
        waiting = [actor for actor, standby in list(self._standbys.items()) if not standby.could_take_over()]
        return [f"the standby of {actor} is being made" for actor in sorted(waiting)]

    def close(self) -> None:
        """Ends them all."""
        for standby in self._standbys.values():
            standby.close()


class _Standby:
    """One standby, and the thread that makes and feeds it until it is handed over or closed."""

    def __init__(
        self, actor: str, crew: Crew, log: CallLog, backoff: Backoff, notice: Callable[[str], None], settle_s: float
    ) -> None:
        self._actor = actor
        self._crew = crew
        self._log = log
        self._changed = log.changed(actor)
        self._backoff = backoff
        self._notice = notice
        self._settle_s = settle_s
        self._follower: Any = None
        self._wanted = self._given = self._closing = False
        self._following: _Place | None = None
        self._thread = Thread(target=self._run, name=f"standby of {actor}", daemon=True)
        self._thread.start()

    def could_take_over(self) -> bool:
        """Whether it has the state of a moment that leads to now."""
        place = self._following
        return place is not None and not place.is_broken()

    def hand_over(self) -> Any:
        """The follower, caught up, for the thread that makes blocks; None where there is none to be had soon."""
        with self._changed:
            if not self.could_take_over():
                return None
            self._wanted = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._given or self._following is None, _HAND_OVER_S)
            if not self._given:
                self._wanted = False
                return None
            return self._follower

    def close(self) -> None:
        """Ends it, after the message under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(_HAND_OVER_S)
        if self._follower is not None and not self._given:
            self._follower.end()

    def _run(self) -> None:
        pause_s = self._settle_s
        while not self._is_over(pause_s):
            pause_s = self._settle_s
            try:
                self._follow()
            except Exception as error:  # whatever it is, the actor itself goes on
                how = error.how if isinstance(error, ActorLost) else f"failed ({type(error).__name__}: {error})"
                if not self._closing:
                    self._notice(f"the standby of {self._actor} {how}; making another")
                self._let_go()
                pause_s += self._backoff.failed(f"standby of {self._actor}")

    def _is_over(self, pause_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self._closing or self._given, pause_s)

    def _let_go(self) -> None:
        with self._changed:
            self._following = None
            self._changed.notify_all()
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.end()

    def _follow(self) -> None:
        """From the newest cut along the log, until the log breaks off or the standby is handed over or closed."""
        with self._changed:
            place = _Place(self._log.now, self._actor)
            parts = self._log.base(self._actor)
        if not parts:
            self._let_go()  # only a new one is empty for certain
        if self._follower is None:
            self._follower = self._crew.follower(self._actor)
        if parts:
            self._follower.restore(parts)
        while (calls := self._take(place)) is not None:
            self._follower.replay(calls)

    def _take(self, place: "_Place") -> list[bytes] | None:
        """The next calls, waiting for them; None where it ends."""
        with self._changed:
            while not self._closing:
                if place.is_broken():
                    self._following = None
                    self._changed.notify_all()
                    return None
                if calls := place.calls():
                    return calls
                if not place.is_last():
                    continue
                self._following = place
                if self._wanted:
                    self._given = True
                    self._changed.notify_all()
                    return None
                self._changed.wait()
                self._changed.wait_for(lambda: self._wanted or self._closing, _GATHER_S)
        return None


class _Place:
    """How far a standby has come along the log."""

    def __init__(self, stretch: Stretch, actor: str) -> None:
        self.stretch = stretch
        self._actor = actor
        self._rebased = stretch.rebased[actor]
        self._count = 0

    def is_broken(self) -> bool:
        """What comes next does not continue what the standby has, or is too far away."""
        if self.stretch.rebased[self._actor] != self._rebased:
            return True
        following = self.stretch.next
        return following is not None and (self._actor in following.fresh or following.next is not None)

    def is_last(self) -> bool:
        """Whether this is the newest stretch; goes on to the next where it is not."""
        if self.stretch.next is None:
            return True
        self.stretch, self._count, self._rebased = self.stretch.next, 0, 0
        return False

    def calls(self) -> list[bytes]:
        """Calls of this stretch that were not given yet."""
        calls = self.stretch.calls.get(self._actor, [])[self._count :]
        self._count += len(calls)
        return calls
