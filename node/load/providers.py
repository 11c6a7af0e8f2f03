"""Simulated liquidity providers: they fill the pool at the start and move in and out while the price runs."""

import numpy as np

from breakwater.v1 import commands_pb2 as cmd
from node.load.asks import Answers, Ask, column_ask

FIRST_PART_PM = 850
_MOVES_EACH = 4


class Providers:
    """The columns of all LPs: account, money outside the pool, micro-shares, and when each moves next."""

    def __init__(
        self, draw: np.random.Generator, count: int, pool_atoms: int, blocks: int, locked_blocks: int = 0
    ) -> None:
        """Together they bring pool_atoms, in unequal parts, FIRST_PART_PM of it at the start.

        Who wants out while what he brought is locked stays where he is; one of them tries all the same.
        """
        self._locked_blocks = locked_blocks
        self._draw = draw
        self.count = count
        self.account = np.zeros(count, np.int64)
        weight = draw.integers(40, 160, size=count)
        self.deposit_atoms = pool_atoms * weight // int(weight.sum()) * 1000 // FIRST_PART_PM + 1
        self.free_atoms = np.zeros(count, np.int64)
        self.micro_shares = np.zeros(count, np.int64)
        # Nobody moves before the market has filled.
        self._moves = np.sort(draw.integers(max(2, blocks // 8), max(3, blocks), size=(count, _MOVES_EACH)), axis=1)

    def funded(self, amount_atoms: np.ndarray) -> None:
        """The custodian credited these amounts, one an LP."""
        self.free_atoms += amount_atoms

    def fill(self) -> Ask:
        """The first deposits into the pool."""
        return self._deposit(np.arange(self.count), self.free_atoms * FIRST_PART_PM // 1000)

    def act(self, block: int) -> list[Ask]:
        """Who moves in this block: two of three take shares out, the others put money in."""
        rows = np.flatnonzero((self._moves == block).any(axis=1))
        if not len(rows):
            return []
        out = self._draw.integers(0, 3, size=len(rows)) > 0
        part_pm = self._draw.integers(20, 90, size=len(rows))
        asks = []
        coming = rows[~out]
        may = out & ((block > self._locked_blocks) | (rows == 0))
        leaving = rows[may]
        if len(leaving):
            asks.append(self._withdraw(leaving, np.maximum(1, self.micro_shares[leaving] * part_pm[may] // 1000)))
        if len(coming):
            asks.append(self._deposit(coming, np.maximum(1, self.free_atoms[coming] * part_pm[~out] // 500)))
        return asks

    def _deposit(self, rows: np.ndarray, amount_atoms: np.ndarray) -> Ask:
        def learn(answers: Answers) -> None:
            taken = ~answers.refused
            self.free_atoms[rows[taken]] -= amount_atoms[taken]
            self.micro_shares[rows[taken]] += answers.reference[taken]

        return column_ask(
            "liquidity_deposits", cmd.LiquidityDeposits, learn, account=self.account[rows], amount_atoms=amount_atoms
        )

    def _withdraw(self, rows: np.ndarray, micro_shares: np.ndarray) -> Ask:
        def learn(answers: Answers) -> None:
            taken = ~answers.refused
            self.micro_shares[rows[taken]] -= micro_shares[taken]
            self.free_atoms[rows[taken]] += answers.amount_atoms[taken]

        return column_ask(
            "liquidity_withdrawals",
            cmd.LiquidityWithdrawals,
            learn,
            account=self.account[rows],
            micro_shares=micro_shares,
        )
