"""Everybody who trades on a venue with order books, makers and takers, with their money and what they know of it."""

from collections import deque
from collections.abc import Iterable

import numpy as np

from breakwater.v1 import events_pb2 as evt
from node.load.asks import Ask
from node.load.books.knowledge import Knowledge
from node.load.books.makers import Makers
from node.load.books.markets import Markets
from node.load.books.takers import SMALLEST_EQUITY_ATOMS, Takers
from node.load.cast import Cast
from node.load.custody import DECISION_BLOCKS, Custody
from node.load.habits import PPM, Habits
from node.load.openings import openings
from node.load.purse import Purse

FALL_BLOCKS = 12
# The depth of the books, as a part of what all takers would hold.
_DEPTH_PM = 250


class Crowd:
    """Makers, takers, whales and their custodian."""

    def __init__(
        self, draw: np.random.Generator, traders: int, blocks: int, markets: Markets, cast: Cast | None = None
    ) -> None:
        """`blocks` is how many price steps there will be; with a cast the takers and the makers' money are its."""
        self.markets = markets
        self.known = Knowledge(markets)
        if cast is None:
            self.habits = Habits(draw, traders, markets.max_leverage, blocks)
        else:
            self.habits = cast.habits.under(markets.max_leverage)
        self.notional_atoms = self.habits.notional_atoms() if cast is None else cast.notional_atoms
        self.makers = Makers(draw, markets, self.notional_atoms * _DEPTH_PM // 1000 // markets.count)
        if cast is not None:
            self.makers.bring(cast.liquidity_atoms)
        self.takers = Takers(draw, self.habits, markets, blocks)
        self.custody = Custody(draw, min(DECISION_BLOCKS, max(4, blocks // 3)))
        self._purse = Purse(draw, self.custody, self.known, SMALLEST_EQUITY_ATOMS)
        self._recent: deque[np.ndarray] = deque(maxlen=FALL_BLOCKS)

    def open_accounts(self) -> list[Ask]:
        """An account each."""
        return [*openings(self.makers.account), *openings(self.takers.account)]

    def deposit(self) -> list[Ask]:
        """The custodian credits everybody."""
        makers = self._purse.credit(self.makers.account, self.makers.deposit_atoms)
        return [makers, *self._purse.credit_all(self.takers.account, self.habits.deposit_atoms)]

    def fall_ppm(self, prices: np.ndarray) -> np.ndarray:
        """Takes the prices of a step; how far each fell from a minute before."""
        self._recent.append(prices)
        fall: np.ndarray = (self._recent[0] - prices) * PPM // self._recent[0]
        return fall

    def trade(self, block: int, prices: np.ndarray, fall_ppm: np.ndarray) -> list[Ask]:
        """What makers and takers ask for at price step `block` (from 1)."""
        makers = self.makers.act(block, prices, fall_ppm, self.known)
        return [*makers, *self.takers.act(block, prices, fall_ppm, self.known)]

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from a block's events."""
        self.known.happened(events)

    def take_out(self) -> list[Ask]:
        """Some of those without position withdraw half of what they have."""
        return self._purse.take_out(self.takers.account[self.takers.flat(self.known)])

    def come_back(self) -> list[Ask]:
        """Some of those who lost everything deposit again."""
        takers = self.takers
        broke = takers.broke(self.known)
        return self._purse.come_back(broke, takers.account, self.habits.deposit_atoms, takers.return_soon)
