"""Keeps actors alive across failures: a dead one is made again, given the last cut and every call since.

An actor's state is a function of the cut and the calls, so nothing else has to be stopped or replayed; the calls of the
block under way are sent again, and those that were applied already answer the same bytes.
"""

from collections.abc import Callable, Mapping, Sequence

from cluster.placement import Owners
from cluster.replica import parts_for
from cluster.transport.transport import ActorLost, Call, Transport

MAX_REBUILDS_A_CALL = 8


class Supervisor:
    """A transport that survives its actors. `notice` hears of every rebuild."""

    def __init__(self, transport: Transport, notice: Callable[[str], None]) -> None:
        self._transport = transport
        self._notice = notice
        self._cut: Mapping[str, bytes] = {}
        self._since: dict[str, list[bytes]] = {}
        self.rebuilds = 0
        self.logged_bytes = 0

    def take_cut(self, parts: Mapping[str, bytes]) -> None:
        """From here on actors are rebuilt from this cut."""
        self._cut = parts
        self._since.clear()
        self.logged_bytes = 0

    def place(self, owners: Owners) -> None:
        """Shards made or rebuilt from here on own their buckets in this way."""
        self._transport.place(owners)

    def make(self, actor: str) -> None:
        """A new, empty actor."""
        self._transport.make(actor)

    def has(self, actor: str) -> bool:
        """Whether it was made."""
        return self._transport.has(actor)

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """Carries the calls out, however many actors die on the way. Raises ActorLost when one keeps dying."""
        for call in calls:
            self._since.setdefault(call.actor, []).append(call.payload)
            self.logged_bytes += len(call.payload)
        return self._persist(lambda: self._transport.call(calls))

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """Reads; a dead actor is rebuilt first."""
        return self._persist(lambda: self._transport.query(calls))

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """Parts of a cut; a dead actor is rebuilt first."""
        return self._persist(lambda: self._transport.snapshot(actors))

    def _persist(self, attempt: Callable[[], list[bytes]]) -> list[bytes]:
        for _ in range(MAX_REBUILDS_A_CALL):
            try:
                return attempt()
            except ActorLost as lost:
                self._rebuild(lost.actor)
        return attempt()

    def _rebuild(self, actor: str) -> None:
        """The cut, then the calls since, in their order; the last may be the one that was lost."""
        self.rebuilds += 1
        self._notice(f"actor {actor} is gone; rebuilding it from the cut and {len(self._since.get(actor, []))} calls")
        self._transport.make(actor)
        try:
            parts = parts_for(actor, self._cut)
            if parts:
                self._transport.restore(actor, parts)
            for payload in self._since.get(actor, []):
                self._transport.call([Call(actor, payload)])
        except ActorLost:
            return  # it died again; the next attempt of the caller finds it gone

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """Gives an actor its state; one that dies meanwhile is made again. Raises ActorLost when it keeps dying."""
        for _ in range(MAX_REBUILDS_A_CALL):
            try:
                self._transport.restore(actor, parts)
                return
            except ActorLost:
                self.make(actor)
        self._transport.restore(actor, parts)

    def pids(self) -> dict[str, int]:
        """The process of every actor."""
        return self._transport.pids()

    def close(self) -> None:
        """Ends the actors."""
        self._transport.close()
