"""How a keeper decides on a Perennial venue: close who is below the requirement, the worst first, for the reward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from breakwater.v1 import answers_pb2, common_pb2, parameters_pb2, refusals_pb2
from node.bots.intents import WHOLE_REWARD, Feed, Intent, Liquidate
from node.bots.keeper_watch import KeeperStanding, KeeperWatch
from node.bots.outstanding import Outstanding


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """What a keeper asks for: the whole reward, or no more than `reward_most_atoms` (PE-09)."""

    reward_most_atoms: int | None = None


class KeeperMind:
    """A keeper's. See `Mind`. It needs no money: the reward is paid to its free balance."""

    def __init__(self, account: int, watch: KeeperWatch, settings: KeeperSettings | None = None) -> None:
        """`watch` may be shared with other minds of the venue."""
        self.account = account
        self.watch = watch
        self.settings = settings or KeeperSettings()
        self.outstanding = Outstanding()

    @property
    def height(self) -> int:
        """The newest block it has taken."""
        return self.watch.table.height

    @property
    def below(self) -> int:
        """How many may be liquidated now."""
        return len(self.watch.below)

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Parameters from now on."""
        self.watch.learn_terms(venue, markets)

    def begin(self, listing: Feed) -> None:
        """These are all accounts there are."""
        self.watch.begin(listing)
        self.outstanding.restart(self.height)

    def take(self, feed: Feed) -> None:
        """One block more."""
        self.watch.take(feed)
        self.outstanding.came_to(self.height)

    def decide(self, most: int | None = None) -> list[Intent]:
        """Closes of everybody below the requirement and not locked, the worst first, own positions too (PE-07)."""
        for concern in self.outstanding.taught():
            if concern not in self.watch.below:
                self.outstanding.forget(concern)
        intents: list[Intent] = list(islice(self._closes(), most))
        for intent in intents:
            self.outstanding.send(intent)
        return intents

    def answered(self, intent: Intent, outcome: answers_pb2.CommandOutcome) -> None:
        """A close locks the account, which the table then shows; a refusal says what to ask for, or to wait."""
        was_out = self.outstanding.close(intent)
        height = outcome.height or self.height + 1
        if outcome.status in (common_pb2.OUTCOME_STATUS_PENDING, common_pb2.OUTCOME_STATUS_DONE):
            if height > self.height:
                self.outstanding.land(intent, 0, height)
        elif was_out:
            is_told = outcome.refusal == refusals_pb2.REFUSAL_REWARD_ABOVE_LIMIT
            # One more than the limit, so that a limit of nothing can be asked for.
            self.outstanding.teach(intent.concerns, height, max(0, outcome.required) + 1 if is_told else 0)

    def _closes(self) -> Iterator[Liquidate]:
        busy = self.outstanding.busy()
        below = self.watch.below
        for key in sorted(below, key=lambda one: (below[one].worst_first, one)):
            terms = self.watch.terms(key[1])
            if key in busy or terms is None or terms.is_stale(self.watch.table.block_time_ms):
                continue
            most = self.outstanding.most(key, self.height)
            if most:
                reward, worth = self._reward(below[key], most - 1)
                yield Liquidate(self.outstanding.next_sequence(), *key, 0, reward, worth)

    def _reward(self, standing: KeeperStanding, told_atoms: int) -> tuple[int, int]:
        """What is asked for, and what that should bring.

        The whole wherever the fee of PE-09 is not above what is wanted: then the limit cannot be either.
        """
        wanted = self.settings.reward_most_atoms
        if wanted is None or wanted >= standing.fee_atoms:
            return WHOLE_REWARD, standing.reward_limit_atoms
        asked = min(wanted, standing.reward_limit_atoms, told_atoms)
        return asked, asked
