"""Counts what a Perennial replay did: versions, positions settled at them, liquidations and rewards, debts."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from actors.rulebooks.perennial import notional_floor_atoms
from breakwater.v1 import events_pb2 as evt
from node.bots.keeper_watch import KeeperWatch
from node.load.rung_tally import RungTally

CLOSED = "closed"
_VERSIONS_KEPT = 64


class MarketPoint(NamedTuple):
    """A market at a version, what makers, longs and shorts hold from there on; atoms of notional."""

    time_ms: int
    maker_atoms: int
    long_atoms: int
    short_atoms: int


@dataclass
class VersionedTally(RungTally):
    """Sums and series of one replay. Amounts are atoms."""

    RUNGS: ClassVar[tuple[str, ...]] = (CLOSED,)

    versions_valid: int = 0
    versions_invalid: int = 0
    pinned: int = 0
    settled: int = 0
    voided: int = 0
    repinned: int = 0
    # How often a position was realised: each time less than an atom stays with the market.
    realised: int = 0
    maker_volume_atoms: int = 0
    position_fees_atoms: int = 0
    settlement_fees_atoms: int = 0
    rewards_atoms: int = 0
    repaid_atoms: int = 0
    wins: dict[int, int] = field(default_factory=dict)
    points: dict[int, list[MarketPoint]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # (market, version) -> price; (account, market) -> (kind, lots).
        self._prices: dict[tuple[int, int], int] = {}
        self._newest: deque[tuple[int, int]] = deque()
        self._held: dict[tuple[int, int], tuple[int, int]] = {}

    def saw(self, watch: Any, time_ms: int) -> None:
        """The keepers' watch after a block: who may be liquidated at the latest versions (PE-02), and who is locked."""
        assert isinstance(watch, KeeperWatch), "a Perennial venue is watched by its own rule"

        def is_locked(key: Any) -> bool:
            account, market = key
            rows = [row for row in watch.table.rows_of(account) if row.market == market]
            return any(row.lots and row.lock_ms for row in rows)

        self.episodes.look(watch.below, time_ms, is_locked)

    def words(self) -> str:
        """How it stands, for a line of progress."""
        return (
            f"volume {self.volume_atoms / 1e12:,.1f}M  versions {self.versions_valid:,} and "
            f"{self.versions_invalid:,} invalid  closed {len(self.rungs):,}"
        )

    def _version_settled(self, event: evt.Event, body: evt.VersionSettled) -> None:
        self.versions_valid += body.valid
        self.versions_invalid += not body.valid
        self.position_fees_atoms += body.position_fee_atoms
        self.settlement_fees_atoms += body.settlement_fee_atoms
        key = (event.market, body.version_ms)
        self._prices[key] = body.price_ticks
        self._newest.append(key)
        if len(self._newest) > _VERSIONS_KEPT:
            del self._prices[self._newest.popleft()]
        worth = (
            notional_floor_atoms(lots, body.price_ticks) for lots in (body.maker_lots, body.long_lots, body.short_lots)
        )
        self.points.setdefault(event.market, []).append(MarketPoint(event.block_time_ms, *worth))

    def _position_pinned(self, event: evt.Event, body: evt.PositionPinned) -> None:
        self.pinned += 1

    def _position_repinned(self, event: evt.Event, body: evt.PositionRepinned) -> None:
        self.repinned += 1

    def _position_settled(self, event: evt.Event, body: evt.PositionSettled) -> None:
        self.settled += 1
        self.realised += 1
        self.voided += not body.valid
        key = (event.account, event.market)
        kind, lots = self._held.get(key, (body.kind, 0))
        self._held[key] = (body.kind, body.lots)
        moved = abs(body.lots - lots) if kind == body.kind or not body.lots else body.lots + lots
        worth = notional_floor_atoms(moved, self._prices[event.market, body.version_ms])
        if evt.POSITION_KIND_MAKER in (kind, body.kind):
            self.maker_volume_atoms += worth
        else:
            self.volume_atoms += worth

    def _collateral_moved(self, event: evt.Event, body: evt.CollateralMoved) -> None:
        self.realised += 1

    def _position_locked(self, event: evt.Event, body: evt.PositionLocked) -> None:
        self._step(event, CLOSED, notional_floor_atoms(body.lots, body.price_ticks))
        self.rewards_atoms += body.reward_atoms
        self.wins[body.liquidator] = self.wins.get(body.liquidator, 0) + 1

    def _shortfall_recorded(self, event: evt.Event, body: evt.ShortfallRecorded) -> None:
        self.shortfall_atoms += body.amount_atoms

    def _shortfall_repaid(self, event: evt.Event, body: evt.ShortfallRepaid) -> None:
        self.repaid_atoms += body.amount_atoms
