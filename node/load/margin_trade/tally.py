"""Counts what a Margin Trade replay did: volume, rungs, the vault, deleveraging and its haircuts, funds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import refusals_pb2 as ref
from node.load.command_tally import CommandTally
from node.load.names import named_counts

# The rungs as the summary names them.
PARTIAL, WHOLE, TAKEOVER, DELEVERAGED = "partial", "whole", "takeover", "deleveraged"


class RungPoint(NamedTuple):
    """One step of the ladder: where its event is, and how large it was in atoms of notional."""

    height: int
    event_index: int
    time_ms: int
    rung: str
    notional_atoms: int


class VaultPoint(NamedTuple):
    """The vault and the funds after a block that changed them, atoms."""

    height: int
    time_ms: int
    nav_marked_atoms: int
    gross_notional_atoms: int
    fund_atoms: int
    shortfall_atoms: int


@dataclass
class BookTally(CommandTally):
    """Sums and series of one replay. Amounts are atoms."""

    trades: int = 0
    volume_atoms: int = 0
    liquidated_atoms: int = 0
    unwound_atoms: int = 0
    orders_rested: int = 0
    orders_done_by_reason: Counter[int] = field(default_factory=Counter)
    triggered: int = 0
    rungs: list[RungPoint] = field(default_factory=list)
    accounts_by_rung: dict[str, set[int]] = field(default_factory=dict)
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
    insurance_by_reason: Counter[int] = field(default_factory=Counter)
    shortfall_atoms: int = 0
    funding_applied: int = 0
    funding_skipped: int = 0
    shares_minted: int = 0
    shares_redeemed: int = 0
    vault: list[VaultPoint] = field(default_factory=list)
    published: evt.VaultUpdated = field(default_factory=evt.VaultUpdated)

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Count the events of one block."""
        for event in events:
            body = event.WhichOneof("body") or ""
            count = getattr(self, f"_{body}", None)
            if count is not None:
                count(event, getattr(event, body))

    def rung_counts(self) -> dict[str, int]:
        """Steps of the ladder by rung; every rung is there."""
        counts = Counter(point.rung for point in self.rungs)
        return {rung: counts[rung] for rung in (PARTIAL, WHOLE, TAKEOVER, DELEVERAGED)}

    def rung_accounts(self) -> dict[str, int]:
        """Accounts a rung reached, by rung."""
        return {rung: len(self.accounts_by_rung.get(rung, ())) for rung in (PARTIAL, WHOLE, TAKEOVER, DELEVERAGED)}

    def order_ends(self) -> dict[str, int]:
        """Orders that left the book unfilled, by reason; their owners' cancels are CANCELLED."""
        ends = named_counts(self.orders_done_by_reason, ref.Refusal, "REFUSAL_")
        return {("CANCELLED" if name == "UNSPECIFIED" else name): count for name, count in ends.items()}

    def takeover_limits(self) -> dict[str, int]:
        """Takeovers the vault refused, by the limit."""
        return named_counts(self.takeovers_refused, evt.TakeoverLimit, "TAKEOVER_LIMIT_")

    def queue_reasons(self) -> dict[str, int]:
        """Accounts that had to wait, by reason."""
        return named_counts(self.queued, evt.QueueReason, "QUEUE_REASON_")

    def insurance(self) -> dict[str, int]:
        """What moved the insurance fund, by reason, atoms."""
        return named_counts(self.insurance_by_reason, evt.InsuranceReason, "INSURANCE_REASON_")

    def words(self) -> str:
        """How it stands, for a line of progress."""
        rungs = self.rung_counts()
        return (
            f"volume {self.volume_atoms / 1e12:,.1f}M  vault {self.published.nav_marked_atoms / 1e12:,.2f}M  "
            f"liquidations {rungs[PARTIAL] + rungs[WHOLE]:,}  takeovers {rungs[TAKEOVER]:,}  ADL {rungs[DELEVERAGED]:,}"
        )

    def _step(self, event: evt.Event, rung: str, notional_atoms: int) -> None:
        self.rungs.append(RungPoint(event.height, event.index, event.block_time_ms, rung, notional_atoms))
        self.accounts_by_rung.setdefault(rung, set()).add(event.account)

    def _order_filled(self, event: evt.Event, body: evt.OrderFilled) -> None:
        if body.is_maker:
            return
        self.trades += 1
        quote = abs(body.quote_atoms)
        self.volume_atoms += quote
        self.liquidated_atoms += quote if body.is_liquidation else 0
        self.unwound_atoms += quote if body.is_unwinding else 0

    def _order_placed(self, event: evt.Event, body: evt.OrderPlaced) -> None:
        self.orders_rested += 1

    def _order_done(self, event: evt.Event, body: evt.OrderDone) -> None:
        self.orders_done_by_reason[body.refusal] += 1

    def _order_triggered(self, event: evt.Event, body: evt.OrderTriggered) -> None:
        self.triggered += 1

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

    def _insurance_moved(self, event: evt.Event, body: evt.InsuranceMoved) -> None:
        self.insurance_by_reason[body.reason] += body.amount_atoms

    def _shortfall_recorded(self, event: evt.Event, body: evt.ShortfallRecorded) -> None:
        self.shortfall_atoms += body.amount_atoms

    def _ladder_queued(self, event: evt.Event, body: evt.LadderQueued) -> None:
        self.queued[body.reason] += 1

    def _funding_applied(self, event: evt.Event, body: evt.FundingApplied) -> None:
        self.funding_applied += 1

    def _funding_skipped(self, event: evt.Event, body: evt.FundingSkipped) -> None:
        self.funding_skipped += 1

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
