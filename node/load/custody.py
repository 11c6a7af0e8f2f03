"""The simulated custodian: credits deposits, pays out withdrawals, and keeps its own book of both.

That book is the other side of the conservation equation: what the node's accounts and pool hold must equal it.
"""

from collections import deque
from typing import NamedTuple

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import refusals_pb2 as ref
from node.load.asks import Answers, Ask, Learn, column_ask, ignore

# A withdrawal is decided so many blocks after it was asked for: its block must be signed, and a node says how far its
# validator has come every hundred blocks.
DECISION_BLOCKS = 205
CONFIRM_PM = 900
# A withdrawal whose block is still not signed after so many attempts is credited back.
ATTEMPTS_MAX = 2


class _Pending(NamedTuple):
    due_block: int
    account: int
    withdrawal: int
    amount_atoms: int
    attempts: int


class Custody:
    """What came in and what went out, in atoms, and the withdrawals that wait for a decision."""

    def __init__(self, draw: np.random.Generator, decision_blocks: int = DECISION_BLOCKS) -> None:
        self._draw = draw
        self._decision_blocks = decision_blocks
        self.deposited_atoms = 0
        self.withdrawn_atoms = 0
        self._pending: deque[_Pending] = deque()
        self._block = 0

    @property
    def held_atoms(self) -> int:
        """Deposited less withdrawn: what the venue must account for."""
        return self.deposited_atoms - self.withdrawn_atoms

    def credit(self, account: np.ndarray, amount_atoms: np.ndarray, learn: Learn = ignore) -> Ask:
        """Deposits to these accounts."""

        def booked(answers: Answers) -> None:
            self.deposited_atoms += int(amount_atoms[answers.done].sum())
            learn(answers)

        return column_ask("deposits", cmd.Deposits, booked, account=account, amount_atoms=amount_atoms)

    def insure(self, amount_atoms: int) -> Ask:
        """An operator's payment into the venue's insurance fund."""

        def booked(answers: Answers) -> None:
            self.deposited_atoms += amount_atoms * int(answers.done.sum())

        return Ask("insurance_deposit", cmd.InsuranceDeposit(amount_atoms=amount_atoms), booked)

    def request(self, account: np.ndarray, amount_atoms: np.ndarray, learn: Learn) -> Ask:
        """Withdrawals the owners of these accounts ask for."""

        def noted(answers: Answers) -> None:
            for row in np.flatnonzero(answers.done).tolist():
                self._pending.append(
                    _Pending(
                        self._block + self._decision_blocks,
                        int(account[row]),
                        int(answers.reference[row]),
                        int(amount_atoms[row]),
                        attempts=0,
                    )
                )
            learn(answers)

        return column_ask("withdrawals", cmd.Withdrawals, noted, account=account, amount_atoms=amount_atoms)

    def act(self, block: int) -> list[Ask]:
        """Decisions that are due: most are paid out, the others could not be and are credited back."""
        self._block = block
        due = []
        while self._pending and self._pending[0].due_block <= block:
            due.append(self._pending.popleft())
        if not due:
            return []
        confirm = self._draw.integers(0, 1000, size=len(due)) < CONFIRM_PM
        confirm &= np.array([pending.attempts < ATTEMPTS_MAX for pending in due])

        def booked(answers: Answers) -> None:
            for row, pending in enumerate(due):
                if answers.done[row] and confirm[row]:
                    self.withdrawn_atoms += pending.amount_atoms
                elif answers.refusal[row] == ref.REFUSAL_NOT_VALIDATED:
                    later = pending._replace(due_block=block + self._decision_blocks, attempts=pending.attempts + 1)
                    self._pending.append(later)

        return [
            column_ask(
                "withdrawal_decisions",
                cmd.WithdrawalDecisions,
                booked,
                account=[pending.account for pending in due],
                withdrawal=[pending.withdrawal for pending in due],
                confirm=confirm,
            )
        ]
