"""Bots in lock step with a replay: the feed of block h goes in, the asks of block h + 1 come out, always the same ones.

The asks of one block are in the order (bot, sequence): first what the first bot wants, liquidations before orders. All
bots share one watch, so a block is looked at once however many they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Final

import numpy as np

from breakwater.v1 import answers_pb2, common_pb2, parameters_pb2
from breakwater.v1 import commands_pb2 as cmd
from node.bots.intents import Feed, Intent, Liquidate, Mind, Unwind
from node.bots.making import BotSettings, mind_of, watch_of
from node.bots.tally import BotTally
from node.load.asks import Answers, Ask, column_ask
from node.load.custody import Custody
from node.load.openings import openings

# Commands one bot may have in one block: a crash is worked off over the next blocks, as over a real channel.
MOST_PER_BLOCK: Final = 256
_REDUCE_ONLY: Final = 2


class LockStepBots:
    """Several bots of one venue. Open and fund them before the first `act`; the minds are in the order of the bots."""

    def __init__(
        self,
        venue: parameters_pb2.VenueParameters,
        markets: Sequence[parameters_pb2.MarketParameters],
        count: int,
        deposit_atoms: int,
        settings: BotSettings | None = None,
        most_per_block: int = MOST_PER_BLOCK,
    ) -> None:
        """`deposit_atoms` for each; keepers need none (0). Raises ValueError for a venue without bots."""
        self.watch = watch_of(venue, markets)
        self.account = np.zeros(count, dtype=np.int64)
        self.minds: list[Mind] = []
        self.tallies = [BotTally() for _ in range(count)]
        self._deposit_atoms = deposit_atoms
        self._settings = settings or BotSettings()
        self._most = most_per_block

    @property
    def accounts(self) -> list[int]:
        """The bots' accounts in their order, once they are open."""
        return [int(account) for account in self.account]

    def open_accounts(self) -> list[Ask]:
        """An account a bot."""
        return openings(self.account)

    def deposit(self, custody: Custody) -> list[Ask]:
        """The custodian's credit, which is booked where the venue's money is kept count of."""
        amount = np.full(len(self.account), self._deposit_atoms, dtype=np.int64)
        return [custody.credit(self.account, amount)] if self._deposit_atoms else []

    def learn_terms(
        self, venue: parameters_pb2.VenueParameters, markets: Sequence[parameters_pb2.MarketParameters]
    ) -> None:
        """Parameters from the next block on."""
        self.watch.learn_terms(venue, markets)

    def act(self, feed: Feed) -> list[Ask]:
        """What all bots ask for in the block after the feed's. Answers come back through the asks."""
        if not self.minds:
            assert self.account.all(), "bots act once their accounts are open"
            self.minds = [mind_of(account, self.watch, self._settings) for account in self.accounts]
        asks: list[Ask] = []
        for mind, tally in zip(self.minds, self.tallies, strict=True):
            mind.take(feed)
            intents = mind.decide(self._most)
            asks += _asks_of(mind, tally, intents)
        return asks

    def take(self, feed: Feed) -> None:
        """A block before the bots act: they only look."""
        self.watch.take(feed)


def _asks_of(mind: Mind, tally: BotTally, intents: Iterable[Intent]) -> list[Ask]:
    wanted = sorted(intents, key=lambda intent: intent.sequence)
    takeovers = [intent for intent in wanted if isinstance(intent, Liquidate)]
    orders = [intent for intent in wanted if isinstance(intent, Unwind)]
    asks = []
    if takeovers:
        asks.append(_liquidations(mind.account, takeovers, partial(_learn, mind, tally, takeovers)))
    if orders:
        asks.append(_orders(mind.account, orders, partial(_learn, mind, tally, orders)))
    return asks


def _learn(mind: Mind, tally: BotTally, intents: Sequence[Intent], answers: Answers) -> None:
    for row, intent in enumerate(intents):
        outcome = outcome_of(answers, row)
        tally.answered(intent, outcome)
        mind.answered(intent, outcome)


def outcome_of(answers: Answers, row: int) -> answers_pb2.CommandOutcome:
    """One row of a batch's answers."""
    names = ("status", "refusal", "required", "actual", "reference", "price_ticks", "amount_atoms", "filled_lots")
    columns = {name: int(getattr(answers, name)[row]) for name in names}
    return answers_pb2.CommandOutcome(height=answers.height, **columns)  # type: ignore[arg-type]  # enums are numbers


def _liquidations(account: int, intents: Sequence[Liquidate], learn: partial[None]) -> Ask:
    return column_ask(
        "liquidations",
        cmd.Liquidations,
        learn,
        account=[account] * len(intents),
        target=[intent.target for intent in intents],
        market=[intent.market for intent in intents],
        lots=[intent.lots for intent in intents],
        reward_atoms=[intent.reward_atoms for intent in intents],
    )


def _orders(account: int, intents: Sequence[Unwind], learn: partial[None]) -> Ask:
    same = [0] * len(intents)
    return column_ask(
        "place_orders",
        cmd.PlaceOrders,
        learn,
        account=[account] * len(intents),
        market=[intent.market for intent in intents],
        side=[intent.side for intent in intents],
        kind=[common_pb2.ORDER_KIND_LIMIT if one.limit_ticks else common_pb2.ORDER_KIND_MARKET for one in intents],
        size_lots=[intent.lots for intent in intents],
        limit_ticks=[intent.limit_ticks for intent in intents],
        time_in_force=[common_pb2.TIME_IN_FORCE_IOC] * len(intents),
        flags=[_REDUCE_ONLY] * len(intents),
        self_trade=same,
        trigger=same,
        trigger_ticks=same,
        client_order_id=same,
    )
