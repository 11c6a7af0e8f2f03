"""Counts what a Spin replay did: volume, takeovers by tier, who paid the liquidators, the insurance fund."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from breakwater.v1 import events_pb2 as evt
from node.bots.spin_watch import SpinWatch
from node.load.books.trade_tally import TradeTally

# The tiers in which an account may be liquidated (SP-04), and what the fund had to pay (SP-09).
PARTIAL, COMPLETE, FUND = "partial", "complete", "fund"
_TIERS = {2: PARTIAL, 3: COMPLETE}


@dataclass
class SpinTally(TradeTally):
    """Sums and series of one replay. Amounts are atoms."""

    RUNGS: ClassVar[tuple[str, ...]] = (PARTIAL, COMPLETE, FUND)

    rewards_atoms: int = 0
    shares_atoms: int = 0
    fund_rewards_atoms: int = 0
    unpaid_rewards_atoms: int = 0
    funding_moves: int = 0
    # What positions paid, less what they got.
    funding_atoms: int = 0
    transfers: int = 0
    # Of every subaccount.
    owners: dict[int, int] = field(default_factory=dict)
    wins: dict[int, int] = field(default_factory=dict)
    # (time in ms, fund in atoms) after each event that names it.
    fund: list[tuple[int, int]] = field(default_factory=list)

    def saw(self, watch: Any, time_ms: int) -> None:
        """The bots' watch after a block: who may be liquidated at its marks (SP-05)."""
        assert isinstance(watch, SpinWatch), "a Spin venue is watched by its own rule"
        self.episodes.look(watch.below, time_ms, lambda _: False)

    def words(self) -> str:
        """How it stands, for a line of progress."""
        rungs = self.rung_counts()
        fund = self.fund[-1][1] if self.fund else 0
        return (
            f"volume {self.volume_atoms / 1e12:,.1f}M  fund {fund / 1e12:,.2f}M  "
            f"takeovers {rungs[PARTIAL]:,} partial, {rungs[COMPLETE]:,} complete"
        )

    def _account_liquidated(self, event: evt.Event, body: evt.AccountLiquidated) -> None:
        self._step(event, _TIERS[body.tier], abs(body.value_atoms))
        self.rewards_atoms += body.reward_atoms
        self.shares_atoms += body.insurance_atoms
        self.wins[body.liquidator] = self.wins.get(body.liquidator, 0) + 1

    def _liquidator_paid(self, event: evt.Event, body: evt.LiquidatorPaid) -> None:
        self.fund_rewards_atoms += body.fund_atoms
        self.unpaid_rewards_atoms += body.shortfall_atoms

    def _insurance_moved(self, event: evt.Event, body: evt.InsuranceMoved) -> None:
        super()._insurance_moved(event, body)
        self.fund.append((event.block_time_ms, body.fund_atoms))
        if body.reason == evt.INSURANCE_REASON_DEFICIT:
            self._step(event, FUND, -body.amount_atoms)

    def _funding_index_moved(self, event: evt.Event, body: evt.FundingIndexMoved) -> None:
        self.funding_moves += 1

    def _funding_settled(self, event: evt.Event, body: evt.FundingSettled) -> None:
        self.funding_atoms += body.payment_atoms

    def _transferred(self, event: evt.Event, body: evt.Transferred) -> None:
        self.transfers += body.amount_atoms > 0

    def _subaccount_opened(self, event: evt.Event, body: evt.SubaccountOpened) -> None:
        self.owners[event.account] = body.owner
