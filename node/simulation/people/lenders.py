"""LPs of Twilight's pool and of Margin Trade's vault."""

from __future__ import annotations

from typing import Final

from breakwater.v1 import answers_pb2, commands_pb2, common_pb2
from cluster.simulator.faults import Chaos
from cluster.simulator.workload import Reader
from node.simulation.people.person import Person
from node.simulation.venues import Listed

# What the first shares cost: 1000 atoms a share in millionths (TW-16), and one micro-share an atom (MT-14).
_MICRO_SHARES_AN_ATOM: Final[dict[int, int]] = {
    common_pb2.RULEBOOK_TWILIGHT: 1_000,
    common_pb2.RULEBOOK_MARGIN_TRADE: 1,
}


class Lender(Person):
    """Puts in, takes out, at times more than it has. It counts shares at their first price: near enough."""

    def __init__(self, name: str, principal: int, seed: int, chaos: Chaos, listed: Listed, account: int) -> None:
        super().__init__(name, principal, listed.number, seed, chaos)
        self._account = account
        self._an_atom = _MICRO_SHARES_AN_ATOM[listed.rulebook]
        self._micro_shares = listed.liquidity_atoms * self._an_atom if account == 1 else 0

    def act(self, reader: Reader) -> list[commands_pb2.CommandBatch]:
        """A deposit or a redemption now and then."""
        views = reader.accounts(self.venue, [self._account]) if self.chance(0.3) else None
        if views is None or not views.accounts:
            return []
        free, shares = views.accounts[0].free_atoms, self._micro_shares
        if shares and self.chance(0.5):
            asked = max(1, self.random.choice((shares // 10, shares // 3, shares, shares + 1)))
            return [self.batch("liquidity_withdrawals", account=[self._account], micro_shares=[asked])]
        amount = max(1, self.random.choice((free // 20, free // 5, free)))
        return [self.batch("liquidity_deposits", account=[self._account], amount_atoms=[amount])]

    def heard(self, batch: commands_pb2.CommandBatch, outcome: answers_pb2.BatchOutcome) -> None:
        """Counts what it put in and took out."""
        super().heard(batch, outcome)
        if outcome.status[0] == common_pb2.OUTCOME_STATUS_REFUSED:
            return
        if batch.HasField("liquidity_deposits"):
            self._micro_shares += batch.liquidity_deposits.amount_atoms[0] * self._an_atom
        elif batch.HasField("liquidity_withdrawals"):
            self._micro_shares = max(0, self._micro_shares - batch.liquidity_withdrawals.micro_shares[0])
