"""What actors are made again from: the last cut and every call answered since, in the order they were answered.

The log is a chain of stretches, one a cut. Whoever follows it (a standby) holds its place in a stretch, finishes it
and goes on with the next; a stretch nobody reads any more is forgotten.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from threading import Condition, Lock

from cluster.replica import parts_for


class Stretch:
    """The calls after one cut, by actor. `fresh`: who has another state there than the stretch before leads to."""

    def __init__(self, parts: Mapping[str, bytes], fresh: frozenset[str] = frozenset()) -> None:
        self.parts = parts
        self.fresh = fresh
        self.calls: dict[str, list[bytes]] = {}
        # Who was given another state since the cut, how often, and the parts of the last one.
        self.rebased: Counter[str] = Counter()
        self.bases: dict[str, Sequence[bytes]] = {}
        self.next: Stretch | None = None

    def base(self, actor: str) -> Sequence[bytes]:
        """The parts the calls to an actor follow on; none where it began empty."""
        return self.bases[actor] if actor in self.bases else parts_for(actor, self.parts)


class CallLog:
    """Written by the thread that makes blocks, followed by those of the standbys."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._followed: dict[str, Condition] = {}
        self.now = Stretch({})
        self.bytes = 0

    def changed(self, actor: str) -> Condition:
        """Guards the log, and announces what concerns the actor."""
        with self._lock:
            return self._followed.setdefault(actor, Condition(self._lock))

    def append(self, actor: str, payload: bytes) -> None:
        """The actor has answered this call."""
        with self._lock:
            self.now.calls.setdefault(actor, []).append(payload)
            self.bytes += len(payload)
            if actor in self._followed:
                self._followed[actor].notify_all()

    def cut(self, parts: Mapping[str, bytes], fresh: Iterable[str]) -> None:
        """From here on actors are made again from this cut."""
        with self._lock:
            before, self.now = self.now, Stretch(parts, frozenset(fresh))
            before.next, before.parts, before.bases = self.now, {}, {}
            self.bytes = 0
            for condition in self._followed.values():
                condition.notify_all()

    def rebase(self, states: Mapping[str, Sequence[bytes]]) -> None:
        """From here on these actors are made again from these parts; the others from the cut, as before."""
        with self._lock:
            for actor, parts in states.items():
                self.now.rebased[actor] += 1
                self.now.bases[actor] = parts
                self.bytes -= sum(map(len, self.now.calls.pop(actor, [])))
                if actor in self._followed:
                    self._followed[actor].notify_all()

    def base(self, actor: str) -> Sequence[bytes]:
        """What an actor is made again from, before the calls since."""
        return self.now.base(actor)

    def calls(self, actor: str) -> list[bytes]:
        """The calls since the cut; for the thread that writes."""
        return self.now.calls.get(actor, [])
