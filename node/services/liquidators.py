"""What liquidators won, and what they were refused: counted from the archive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, cast

from actors.rulebooks.perennial import notional_floor_atoms
from breakwater.v1 import events_pb2, liquidation_pb2, refusals_pb2
from cluster.archive import Archive, Cursor

_SCAN_ROWS: Final = 1_000
# Only a call of Liquidate is refused by these names.
_OF_LIQUIDATIONS: Final = frozenset(
    (
        refusals_pb2.REFUSAL_LIQUIDATION_PENDING,
        refusals_pb2.REFUSAL_NOT_LIQUIDATABLE,
        refusals_pb2.REFUSAL_REWARD_ABOVE_LIMIT,
        refusals_pb2.REFUSAL_BELOW_STEP,
        refusals_pb2.REFUSAL_ABOVE_LIQUIDATABLE,
        refusals_pb2.REFUSAL_LIQUIDATOR_RATIO,
    )
)


@dataclass
class _Record:
    """One liquidator's, so far."""

    liquidations: int = 0
    targets: set[int] = field(default_factory=set)
    value_atoms: int = 0
    reward_atoms: int = 0
    fund_atoms: int = 0
    refusals: Counter[int] = field(default_factory=Counter)

    def message(self, account: int) -> liquidation_pb2.LiquidatorStatistics:
        return liquidation_pb2.LiquidatorStatistics(
            account=account,
            liquidations=self.liquidations,
            targets=len(self.targets),
            value_atoms=self.value_atoms,
            reward_atoms=self.reward_atoms,
            fund_atoms=self.fund_atoms,
            refusals=[
                liquidation_pb2.RefusalCount(refusal=cast(refusals_pb2.Refusal, refusal), count=count)
                for refusal, count in sorted(self.refusals.items())
            ],
        )


Records = dict[int, _Record]


def statistics(
    archive: Archive, venue: int, account: int, first: int, last: int
) -> list[liquidation_pb2.LiquidatorStatistics]:
    """Of every liquidator of a venue, or of one account, between two heights, most rewarded first. Runs in a thread."""
    records: Records = {}
    for event in _events(archive, venue, first, last):
        name = event.WhichOneof("body") or ""
        _COUNTED[name](records, event)
    wanted = [(one, record) for one, record in records.items() if account in (0, one)]
    wanted.sort(key=lambda pair: (-pair[1].reward_atoms, pair[0]))
    return [record.message(one) for one, record in wanted]


def _events(archive: Archive, venue: int, first: int, last: int) -> Iterator[events_pb2.Event]:
    kinds = [events_pb2.Event.DESCRIPTOR.fields_by_name[name].number for name in _COUNTED]
    after: Cursor | None = None
    while rows := archive.events_by_kind(kinds, first, _SCAN_ROWS, after):
        for row in rows:
            if row.height > last:
                return
            if row.venue == venue:
                yield events_pb2.Event.FromString(row.bytes)
        after = Cursor(rows[-1].height, rows[-1].idx)


def _taken_over(records: Records, event: events_pb2.Event) -> None:
    taken = event.account_liquidated
    record = records.setdefault(taken.liquidator, _Record())
    record.liquidations += 1
    record.targets.add(event.account)
    record.value_atoms += taken.value_atoms
    record.reward_atoms += taken.reward_atoms


def _paid_by_fund(records: Records, event: events_pb2.Event) -> None:
    record = records.setdefault(event.account, _Record())
    record.reward_atoms += event.liquidator_paid.fund_atoms
    record.fund_atoms += event.liquidator_paid.fund_atoms


def _locked(records: Records, event: events_pb2.Event) -> None:
    closed = event.position_locked
    record = records.setdefault(closed.liquidator, _Record())
    record.liquidations += 1
    record.targets.add(event.account)
    record.value_atoms += notional_floor_atoms(closed.lots, closed.price_ticks)
    record.reward_atoms += closed.reward_atoms


def _refused(records: Records, event: events_pb2.Event) -> None:
    if event.command_refused.refusal in _OF_LIQUIDATIONS:
        records.setdefault(event.account, _Record()).refusals[event.command_refused.refusal] += 1


_COUNTED: Final[dict[str, Callable[[Records, events_pb2.Event], None]]] = {
    "account_liquidated": _taken_over,
    "liquidator_paid": _paid_by_fund,
    "position_locked": _locked,
    "command_refused": _refused,
}
