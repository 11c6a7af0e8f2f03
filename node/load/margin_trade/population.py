"""Everybody of a Margin Trade replay, and what they ask for block by block; the same seed gives the same asks."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import parameters_pb2
from node.load.asks import Answers, Ask
from node.load.custody import DECISION_BLOCKS, Custody
from node.load.margin_trade.habits import PPM, Habits
from node.load.margin_trade.knowledge import Knowledge
from node.load.margin_trade.makers import Makers
from node.load.margin_trade.markets import Markets
from node.load.margin_trade.mischief import BookMischief
from node.load.margin_trade.takers import SMALLEST_EQUITY_ATOMS, Takers
from node.load.openings import openings
from node.load.providers import Providers

PROVIDERS = 20
FALL_BLOCKS = 12
# The vault's money and the depth of the books, as parts of what all takers would hold.
_VAULT_PM = 16
_DEPTH_PM = 250
_ROWS_MAX = 5_000
_WITHDRAW_PER_10K = 8
_RETURN_PER_10K = 6


class BookPopulation:
    """Makers, takers, whales, LPs of the vault, the custodian, and some who make mistakes."""

    def __init__(
        self,
        seed: int,
        traders: int,
        blocks: int,
        markets: Sequence[parameters_pb2.MarketParameters],
        locked_blocks: int = 0,
    ) -> None:
        """`blocks` is how many price steps there will be; for `locked_blocks` the vault's shares stay locked."""
        draw = np.random.Generator(np.random.PCG64(seed))
        self._draw = draw
        self.markets = Markets(markets)
        self.known = Knowledge(self.markets)
        self._habits = Habits(draw, traders, self.markets, blocks)
        notional = self._habits.notional_atoms()
        self.makers = Makers(draw, self.markets, notional * _DEPTH_PM // 1000 // self.markets.count)
        self.takers = Takers(draw, self._habits, self.markets, blocks)
        self.providers = Providers(draw, PROVIDERS, notional * _VAULT_PM // 1000, blocks, locked_blocks)
        self.custody = Custody(draw, min(DECISION_BLOCKS, max(4, blocks // 3)))
        self._mischief = BookMischief(self.markets)
        self._recent: deque[np.ndarray] = deque(maxlen=FALL_BLOCKS)

    @property
    def accounts(self) -> list[int]:
        """Every account of the population, ascending."""
        parts = (self.providers.account, self.makers.account, self.takers.account)
        return sorted(int(account) for part in parts for account in part)

    def open_accounts(self) -> list[Ask]:
        """First block of the people: an account each."""
        return [
            *openings(self.providers.account),
            *openings(self.makers.account),
            *openings(self.takers.account),
        ]

    def deposit(self) -> list[Ask]:
        """Second block: the custodian credits everybody."""
        self.known.reach(max(self.accounts))
        providers = self.providers
        asks = [
            self.custody.credit(
                providers.account, providers.deposit_atoms, lambda answers: providers.funded(providers.deposit_atoms)
            ),
            self._credit(self.makers.account, self.makers.deposit_atoms),
        ]
        for start in range(0, self._habits.traders, _ROWS_MAX):
            part = slice(start, start + _ROWS_MAX)
            asks.append(self._credit(self.takers.account[part], self._habits.deposit_atoms[part]))
        return asks

    def fill_pool(self) -> list[Ask]:
        """Third block: money for the vault; takers say what leverage they want."""
        return [self.providers.fill(), self.takers.choose_leverage()]

    def act(self, block: int, prices_ticks: Sequence[int]) -> list[Ask]:
        """What everybody asks for at price step `block` (from 1)."""
        prices = np.array(prices_ticks, np.int64)
        self._recent.append(prices)
        fall_ppm = (self._recent[0] - prices) * PPM // self._recent[0]
        asks = [
            *self.custody.act(block),
            *self._come_back(),
            *self.makers.act(block, prices, fall_ppm, self.known),
            *self.takers.act(block, prices, fall_ppm, self.known),
            *self.providers.act(block),
            *self._take_out(),
            *self._mischief.act(block, int(self.takers.account[0]), prices),
        ]
        return [ask for ask in asks if ask.rows]

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Learn from a block's events."""
        self.known.happened(events)

    def _credit(self, account: np.ndarray, amount_atoms: np.ndarray) -> Ask:
        def learn(answers: Answers) -> None:
            self.known.credit(account[answers.done], amount_atoms[answers.done])

        return self.custody.credit(account, amount_atoms, learn)

    def _take_out(self) -> list[Ask]:
        """Some of those without position withdraw half of what they have."""
        flat = self.takers.flat(self.known)
        rows = flat[self._draw.integers(0, 10_000, size=len(flat)) < _WITHDRAW_PER_10K]
        if not len(rows):
            return []
        account = self.takers.account[rows]
        amount = self.known.cash_atoms(account) // 2

        def learn(answers: Answers) -> None:
            self.known.credit(account[answers.done], -amount[answers.done])

        return [self.custody.request(account, amount, learn)]

    def _come_back(self) -> list[Ask]:
        """Some of those who lost everything deposit again."""
        broke = self.takers.broke(self.known)
        rows = broke[self._draw.integers(0, 10_000, size=len(broke)) < _RETURN_PER_10K]
        if not len(rows):
            return []
        self.takers.return_soon(rows)
        amount = np.maximum(self._habits.deposit_atoms[rows] // 2, 2 * SMALLEST_EQUITY_ATOMS)
        return [self._credit(self.takers.account[rows], amount)]
