"""Calls to actors in which everything goes wrong that goes wrong between processes: real bytes to the real objects.

An actor dies before or after it has applied a call, gets it twice, answers late, or works on after it was replaced.
"""

from collections.abc import Callable, Sequence
from random import Random

from actors.contract import Actor
from cluster.placement import Owners
from cluster.simulator.faults import Fault
from cluster.simulator.poison import Keys, taste
from cluster.simulator.process import Process
from cluster.topology import is_shard
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import ActorLost, Call

# An actor that has not answered by then is ended and made again, as on Ray.
STALL_MS = 2_000


class SimTransport:
    """See `cluster.transport.transport.Transport`. `complain` hears of answers that differ."""

    def __init__(self, shards: int, process: Process, seed: int, poison: Keys, complain: Callable[[str], None]) -> None:
        self.inline = InlineTransport(shards)
        self._process = process
        self._rng = Random(f"{seed}/transport/{process.name}")
        self._poison = poison
        self._complain = complain
        self._zombies: dict[str, Actor] = {}
        self._dead: set[str] = set()

    def place(self, owners: Owners) -> None:
        """See `Transport`."""
        self.inline.place(owners)

    def make(self, actor: str) -> None:
        """See `Transport`; the one that was there works on unseen."""
        if self.inline.has(actor):
            self._zombies[actor] = self.inline.actor(actor)
        self.inline.make(actor)
        self._dead.discard(actor)

    def has(self, actor: str) -> bool:
        """See `Transport`; dead or alive."""
        return self.inline.has(actor)

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """See `Transport`. Delivered in any order; a loss is told when the others have answered."""
        self._process.crash_point(Fault.CRASH_IN_CALL)
        self._process.pause_point()
        replies: dict[str, bytes] = {}
        lost: list[str] = []
        for call in self._rng.sample(calls, len(calls)):
            try:
                replies[call.actor] = self._deliver(call)
            except ActorLost as loss:
                lost.append(loss.actor)
        if lost:
            raise ActorLost(min(lost))
        return [replies[call.actor] for call in calls]

    def _deliver(self, call: Call) -> bytes:
        chaos, actor = self._process.chaos, call.actor
        self._require(actor)
        if chaos.strikes(Fault.ACTOR_LOST_BEFORE, actor):
            self._lose(actor)
        self._wait(call)
        taste(call, self._poison)
        reply = self.inline.call([call])[0]
        if chaos.strikes(Fault.CALL_DUPLICATED, actor) and self.inline.call([call])[0] != reply:
            self._complain(f"{actor} answered the same call with other bytes")
        if chaos.strikes(Fault.ACTOR_LOST_AFTER, actor):
            self._lose(actor)
        self._zombie_too(call)
        return reply

    def _wait(self, call: Call) -> None:
        """The call takes its time, in which the world goes on; too long, and the actor is ended."""
        chaos = self._process.chaos
        if chaos.strikes(Fault.CALL_DELAYED, call.actor):
            self._process.stand_still(chaos.between(Fault.CALL_DELAYED, 1, 60))
        if is_shard(call.actor) and chaos.strikes(Fault.SHARD_SLOW, call.actor):
            took_ms = chaos.between(Fault.SHARD_SLOW, 50, STALL_MS + 1_000)
            self._process.stand_still(min(took_ms, STALL_MS))
            if took_ms > STALL_MS:
                self._lose(call.actor)

    def _zombie_too(self, call: Call) -> None:
        """An actor that was replaced gets the call as well; nobody hears what it says."""
        zombie = self._zombies.get(call.actor)
        if zombie is not None and self._process.chaos.strikes(Fault.REPLY_OF_ZOMBIE, call.actor):
            try:
                zombie.apply(call.payload)
            except Exception:  # whatever it makes of a call that is not its next one
                del self._zombies[call.actor]

    def _lose(self, actor: str) -> None:
        self._dead.add(actor)
        raise ActorLost(actor)

    def _require(self, *actors: str) -> None:
        for actor in actors:
            if actor in self._dead:
                raise ActorLost(actor)

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """See `Transport`."""
        self._require(*(call.actor for call in calls))
        return self.inline.query(calls)

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """See `Transport`."""
        self._process.crash_point(Fault.CRASH_IN_CALL)
        self._require(*actors)
        for actor in actors:
            if self._process.chaos.strikes(Fault.ACTOR_LOST_BEFORE, actor):
                self._lose(actor)
        return self.inline.snapshot(actors)

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """See `Transport`."""
        self._process.crash_point(Fault.CRASH_IN_CALL)
        self._require(actor)
        self.inline.restore(actor, parts)
        if self._process.chaos.strikes(Fault.ACTOR_LOST_AFTER, actor):
            self._lose(actor)

    def replay(self, actor: str, payloads: Sequence[bytes]) -> None:
        """See `Transport`."""
        self._require(actor)
        self.inline.replay(actor, payloads)

    def pids(self) -> dict[str, int]:
        """See `Transport`; numbers that mean nothing."""
        return dict.fromkeys(self.inline.pids(), 1)

    def nodes(self) -> dict[str, str]:
        """See `Carrier`."""
        return self.inline.nodes()

    def close(self) -> None:
        """See `Transport`."""
        self.inline.close()
