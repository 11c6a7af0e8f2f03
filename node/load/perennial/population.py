"""Everybody of a Perennial replay but the keepers, and what they ask for; the same seed gives the same."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import parameters_pb2
from node.load.asks import Ask
from node.load.cast import Cast
from node.load.custody import DECISION_BLOCKS, Custody
from node.load.habits import PPM, Habits
from node.load.openings import openings
from node.load.people import Groups
from node.load.perennial.knowledge import VersionedKnowledge
from node.load.perennial.makers import Makers
from node.load.perennial.markets import VersionedMarkets
from node.load.perennial.mischief import VersionedMischief
from node.load.perennial.takers import SMALLEST_STAKE_ATOMS, Takers
from node.load.purse import Purse

FALL_BLOCKS = 12
# The makers' money, as a part of what all takers would hold.
_MAKERS_PM = 320


class VersionedPopulation:
    """Makers, longs, shorts, whales, the custodian, and some who make mistakes."""

    def __init__(
        self,
        seed: int,
        traders: int,
        blocks: int,
        markets: Sequence[parameters_pb2.MarketParameters],
        cast: Cast | None = None,
    ) -> None:
        """`blocks` is how many price steps there will be; with a cast the takers and the makers' money are its."""
        draw = np.random.Generator(np.random.PCG64(seed))
        self.markets = VersionedMarkets(markets)
        self.known = VersionedKnowledge(self.markets)
        most = self.markets.max_leverage
        self._habits = Habits(draw, traders, most, blocks) if cast is None else cast.habits.under(most)
        notional = self._habits.notional_atoms() if cast is None else cast.notional_atoms
        money = notional * _MAKERS_PM // 1000 if cast is None else cast.liquidity_atoms
        self.makers = Makers(draw, self.markets, notional, money, blocks)
        self.takers = Takers(draw, self._habits, self.markets, blocks)
        self.custody = Custody(draw, min(DECISION_BLOCKS, max(4, blocks // 3)))
        self._purse = Purse(draw, self.custody, self.known, SMALLEST_STAKE_ATOMS)
        self._mischief = VersionedMischief(self.markets)
        self._recent: deque[np.ndarray] = deque(maxlen=FALL_BLOCKS)

    @property
    def accounts(self) -> list[int]:
        """Every account of the population, ascending."""
        return sorted(account for group in self.groups for account in group)

    @property
    def groups(self) -> Groups:
        """Who is who; nobody backs a fund."""
        return Groups(self.takers.account.tolist(), self.makers.account.tolist(), [])

    def open_accounts(self) -> list[Ask]:
        """First block of the people: an account each."""
        return [*openings(self.makers.account), *openings(self.takers.account)]

    def deposit(self) -> list[Ask]:
        """Second block: the custodian credits everybody."""
        self.known.reach(max(self.accounts))
        makers = self._purse.credit(self.makers.account, self.makers.deposit_atoms)
        return [makers, *self._purse.credit_all(self.takers.account, self._habits.deposit_atoms)]

    def fill_pool(self) -> list[Ask]:
        """Third block: makers put up their collateral."""
        return [self.makers.put_up()]

    def act(self, block: int, prices_ticks: Sequence[int]) -> list[Ask]:
        """What everybody asks for at price step `block` (from 1)."""
        prices = np.array(prices_ticks, np.int64)
        self._recent.append(prices)
        fall_ppm = (self._recent[0] - prices) * PPM // self._recent[0]
        takers = self.takers
        traders = takers.account
        asks = [
            *self.custody.act(block),
            *self._purse.come_back(takers.broke(self.known), traders, self._habits.deposit_atoms, takers.return_soon),
            *self.makers.act(block, prices, self.known),
            *self.takers.act(block, prices, fall_ppm, self.known),
            *self._purse.take_out(traders[takers.flat(self.known)]),
            *self._mischief.act(block, int(traders[0]), int(traders[-1]), self.known, prices),
        ]
        return [ask for ask in asks if ask.rows]

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from a block's events."""
        self.known.happened(events)
