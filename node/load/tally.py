"""Counts what a replay did: from the answers to its commands and from the events of its blocks."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from breakwater.v1 import common_pb2 as com
from breakwater.v1 import events_pb2 as evt
from node.load.command_tally import CommandTally
from node.load.episodes import Episodes
from node.load.names import named_counts


class MarkPoint(NamedTuple):
    """A mark (ticks) and the block time (ms) it applied from."""

    time_ms: int
    mark_ticks: int


class NavPoint(NamedTuple):
    """The pool after a block that changed it, atoms."""

    height: int
    time_ms: int
    realised_atoms: int
    marked_atoms: int
    micro_shares: int


class LiquidationPoint(NamedTuple):
    """One liquidation: where its event is, and how large it was in atoms."""

    height: int
    event_index: int
    time_ms: int
    outcome: int
    entry_value_atoms: int
    seized_atoms: int
    deficit_atoms: int
    account: int = 0
    position_size: int = 0


@dataclass
class Tally(CommandTally):
    """Sums and series of one replay. Amounts are atoms."""

    opens: int = 0
    rested: int = 0
    cancelled: int = 0
    closes_by_kind: Counter[int] = field(default_factory=Counter)
    claims_recorded_atoms: int = 0
    claims_paid_atoms: int = 0
    funding_applied: int = 0
    funding_skipped: int = 0
    shares_minted: int = 0
    shares_redeemed: int = 0
    marks: list[MarkPoint] = field(default_factory=list)
    navs: list[NavPoint] = field(default_factory=list)
    liquidations: list[LiquidationPoint] = field(default_factory=list)
    pool: evt.PoolUpdated = field(default_factory=evt.PoolUpdated)
    # Sum of position sizes opened and closed, atoms * ticks: what an inverse contract is worth in quote, at any price.
    volume_size: int = 0
    episodes: Episodes = field(default_factory=Episodes)

    @property
    def closes(self) -> int:
        """Positions closed by their owners or a level they set."""
        return sum(self.closes_by_kind.values())

    def happened(self, events: Iterable[evt.Event]) -> None:
        """Count the events of one block."""
        for event in events:
            self._count(event, event.WhichOneof("body") or "")

    def _count(self, event: evt.Event, body: str) -> None:
        match body:
            case "position_opened":
                self.opens += 1
                self.volume_size += event.position_opened.position_size
            case "position_closed":
                self.closes_by_kind[event.position_closed.kind] += 1
                self.volume_size += event.position_closed.position_size
            case "position_liquidated":
                self.liquidations.append(_liquidation(event))
                # The node scans every position at every block's mark: whoever had no wait is below since this block.
                self.episodes.begin(event.position_liquidated.position, event.block_time_ms)
                self.episodes.end(event.position_liquidated.position, event.block_time_ms)
            case "ladder_queued":
                self.episodes.begin(event.ladder_queued.position, event.block_time_ms)
            case "order_rested":
                self.rested += 1
            case "order_cancelled":
                self.cancelled += 1
            case "claim_recorded":
                self.claims_recorded_atoms += event.claim_recorded.amount_atoms
            case "claim_paid":
                self.claims_paid_atoms += event.claim_paid.amount_atoms
            case "funding_applied":
                self.funding_applied += 1
            case "funding_skipped":
                self.funding_skipped += 1
            case "shares_minted":
                self.shares_minted += 1
            case "shares_redeemed":
                self.shares_redeemed += 1
            case "mark_updated":
                self.marks.append(MarkPoint(event.block_time_ms, event.mark_updated.mark_ticks))
            case "pool_updated":
                self.pool = event.pool_updated
                self.navs.append(_nav(event))

    def close_kinds(self) -> dict[str, int]:
        """Closes by the kind of order that made them."""
        return named_counts(self.closes_by_kind, com.OrderKind, "ORDER_KIND_")

    def liquidation_outcomes(self) -> dict[str, int]:
        """Liquidations by the row of the outcome table (TW-11); every row is there."""
        counts = Counter(point.outcome for point in self.liquidations)
        rows = [number for number in evt.LiquidationOutcome.values() if number]
        return {
            evt.LiquidationOutcome.Name(number).removeprefix("LIQUIDATION_OUTCOME_"): counts[number] for number in rows
        }

    def words(self) -> str:
        """How it stands, for a line of progress."""
        return (
            f"NAV {self.pool.nav_marked_atoms / 1e8:,.4f} BTC  "
            f"{self.pool.positions:,} positions  {len(self.liquidations):,} liquidated"
        )


def _liquidation(event: evt.Event) -> LiquidationPoint:
    body = event.position_liquidated
    return LiquidationPoint(
        event.height,
        event.index,
        event.block_time_ms,
        body.outcome,
        body.entry_value_atoms,
        body.margin_held_atoms,
        body.deficit_atoms,
        event.account,
        body.position_size,
    )


def _nav(event: evt.Event) -> NavPoint:
    pool = event.pool_updated
    return NavPoint(
        event.height, event.block_time_ms, pool.nav_realised_atoms, pool.nav_marked_atoms, pool.micro_shares
    )
