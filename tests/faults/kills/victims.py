"""Who is killed, and when: a deck of (kind, actor, phase), shuffled by a seed, that never runs out."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from cluster.crash_points import MET

NODE, VALIDATOR = "node", "validator"
RANDOM: Final = "at random"
# Actors of a node of all four venues on two shards, by kind, each in a process of its own.
ACTORS: Final = {
    "shard": ("shard/0", "shard/1"),
    "book": ("book/2/1", "book/3/1"),
    "pool": ("pool/1",),
    "backstop": ("backstop/2",),
    "version desk": ("versions/4/1",),
    "coordinator": ("coordinator",),
}
# Phases of a shard's block, and the calls they are part of (docs/block.md).
_FAN_OUTS: Final = {
    "A(h)": "SETTLE+*",
    "ladder": "DROP+LADDER*",
    "after desks": "SETTLE_LADDER+*",
    "take over": "TAKE_OVER+*",
}
_NODE_POINTS: Final = ("sealed", "executed", "appended", "acknowledged", "archived", "snapshot")
# Cards of each phase: what happens rarely is not asked for more often than it can be met.
_RANDOM_CARDS = 2


class Blow(NamedTuple):
    """One kill to be done. `point` is empty where it comes at random."""

    kind: str
    actor: str
    phase: str
    point: str


def every_blow(kinds: Sequence[str]) -> list[Blow]:
    """Every kind of actor at every phase, and at random."""
    blows = [blow for kind in kinds for actor in ACTORS.get(kind, ()) for blow in _of_actor(kind, actor)]
    if VALIDATOR in kinds:
        blows += [Blow(VALIDATOR, VALIDATOR, phase, f"{VALIDATOR}:{phase}") for phase in ("before", "after")]
        blows.append(Blow(VALIDATOR, VALIDATOR, RANDOM, ""))
    if NODE in kinds:
        blows += [Blow(NODE, NODE, phase, f"{NODE}:{phase}") for phase in _NODE_POINTS]
        blows.append(Blow(NODE, NODE, RANDOM, ""))
    return blows


def _of_actor(kind: str, actor: str) -> list[Blow]:
    sides = ("before", "after")
    if kind == "shard":
        blows = [
            Blow(kind, actor, f"{side} {phase}", f"actor:{actor}:{side}:{calls}")
            for phase, calls in _FAN_OUTS.items()
            for side in sides
        ]
    else:
        blows = [Blow(kind, actor, f"{side} a call", f"actor:{actor}:{side}") for side in sides]
    blows.append(Blow(kind, actor, "in a snapshot", f"actor:{actor}:snapshot"))
    return [*blows, *[Blow(kind, actor, RANDOM, "")] * _RANDOM_CARDS]


class Deck:
    """Blows in an order that a seed decides. One that could not be struck goes back to the bottom."""

    def __init__(self, kinds: Sequence[str], seed: int) -> None:
        self.chance = random.Random(seed)
        self._blows = every_blow(kinds)
        self._left: deque[Blow] = deque()

    def draw(self, unwanted: Sequence[str] = (), at_random: bool = False) -> Blow | None:
        """The next blow, of none of these actors, only one at random if need be; None where there is no other."""
        if len(self._left) < len(self._blows):
            self._left.extend(self.chance.sample(self._blows, len(self._blows)))
        for place, blow in enumerate(self._left):
            if blow.actor not in unwanted and not (at_random and blow.point):
                del self._left[place]
                return blow
        return None

    def give_back(self, blow: Blow) -> None:
        """Its phase did not come up."""
        self._left.append(blow)


class Order:
    """The file in which a node's processes read where to die."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._met = path.with_name(path.name + MET)

    @property
    def setting(self) -> str:
        """What the node is given in its environment."""
        return f"@{self._path}"

    def give(self, blow: Blow) -> None:
        """From here on whoever reaches the point dies."""
        self._met.unlink(missing_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        fresh.write_text(blow.point, encoding="ascii")
        fresh.replace(self._path)

    def met_at_s(self) -> float:
        """When somebody died of it (wall time); 0 while nobody has."""
        try:
            return self._met.stat().st_ctime
        except FileNotFoundError:
            return 0.0

    def withdraw(self) -> bool:
        """Takes it back; False where somebody was faster."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        return True
