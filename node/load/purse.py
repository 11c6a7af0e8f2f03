"""Money that simulated people bring and take home: deposits, withdrawals of who holds nothing, second chances."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from node.load.asks import ROWS_MAX, Answers, Ask
from node.load.custody import Custody

_WITHDRAW_PER_10K = 8
_RETURN_PER_10K = 6


class Knowing(Protocol):
    """What accounts know of their own money."""

    def cash_atoms(self, account: np.ndarray) -> np.ndarray:
        """Money outside positions."""

    def credit(self, account: np.ndarray, amount_atoms: np.ndarray) -> None:
        """The custodian credited, or took (negative)."""


class Purse:
    """Deposits and withdrawals of one venue's traders."""

    def __init__(self, draw: np.random.Generator, custody: Custody, known: Knowing, least_atoms: int) -> None:
        """`least_atoms`: nobody begins with less."""
        self._draw, self._custody, self._known, self._least_atoms = draw, custody, known, least_atoms

    def credit(self, account: np.ndarray, amount_atoms: np.ndarray) -> Ask:
        """A deposit each, of which they know when it is answered."""

        def learn(answers: Answers) -> None:
            self._known.credit(account[answers.done], amount_atoms[answers.done])

        return self._custody.credit(account, amount_atoms, learn)

    def credit_all(self, account: np.ndarray, amount_atoms: np.ndarray) -> list[Ask]:
        """The same in batches of a size that may be sent."""
        parts = [slice(start, start + ROWS_MAX) for start in range(0, len(account), ROWS_MAX)]
        return [self.credit(account[part], amount_atoms[part]) for part in parts]

    def take_out(self, account: np.ndarray) -> list[Ask]:
        """Some of these, who hold nothing, withdraw half of what they have."""
        account = account[self._draw.integers(0, 10_000, size=len(account)) < _WITHDRAW_PER_10K]
        if not len(account):
            return []
        amount = self._known.cash_atoms(account) // 2

        def learn(answers: Answers) -> None:
            self._known.credit(account[answers.done], -amount[answers.done])

        return [self._custody.request(account, amount, learn)]

    def come_back(
        self,
        traders: np.ndarray,
        account: np.ndarray,
        first_deposit_atoms: np.ndarray,
        soon: Callable[[np.ndarray], None],
    ) -> list[Ask]:
        """Some of these traders, who lost everything, deposit again; columns are of all traders."""
        traders = traders[self._draw.integers(0, 10_000, size=len(traders)) < _RETURN_PER_10K]
        if not len(traders):
            return []
        soon(traders)
        amount = np.maximum(first_deposit_atoms[traders] // 2, 2 * self._least_atoms)
        return [self.credit(account[traders], amount)]
