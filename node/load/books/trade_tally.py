"""Counts what every venue with order books has: trades, orders, triggers, funding boundaries that were skipped."""

from collections import Counter
from dataclasses import dataclass, field

from breakwater.v1 import events_pb2 as evt
from breakwater.v1 import refusals_pb2 as ref
from node.load.names import named_counts
from node.load.rung_tally import RungTally


@dataclass
class TradeTally(RungTally):
    """Amounts are atoms."""

    trades: int = 0
    liquidated_atoms: int = 0
    unwound_atoms: int = 0
    orders_rested: int = 0
    orders_done_by_reason: Counter[int] = field(default_factory=Counter)
    triggered: int = 0
    insurance_by_reason: Counter[int] = field(default_factory=Counter)
    funding_skipped: int = 0

    def order_ends(self) -> dict[str, int]:
        """Orders that left the book unfilled, by reason; their owners' cancels are CANCELLED."""
        ends = named_counts(self.orders_done_by_reason, ref.Refusal, "REFUSAL_")
        return {("CANCELLED" if name == "UNSPECIFIED" else name): count for name, count in ends.items()}

    def insurance(self) -> dict[str, int]:
        """What moved the insurance fund, by reason, atoms."""
        return named_counts(self.insurance_by_reason, evt.InsuranceReason, "INSURANCE_REASON_")

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

    def _insurance_moved(self, event: evt.Event, body: evt.InsuranceMoved) -> None:
        self.insurance_by_reason[body.reason] += body.amount_atoms

    def _shortfall_recorded(self, event: evt.Event, body: evt.ShortfallRecorded) -> None:
        self.shortfall_atoms += body.amount_atoms

    def _funding_skipped(self, event: evt.Event, body: evt.FundingSkipped) -> None:
        self.funding_skipped += 1
