"""Everybody who takes part in a replay: liquidity providers, traders, the custodian, and some who make mistakes."""

from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from breakwater.v1 import events_pb2 as evt
from node.load.asks import ROWS_MAX, Answers, Ask
from node.load.cast import Cast
from node.load.custody import DECISION_BLOCKS, Custody
from node.load.mischief import Mischief
from node.load.openings import openings
from node.load.people import Groups
from node.load.pockets import Pockets, sats
from node.load.providers import FIRST_PART_PM, Providers
from node.load.temperament import PPM, Temperament
from node.load.traders import SMALLEST_MARGIN_ATOMS, Traders

PROVIDERS = 20
# The pool is this many times what all traders stake, and 50 times a large position (TW-19: 2% is the most).
POOL_TO_MARGIN = 5
POOL_TO_LARGE_POSITION = 50
FALL_BLOCKS = 12
_WITHDRAW_PER_10K = 12
_RETURN_PER_10K = 8


class Population:
    """Asks block by block. The same seed, prices and answers give the same asks, in the same order."""

    def __init__(
        self,
        draw: np.random.Generator,
        temper: Temperament,
        pool_atoms: int,
        blocks: int,
        market: int,
        owner: np.ndarray,
    ) -> None:
        """`blocks` is how many ticks the market will see; `owner` whose each row of the temperament is: somebody may
        have several positions at once."""
        self._draw = draw
        self._temper = temper
        self._owner = owner
        self._owners = np.zeros(int(owner.max()) + 1, np.int64)
        self.traders = Traders(draw, temper, blocks, market)
        self.providers = Providers(draw, PROVIDERS, pool_atoms, blocks)
        # A short replay still sees some withdrawals decided.
        self.custody = Custody(draw, min(DECISION_BLOCKS, max(4, blocks // 3)))
        self._mischief = Mischief(market, temper.margin_cap_atoms)
        self._recent: deque[int] = deque(maxlen=FALL_BLOCKS)

    @property
    def accounts(self) -> list[int]:
        """Every account of the population, ascending."""
        return sorted(account for group in self.groups for account in group)

    @property
    def groups(self) -> Groups:
        """Who is who; nobody backs a vault."""
        return Groups(self._owners.tolist(), self.providers.account.tolist(), [])

    def open_accounts(self) -> list[Ask]:
        """First block of the people: an account each."""
        return [*openings(self.providers.account), *openings(self._owners)]

    def deposit(self) -> list[Ask]:
        """Second block: the custodian credits everybody."""
        providers, traders = self.providers, self.traders
        traders.account[:] = self._owners[self._owner]
        asks = [
            self.custody.credit(
                providers.account, providers.deposit_atoms, lambda answers: providers.funded(providers.deposit_atoms)
            )
        ]
        for start in range(0, self._temper.count, ROWS_MAX):
            rows = np.arange(start, min(start + ROWS_MAX, self._temper.count))
            amount = self._temper.deposit_atoms[rows]

            def learn(answers: Answers, rows: np.ndarray = rows, amount: np.ndarray = amount) -> None:
                traders.funded(rows, amount)

            asks.append(self.custody.credit(traders.account[rows], amount, learn))
        return asks

    def fill_pool(self) -> list[Ask]:
        """Third block: liquidity for the pool."""
        return [self.providers.fill()]

    def happened(self, events: Iterable[evt.Event]) -> None:
        """These people learn from answers and prices alone."""

    def act(self, block: int, prices_ticks: Sequence[int]) -> list[Ask]:
        """What everybody asks for in tick block `block` (from 1) at this price."""
        (price_ticks,) = prices_ticks
        self._recent.append(price_ticks)
        fall_ppm = (self._recent[0] - price_ticks) * PPM // self._recent[0]
        return [
            *self.custody.act(block),
            *self._come_back(),
            *self.traders.act(block, price_ticks, fall_ppm),
            *self.providers.act(block),
            *self._take_out(),
            *self._mischief.act(block, int(self.traders.account[0])),
        ]

    def _take_out(self) -> list[Ask]:
        """Some of those without position withdraw half of what they believe is free."""
        flat = self.traders.flat()
        rows = flat[self._draw.integers(0, 10_000, size=len(flat)) < _WITHDRAW_PER_10K]
        if not len(rows):
            return []
        traders = self.traders
        amount = traders.free_atoms[rows] // 2

        def learn(answers: Answers) -> None:
            traders.free_atoms[rows[answers.done]] -= amount[answers.done]

        return [self.custody.request(traders.account[rows], amount, learn)]

    def _come_back(self) -> list[Ask]:
        """Some of those who lost everything deposit again."""
        broke = self.traders.broke()
        rows = broke[self._draw.integers(0, 10_000, size=len(broke)) < _RETURN_PER_10K]
        if not len(rows):
            return []
        traders = self.traders
        amount = np.maximum(self._temper.margin_atoms[rows] // 2, 2 * SMALLEST_MARGIN_ATOMS)
        return [self.custody.credit(traders.account[rows], amount, lambda answers: traders.return_with(rows, amount))]


def own_population(seed: int, traders: int, blocks: int, market: int, margin_cap_atoms: int) -> Population:
    """The people of a replay of Twilight alone, a position each."""
    draw = np.random.Generator(np.random.PCG64(seed))
    temper = Temperament(draw, traders, blocks, margin_cap_atoms)
    notional = temper.notional_atoms()
    large_atoms = int(notional[len(notional) * 95 // 100])
    pool_atoms = max(POOL_TO_MARGIN * int(temper.margin_atoms.sum()), POOL_TO_LARGE_POSITION * large_atoms)
    return Population(draw, temper, pool_atoms, blocks, market, np.arange(traders))


def shared_population(
    seed: int, blocks: int, market: int, margin_cap_atoms: int, cast: Cast, price_e9: int
) -> Population:
    """The people of a cast, their money turned into BTC at this price (1e-9 USD)."""
    draw = np.random.Generator(np.random.PCG64(seed))
    pockets = Pockets(draw, cast.habits, margin_cap_atoms, price_e9, blocks)
    # Providers bring more than the pool's first money: a part stays outside.
    pool_atoms = int(sats(np.array([cast.liquidity_atoms]), price_e9)[0]) * FIRST_PART_PM // 1000
    return Population(draw, pockets, pool_atoms, blocks, market, pockets.owner)
