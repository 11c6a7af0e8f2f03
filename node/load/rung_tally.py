"""What the tallies of all rulebooks but Twilight's have in common: steps of the ladder by rung, volume, episodes."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

from breakwater.v1 import events_pb2 as evt
from node.load.command_tally import CommandTally
from node.load.episodes import Episodes


class RungPoint(NamedTuple):
    """One step of the ladder: where its event is, and how large it was in atoms of notional."""

    height: int
    event_index: int
    time_ms: int
    rung: str
    notional_atoms: int


@dataclass
class RungTally(CommandTally):
    """Amounts are atoms."""

    RUNGS: ClassVar[tuple[str, ...]] = ()

    volume_atoms: int = 0
    rungs: list[RungPoint] = field(default_factory=list)
    accounts_by_rung: dict[str, set[int]] = field(default_factory=dict)
    shortfall_atoms: int = 0
    episodes: Episodes = field(default_factory=Episodes)

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
        return {rung: counts[rung] for rung in self.RUNGS}

    def rung_accounts(self) -> dict[str, int]:
        """Accounts a rung reached, by rung."""
        return {rung: len(self.accounts_by_rung.get(rung, ())) for rung in self.RUNGS}

    def rung_notional_atoms(self) -> dict[str, int]:
        """Notional by rung."""
        sums = Counter[str]()
        for point in self.rungs:
            sums[point.rung] += point.notional_atoms
        return {rung: sums[rung] for rung in self.RUNGS}

    def _step(self, event: evt.Event, rung: str, notional_atoms: int) -> None:
        self.rungs.append(RungPoint(event.height, event.index, event.block_time_ms, rung, notional_atoms))
        self.accounts_by_rung.setdefault(rung, set()).add(event.account)
