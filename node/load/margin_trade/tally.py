"""Counts what a Margin Trade replay did: volume, rungs, the vault, deleveraging and its haircuts, funds."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import parameters_pb2
from node.load.books.trade_tally import TradeTally
from node.load.margin_trade.ladder_watch import LadderWatch
from node.load.names import named_counts
from node.load.rung_tally import RungPoint

# The rungs as the summary names them.
PARTIAL, WHOLE, TAKEOVER, DELEVERAGED = "partial", "whole", "takeover", "deleveraged"

__all__ = ["DELEVERAGED", "PARTIAL", "TAKEOVER", "WHOLE", "BookTally", "RungPoint", "VaultPoint"]


class VaultPoint(NamedTuple):
    """The vault and the funds after a block that changed them, atoms."""

    height: int
    time_ms: int
    nav_marked_atoms: int
    gross_notional_atoms: int
    fund_atoms: int
    shortfall_atoms: int


@dataclass
class BookTally(TradeTally):
    """Sums and series of one replay. Amounts are atoms."""

    RUNGS: ClassVar[tuple[str, ...]] = (PARTIAL, WHOLE, TAKEOVER, DELEVERAGED)

    markets: Sequence[parameters_pb2.MarketParameters] = ()
    takeovers_refused: Counter[int] = field(default_factory=Counter)
    queued: Counter[int] = field(default_factory=Counter)
    deleverage_runs: int = 0
    needed_lots: int = 0
    taken_lots: int = 0
    needed_atoms: int = 0
    overshoot_atoms: int = 0
    deleveraged_atoms: int = 0
    haircut_atoms: int = 0
    largest_haircut_ppm: int = 0
    haircuts_by_account: Counter[int] = field(default_factory=Counter)
    funding_applied: int = 0
    shares_minted: int = 0
    shares_redeemed: int = 0
    vault: list[VaultPoint] = field(default_factory=list)
    published: evt.VaultUpdated = field(default_factory=evt.VaultUpdated)

    def __post_init__(self) -> None:
        self._watch = LadderWatch(self.markets, self.episodes)

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Count the events of one block, and see whom the ladder is done with."""
        block = list(events)
        super().happened(block)
        self._watch.happened(block)

    def takeover_limits(self) -> dict[str, int]:
        """Takeovers the vault refused, by the limit."""
        return named_counts(self.takeovers_refused, evt.TakeoverLimit, "TAKEOVER_LIMIT_")

    def queue_reasons(self) -> dict[str, int]:
        """Accounts that had to wait, by reason."""
        return named_counts(self.queued, evt.QueueReason, "QUEUE_REASON_")

    def words(self) -> str:
        """How it stands, for a line of progress."""
        rungs = self.rung_counts()
        return (
            f"volume {self.volume_atoms / 1e12:,.1f}M  vault {self.published.nav_marked_atoms / 1e12:,.2f}M  "
            f"liquidations {rungs[PARTIAL] + rungs[WHOLE]:,}  takeovers {rungs[TAKEOVER]:,}  ADL {rungs[DELEVERAGED]:,}"
        )

    def _liquidation_ordered(self, event: evt.Event, body: evt.LiquidationOrdered) -> None:
        self._step(event, PARTIAL if body.is_partial else WHOLE, abs(body.lots) * body.mark.mark_ticks)

    def _taken_over(self, event: evt.Event, body: evt.TakenOver) -> None:
        self._step(event, TAKEOVER, sum(abs(position.quote_atoms) for position in body.positions))

    def _takeover_refused(self, event: evt.Event, body: evt.TakeoverRefused) -> None:
        self.takeovers_refused[body.limit] += 1

    def _deleverage_run(self, event: evt.Event, body: evt.DeleverageRun) -> None:
        self.deleverage_runs += 1
        self.needed_lots += body.needed_lots
        self.taken_lots += body.taken_lots
        self.needed_atoms += body.needed_atoms
        self.overshoot_atoms += body.overshoot_atoms
        self.deleveraged_atoms += abs(body.quote_atoms)
        self.largest_haircut_ppm = max(self.largest_haircut_ppm, body.largest_haircut_ppm)

    def _deleveraged(self, event: evt.Event, body: evt.Deleveraged) -> None:
        self._step(event, DELEVERAGED, abs(body.quote_atoms))
        self.haircut_atoms += body.haircut_atoms
        self.haircuts_by_account[event.account] += body.haircut_atoms

    def _ladder_queued(self, event: evt.Event, body: evt.LadderQueued) -> None:
        self.queued[body.reason] += 1

    def _funding_applied(self, event: evt.Event, body: evt.FundingApplied) -> None:
        self.funding_applied += 1

    def _shares_minted(self, event: evt.Event, body: evt.SharesMinted) -> None:
        self.shares_minted += 1

    def _shares_redeemed(self, event: evt.Event, body: evt.SharesRedeemed) -> None:
        self.shares_redeemed += 1

    def _vault_updated(self, event: evt.Event, body: evt.VaultUpdated) -> None:
        self.published = body
        self.vault.append(
            VaultPoint(
                event.height,
                event.block_time_ms,
                body.nav_marked_atoms,
                body.gross_notional_atoms,
                body.fund_atoms,
                body.shortfall_atoms,
            )
        )
