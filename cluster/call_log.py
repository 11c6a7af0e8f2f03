"""What actors are made again from: the last cut and every call answered since, in the order they were answered.

The log is a chain of stretches, one a cut. Whoever follows it (a standby) holds its place in a stretch, finishes it
and goes on with the next; a stretch nobody reads any more is forgotten.
"""

from collections.abc import Iterable, Mapping
from threading import Condition, Lock


class Stretch:
    """The calls after one cut, by actor. `fresh`: who has another state there than the stretch before leads to."""

    def __init__(self, parts: Mapping[str, bytes], fresh: frozenset[str] = frozenset()) -> None:
        self.parts = parts
        self.fresh = fresh
        self.calls: dict[str, list[bytes]] = {}
        self.next: Stretch | None = None


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
            before.next, before.parts = self.now, {}
            self.bytes = 0
            for condition in self._followed.values():
                condition.notify_all()

    @property
    def parts(self) -> Mapping[str, bytes]:
        """The last cut."""
        return self.now.parts

    def calls(self, actor: str) -> list[bytes]:
        """The calls since the cut; for the thread that writes."""
        return self.now.calls.get(actor, [])
