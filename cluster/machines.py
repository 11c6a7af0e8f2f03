"""On which machines of a Ray cluster an actor may run: those that offer the custom resource it is placed by.

A machine says what it offers when it joins: `ray start --resources='{"big": 1}'`.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence

# What can be placed, and how many numbers the name of one has behind it: shard/1, book/2/1.
KINDS = {"shard": 1, "book": 2, "pool": 1, "backstop": 1, "versions": 2, "coordinator": 0, "validator": 0}
ALL = "all"
# So little of a resource that a machine that offers one of it holds a thousand actors.
SHARE = 0.001
_RESOURCE = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_RAYS_OWN = ("CPU", "GPU", "memory", "object_store_memory")
_PATIENCE_S = 5.0
_LOOK_S = 0.2


class PlaceError(Exception):
    """A wish that is none, or that no machine meets; the message says which."""


class Places:
    """Which resource whose machine must offer: one actor's by name, else its kind's, else everybody's."""

    def __init__(self, words: Sequence[str] = ()) -> None:
        """`words` are WHO=RESOURCE. Raises PlaceError."""
        self._resources: dict[str, str] = {}
        for word in words:
            who, _, resource = word.partition("=")
            _check(word, who, resource)
            if who in self._resources:
                raise PlaceError(f"{who} is placed twice, by {self._resources[who]} and by {resource}")
            self._resources[who] = resource

    def resources_of(self, actor: str) -> Mapping[str, float]:
        """What the actor's machine must offer, for Ray."""
        for who in (actor, actor.partition("/")[0], ALL):
            if who in self._resources:
                return {self._resources[who]: SHARE}
        return {}

    def check(
        self,
        offered: Callable[[], Mapping[str, float]],
        patience_s: float = _PATIENCE_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Machines may still be joining: asks for a while. Raises PlaceError where nobody offers what is needed."""
        until_s = time.monotonic() + patience_s
        while missing := self._missing(offered()):
            if time.monotonic() >= until_s:
                who, resource, there = missing
                raise PlaceError(
                    f"no machine of the Ray cluster offers {resource}, by which {who} is placed; "
                    f"offered: {', '.join(there) or 'no resource of its own'}"
                )
            sleep(_LOOK_S)

    def _missing(self, offered: Mapping[str, float]) -> tuple[str, str, list[str]] | None:
        own = sorted(name for name in offered if name not in _RAYS_OWN and not name.startswith("node:"))
        wanted = ((who, resource) for who, resource in self._resources.items() if offered.get(resource, 0) < SHARE)
        return next(((who, resource, own) for who, resource in wanted), None)


def _check(word: str, who: str, resource: str) -> None:
    """Raises PlaceError."""
    kind, *numbers = who.split("/")
    if who != ALL and kind not in KINDS:
        raise PlaceError(f"{word!r}: {ALL} or one of {', '.join(KINDS)} can be placed, not {kind!r}")
    if numbers and (len(numbers) != KINDS.get(kind) or not all(map(str.isdecimal, numbers))):
        raise PlaceError(f"{word!r}: no actor is called {who!r}")
    if not _RESOURCE.fullmatch(resource):
        raise PlaceError(f"{word!r}: {resource!r} is no name of a resource; write it like shard=big")
    if resource in _RAYS_OWN:
        raise PlaceError(f"{word!r}: {resource} is not a custom resource")
