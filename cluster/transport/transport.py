"""What a transport is: it makes actors by name, carries calls to them, and says so when one is gone."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from cluster.placement import Owners


class Call(NamedTuple):
    """One message to one actor."""

    actor: str
    payload: bytes


class ActorLost(Exception):
    """The actor is gone with its state; it must be made again and brought to the current height.

    `also` names others that were found gone at the same time.
    """

    def __init__(self, actor: str, also: Sequence[str] = (), how: str = "is gone") -> None:
        super().__init__(f"actor {actor} {how}")
        self.actor = actor
        self.also = tuple(also)
        self.how = how


class ActorCrashed(ActorLost):
    """The actor died again and again in one and the same call: the call is to blame, or the machine."""

    def __init__(self, actor: str, times: int) -> None:
        super().__init__(actor, how=f"died {times} times in the same call")
        self.times = times


class TransportGone(Exception):
    """What carries the calls is gone itself, and every actor with it: only a new start of the node helps."""


class Transport(Protocol):
    """Carries bytes. Calls to one actor are carried out in the order they are made."""

    def place(self, owners: Owners) -> None:
        """Shards made or restored from here on own their buckets in this way; the others keep what they have."""

    def make(self, actor: str) -> None:
        """Makes a new, empty actor under this name; one that is there is replaced."""

    def has(self, actor: str) -> bool:
        """Whether an actor of this name was made."""

    def call(self, calls: Sequence[Call]) -> list[bytes]:
        """Applies the calls at the same time and returns the replies in their order. Raises ActorLost."""

    def query(self, calls: Sequence[Call]) -> list[bytes]:
        """Reads, in the same way."""

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        """The actors' parts of a cut."""

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        """Gives an actor this state in place of whatever it had."""

    def pids(self) -> dict[str, int]:
        """The process of every actor."""

    def close(self) -> None:
        """Ends the actors."""


class Carrier(Transport, Protocol):
    """A transport that actors are rebuilt on, as a supervisor needs it."""

    def nodes(self) -> dict[str, str]:
        """The Ray node of every actor that is on one."""

    def replay(self, actor: str, payloads: Sequence[bytes]) -> None:
        """Applies calls that were answered before, in their order; the answers are known."""
