"""Keeps actors alive across failures: a dead one is made again, given the last cut and every call since.

An actor's state is a function of the cut and the calls, so nothing else has to be stopped or replayed. The calls of the
block under way are sent again: those that were applied already answer the same bytes. Where a standby follows the
calls (`cluster.standbys`) it takes the dead actor's place at once.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from cluster.backoff import Backoff, Clock, SystemClock
from cluster.call_log import CallLog
from cluster.placement import Owners
from cluster.replica import parts_for
from cluster.standbys import Standbys
from cluster.transport.transport import ActorCrashed, ActorLost, Call, Carrier

# As often may one actor die in one call; after that the call is to blame, or the machine.
DEATHS_A_CALL = 4


class Supervisor:
    """A transport that survives its actors. `notice` hears of every rebuild. Used by the thread that makes blocks."""

    def __init__(
        self,
        transport: Carrier,
        notice: Callable[[str], None],
        standbys: Standbys | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._transport = transport
        self._notice = notice
        self._standbys = standbys
        self._clock = clock or SystemClock()
        self._backoff = Backoff(self._clock)
        self._log = standbys.log if standbys else CallLog()
        self._made: dict[str, None] = {}
        self._fresh: set[str] = set()  # whose state does not follow from the cut and the calls
        self._gone: dict[str, str] = {}  # who must be replaced before anything is asked again, and what became of it
        self.rebuilds = 0

    @property
    def logged_bytes(self) -> int:
        """Size of the calls since the cut."""
        return self._log.bytes

    def take_cut(self, parts: Mapping[str, bytes]) -> None:
        """From here on actors are rebuilt from this cut, which is the state they have."""
        self._log.cut(parts, self._fresh)
        self._fresh.clear()

    def reset(self, parts: Mapping[str, bytes]) -> None:
        """Gives every actor the state of this cut and forgets the calls since the last: a block is rolled back."""
        for actor in list(self._made):
            concerned = parts_for(actor, parts)
            if concerned:
                self.restore(actor, concerned)
            else:
                self.make(actor)
        self.take_cut(parts)

    def place(self, owners: Owners) -> None:
        """Shards made, restored or rebuilt from here on own their buckets in this way."""
        self._transport.place(owners)

    def make(self, actor: str) -> None:
        """A new, empty actor; `take_cut` follows before the next call where there was one."""
        if actor in self._made:
            self._fresh.add(actor)
        self._transport.make(actor)
        self._gone.pop(actor, None)
        self._made[actor] = None
        if self._standbys:
            self._standbys.watch(actor)

    def has(self, actor: str) -> bool:
        """Whether it was made."""
        return self._transport.has(actor)

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """Carries the calls out, however many actors die on the way. Raises ActorCrashed when one keeps dying.

        Only calls that were answered are kept for a rebuild, so one that kills never kills there too.
        """
        replies = self._persist(lambda: self._transport.call(calls))
        for call in calls:
            self._log.append(call.actor, call.payload)
        return replies

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """Reads; a dead actor is rebuilt first. Raises ActorCrashed."""
        return self._persist(lambda: self._transport.query(calls))

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """Parts of a cut; a dead actor is rebuilt first. Raises ActorCrashed."""
        return self._persist(lambda: self._transport.snapshot(actors))

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """Gives an actor its state; `take_cut` follows before the next call. Raises ActorCrashed."""
        self._fresh.add(actor)
        self._gone.pop(actor, None)
        deaths: Counter[str] = Counter()
        while True:
            try:
                self._transport.restore(actor, parts)
                return
            except ActorLost as lost:
                self._count(lost, deaths)
                self._clock.sleep(self._backoff.failed(actor))
                self._transport.make(actor)

    def rebase(self, states: Mapping[str, Sequence[bytes]]) -> None:
        """Gives these actors another state, which they are rebuilt from; the others keep what they are rebuilt from.

        One that dies meanwhile is replaced before anybody is asked anything.
        """
        self._log.rebase(states)
        for actor, parts in states.items():
            if actor not in self._made:
                self.make(actor)
            try:
                self._transport.restore(actor, parts)
            except ActorLost as lost:
                self._gone[actor] = lost.how

    def _persist(self, attempt: Callable[[], list[bytes]]) -> list[bytes]:
        """Tries until it is done; whoever is lost is replaced before the next try."""
        deaths: Counter[str] = Counter()
        while True:
            try:
                self._replace_all()
                return attempt()
            except ActorLost as lost:
                self._gone.update(dict.fromkeys((lost.actor, *lost.also), lost.how))
                self._count(lost, deaths)

    def _count(self, lost: ActorLost, deaths: "Counter[str]") -> None:
        for actor in (lost.actor, *lost.also):
            deaths[actor] += 1
            if deaths[actor] == DEATHS_A_CALL:
                raise ActorCrashed(actor, DEATHS_A_CALL) from lost

    def _replace_all(self) -> None:
        """Standbys take over; the others start side by side and get their state one after the other."""
        cold = [actor for actor in list(self._gone) if not self._promoted(actor)]
        for actor in cold:
            self._make_again(actor)
        for actor in cold:
            parts = self._log.base(actor)
            if parts:
                self._transport.restore(actor, parts)
            self._transport.replay(actor, self._log.calls(actor))
            del self._gone[actor]

    def _promoted(self, actor: str) -> bool:
        if self._standbys is None or not self._standbys.promote(actor):
            return False
        self.rebuilds += 1
        self._notice(f"actor {actor} {self._gone.pop(actor)}; its standby has taken over")
        return True

    def _make_again(self, actor: str) -> None:
        self.rebuilds += 1
        count = len(self._log.calls(actor))
        self._notice(f"actor {actor} {self._gone[actor]}; rebuilding it from the cut and {count:,} calls")
        self._clock.sleep(self._backoff.failed(actor))
        self._transport.make(actor)

    def standby_names(self) -> list[str]:
        """Actors whose standby could take over now."""
        return self._standbys.ready() if self._standbys else []

    def degraded(self) -> list[str]:
        """What is not as it should be, a sentence each; from any thread."""
        making = [f"actor {actor} {how} and is being made again" for actor, how in list(self._gone.items())]
        return making + (self._standbys.missing() if self._standbys else [])

    def pids(self) -> dict[str, int]:
        """The process of every actor."""
        return self._transport.pids()

    def nodes(self) -> dict[str, str]:
        """The Ray node of every actor that is on one."""
        return self._transport.nodes()

    def close(self) -> None:
        """Ends the actors."""
        if self._standbys:
            self._standbys.close()
        self._transport.close()
