"""What a bot wants done, as data; whoever carries it to the node brings the outcome back to the mind that wanted it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from breakwater.v1 import answers_pb2, batches_pb2, common_pb2, parameters_pb2

# All that may be asked for (PE-09), as the column says it.
WHOLE_REWARD: Final = -1


@dataclass(frozen=True, slots=True)
class Liquidate:
    """Spin: take these lots over (SP-07). Perennial: close the position for this reward (PE-07).

    A reward of WHOLE_REWARD is all that may be asked for. `sequence` counts what one mind wanted, from 1.
    `worth_atoms` is the reward the mind expects.
    """

    sequence: int
    target: int
    market: int
    lots: int
    reward_atoms: int
    worth_atoms: int

    @property
    def concerns(self) -> tuple[int, int]:
        """What no second call is made about while the answer to this one is out."""
        return self.target, self.market


@dataclass(frozen=True, slots=True)
class Unwind:
    """Flatten lots that were taken over: reduce-only, immediate or cancelled; limit 0 is a market order (Spin)."""

    sequence: int
    market: int
    side: int
    lots: int
    limit_ticks: int

    @property
    def concerns(self) -> tuple[int, int]:
        """What no second call is made about while the answer to this one is out."""
        return 0, self.market


Intent = Liquidate | Unwind


class Feed(Protocol):
    """One block of StreamStandings, or the whole of ListStandings."""

    @property
    def height(self) -> int:
        """Of the block."""

    @property
    def block_time_ms(self) -> int:
        """Of the block."""

    @property
    def rows(self) -> batches_pb2.StandingRows:
        """Absolute rows; the newest of a key stands."""

    @property
    def marks(self) -> Sequence[common_pb2.Mark]:
        """Marks the block used."""

    @property
    def versions(self) -> Sequence[batches_pb2.VersionRecord]:
        """Records of versions that settled."""


class Mind(Protocol):
    """Watches one venue for one account and decides; pure: equal feeds and outcomes give equal intents."""

    account: int

    @property
    def height(self) -> int:
        """The newest block it has taken."""

    @property
    def below(self) -> int:
        """How many may be liquidated now, as far as it knows."""

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Parameters as they are now."""

    def begin(self, listing: Feed) -> None:
        """Forget what was known of accounts: these are all there are."""

    def take(self, feed: Feed) -> None:
        """One more block; a block taken before is passed over."""

    def decide(self, most: int | None = None) -> list[Intent]:
        """What to do now, `most` intents at most; each counts as out until it is answered."""

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome) -> None:
        """What came of an intent; a height of 0 is one not known, a status of 0 an answer that was lost."""
