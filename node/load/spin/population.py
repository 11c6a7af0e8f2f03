"""Everybody of a Spin replay but the bots, and what they ask for block by block; the same seed gives the same asks."""

from collections.abc import Iterable, Sequence

import numpy as np

from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import parameters_pb2
from node.load.asks import Ask
from node.load.books.crowd import Crowd
from node.load.books.markets import Markets
from node.load.cast import Cast
from node.load.people import Groups
from node.load.spin.mischief import SpinMischief
from node.load.spin.subaccounts import Subaccounts

# What operators pay into the fund before anybody trades, as a part of what all takers would hold; they add a tenth as
# much some times later.
_FUND_PM = 16
_MORE_TIMES = 3
_BOT_PM = 20


class SpinPopulation:
    """Makers, takers, whales, subaccounts, operators who fill the fund, the custodian, and some who make mistakes."""

    def __init__(
        self,
        seed: int,
        traders: int,
        blocks: int,
        markets: Sequence[parameters_pb2.MarketParameters],
        cast: Cast | None = None,
    ) -> None:
        """`blocks` is how many price steps there will be."""
        draw = np.random.Generator(np.random.PCG64(seed))
        self.crowd = Crowd(draw, traders, blocks, Markets(markets), cast)
        crowd = self.crowd
        self.custody = crowd.custody
        self.known = crowd.known
        self.subaccounts = Subaccounts(draw, crowd.takers, crowd.habits, crowd.markets, blocks)
        self._fund_atoms = crowd.notional_atoms * _FUND_PM // 1000 if cast is None else cast.backstop_atoms
        later = draw.integers(max(2, blocks // 4), max(3, blocks), size=_MORE_TIMES).tolist()
        self._more_blocks = set(later) if cast is None else set()
        self._mischief = SpinMischief(crowd.markets)

    @property
    def bot_money_atoms(self) -> int:
        """What a liquidation bot brings, so that a few of them can take over what all takers hold."""
        return self.crowd.notional_atoms * _BOT_PM // 1000

    @property
    def accounts(self) -> list[int]:
        """Every account of the population, ascending."""
        return sorted(account for group in self.groups for account in group)

    @property
    def groups(self) -> Groups:
        """Who is who; the fund's backers have no account."""
        crowd = self.crowd
        traders = np.concatenate([crowd.takers.account, self.subaccounts.account])
        return Groups(traders[traders > 0].tolist(), crowd.makers.account.tolist(), [])

    def open_accounts(self) -> list[Ask]:
        """First block of the people: an account each."""
        return self.crowd.open_accounts()

    def deposit(self) -> list[Ask]:
        """Second block: the custodian credits everybody; some open a second account."""
        self.known.reach(max(self.accounts))
        return [*self.crowd.deposit(), *self.subaccounts.open()]

    def fill_pool(self) -> list[Ask]:
        """Third block: operators pay into the insurance fund."""
        return [self.custody.insure(self._fund_atoms)]

    def act(self, block: int, prices_ticks: Sequence[int]) -> list[Ask]:
        """What everybody asks for at price step `block` (from 1)."""
        crowd, prices = self.crowd, np.array(prices_ticks, np.int64)
        fall_ppm = crowd.fall_ppm(prices)
        first = crowd.takers.account[0], crowd.takers.account[-1]
        asks = [
            *self.custody.act(block),
            *crowd.come_back(),
            *crowd.trade(block, prices, fall_ppm),
            *self.subaccounts.act(block, prices, fall_ppm, self.known),
            *([self.custody.insure(self._fund_atoms // 10)] if block in self._more_blocks else []),
            *crowd.take_out(),
            *self._mischief.act(block, int(first[0]), int(first[1]), prices),
        ]
        return [ask for ask in asks if ask.rows]

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from a block's events."""
        self.crowd.happened(events)
