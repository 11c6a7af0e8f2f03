"""Takers of a Spin venue who keep a part of their money apart, in a subaccount (SP-01) that trades as they do."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from node.load.asks import Answers, Ask, column_ask
from node.load.books.knowledge import Knowledge
from node.load.books.markets import Markets
from node.load.books.takers import SMALLEST_EQUITY_ATOMS, Takers
from node.load.habits import Habits

# One in so many has one, and this much of the money goes there.
_EVERY = 10
_PART_PM = 400
_HOME_PER_10K = 20


class Subaccounts:
    """The second accounts of some takers, with the habits of their owners."""

    def __init__(
        self, draw: np.random.Generator, owners: Takers, habits: Habits, markets: Markets, blocks: int
    ) -> None:
        """`owners` and `habits` are of all takers; `blocks` is how many price steps there will be."""
        self._draw, self._owners = draw, owners
        self._who = np.arange(_EVERY - 1, habits.traders, _EVERY)
        self._habits = habits.of(self._who)
        self.takers = Takers(draw, self._habits, markets, blocks)
        self._filled = False

    @property
    def account(self) -> np.ndarray:
        """Their numbers, 0 before they are open."""
        return self.takers.account

    @property
    def _owner(self) -> np.ndarray:
        return self._owners.account[self._who]

    def open(self) -> list[Ask]:
        """A further account for each of the owners."""

        def learn(answers: Answers) -> None:
            self.takers.account[:] = answers.reference

        return [column_ask("open_subaccounts", cmd.OpenSubaccounts, learn, owner=self._owner)] if len(self._who) else []

    def act(self, block: int, prices: np.ndarray, fall_ppm: np.ndarray, known: Knowledge) -> list[Ask]:
        """The money comes with the first price; then they trade, and some bring home what is left."""
        if not len(self._who):
            return []
        if not self._filled:
            self._filled = True
            known.reach(int(self.account.max()))
            return [self._transfer(self._owner, self.account, self._habits.deposit_atoms * _PART_PM // 1000, known)]
        flat = self.takers.flat(known)
        home = flat[self._draw.integers(0, 10_000, size=len(flat)) < _HOME_PER_10K]
        asks = self.takers.act(block, prices, fall_ppm, known)
        if len(home):
            amount = np.maximum(SMALLEST_EQUITY_ATOMS, known.cash_atoms(self.account[home]) // 2)
            asks.append(self._transfer(self.account[home], self._owner[home], amount, known))
        return asks

    def _transfer(self, account: np.ndarray, to_account: np.ndarray, amount: np.ndarray, known: Knowledge) -> Ask:
        def learn(answers: Answers) -> None:
            known.credit(account[answers.done], -amount[answers.done])

        return column_ask(
            "transfers", cmd.Transfers, learn, account=account, to_account=to_account, amount_atoms=amount
        )
