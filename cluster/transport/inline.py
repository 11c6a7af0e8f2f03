"""All actors as plain objects in this process: for the replica, the simulator, fast tests."""

import os
from collections.abc import Sequence

from actors.contract import Actor
from cluster.placement import Owners, even
from cluster.topology import build
from cluster.transport.transport import Call


class InlineTransport:
    """See `Transport`. `scalar` as in `topology.build`."""

    def __init__(self, shards: int, scalar: bool = False) -> None:
        self._owners = even(shards)
        self._scalar = scalar
        self._actors: dict[str, Actor] = {}

    def place(self, owners: Owners) -> None:
        """Shards made or restored from here on own their buckets in this way."""
        self._owners = owners

    def make(self, actor: str) -> None:
        """A new object under the name."""
        self._actors[actor] = build(actor, self._owners, self._scalar)

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
