"""All actors as plain objects in this process: for the replica, the simulator, fast tests."""

import os
from collections.abc import Sequence

from actors.contract import Actor
from actors.ways import Way
from cluster.placement import Owners, even
from cluster.topology import build
from cluster.transport.transport import Call


class InlineTransport:
    """See `Transport`. `way` is how its actors work; a replica may change it between two blocks."""

    def __init__(self, shards: int, way: Way = Way.BY_COLUMNS) -> None:
        self._owners = even(shards)
        self._way = way
        self._actors: dict[str, Actor] = {}

    def place(self, owners: Owners) -> None:
        """Shards made or restored from here on own their buckets in this way."""
        self._owners = owners

    def make(self, actor: str) -> None:
        """A new object under the name."""
        made = self._actors[actor] = build(actor, self._owners)
        made.take_way(self._way)

    def take_way(self, way: Way) -> None:
        """How all actors work from here on."""
        self._way = way
        for actor in self._actors.values():
            actor.take_way(way)

    def has(self, actor: str) -> bool:
        """Whether it was made."""
        return actor in self._actors

    def actor(self, actor: str) -> Actor:
        """The object itself, to be read."""
        return self._actors[actor]

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """One after the other."""
        return [self._actors[call.actor].apply(call.payload) for call in calls]

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """One after the other."""
        return [self._actors[call.actor].query(call.payload) for call in calls]

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """One after the other."""
        return [self._actors[actor].snapshot() for actor in actors]

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """Into a new object, so that nothing is left of what there was."""
        self.make(actor)
        self._actors[actor].restore(parts)

    def replay(self, actor: str, payloads: Sequence[bytes]) -> None:
        """One after the other."""
        for payload in payloads:
            self._actors[actor].apply(payload)

    def pids(self) -> dict[str, int]:
        """This process, for all of them."""
        return dict.fromkeys(self._actors, os.getpid())

    def nodes(self) -> dict[str, str]:
        """None of them is on a Ray node."""
        return {}

    def close(self) -> None:
        """Forgets the objects."""
        self._actors.clear()
