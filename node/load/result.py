"""What came of a replay, venue by venue: what was asked for, what was counted, what was read at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from breakwater.v1 import batches_pb2, blocks_pb2
from node.load.conservation import (
    Conservation,
    book_conservation,
    conservation,
    spin_conservation,
    versioned_conservation,
)
from node.load.margin_trade.tally import BookTally
from node.load.options import ReplayOptions
from node.load.people import Groups
from node.load.perennial.tally import VersionedTally
from node.load.plan import AnyTally, Plan
from node.load.spin.tally import SpinTally
from node.load.venue_run import VenueRun
from node.load.views import Reader, Views, read_views


@dataclass(frozen=True)
class VenueResult:
    """One venue of a replay that is over."""

    plan: Plan
    tally: AnyTally
    groups: Groups
    views: Views
    conservation: Conservation
    # What each bot did, in their order; none where the protocol liquidates.
    bots: Sequence[dict[str, Any]] = ()
    bot_accounts: Sequence[int] = ()

    @property
    def name(self) -> str:
        """Of the rulebook, as `--venue` names it."""
        return self.plan.venue.name

    @property
    def pool(self) -> batches_pb2.PoolView:
        """Of a Twilight venue."""
        return self.views.pool

    @property
    def backstop(self) -> batches_pb2.BackstopView:
        """Of a Margin Trade venue."""
        return self.views.backstop


@dataclass(frozen=True)
class ReplayResult:
    """What came of a replay. Times in seconds of the wall; everything else follows from the options."""

    options: ReplayOptions
    data_dir: Path
    venues: Sequence[VenueResult]
    final_height: int
    state_root: bytes
    wall_s: float
    sealing_s: float
    restarts: int
    validator_key: bytes
    receipts: Sequence[blocks_pb2.Receipt]

    @property
    def plan(self) -> Plan:
        """Of the first venue."""
        return self.venues[0].plan

    @property
    def tally(self) -> AnyTally:
        """Of the first venue."""
        return self.venues[0].tally

    @property
    def conservation(self) -> Conservation:
        """Of the first venue."""
        return self.venues[0].conservation

    @property
    def conserved(self) -> bool:
        """Of every venue."""
        return all(venue.conservation.conserved for venue in self.venues)


def venue_result(reader: Reader, run: VenueRun) -> VenueResult:
    """Reads what is left of a venue at the end and checks its equation."""
    views = read_views(reader, run)
    bots = run.bots
    return VenueResult(
        plan=run.plan,
        tally=run.tally,
        groups=run.people.groups,
        views=views,
        conservation=checked(run, views),
        bots=[_bot_facts(tally.summary()) for tally in bots.tallies] if bots else (),
        bot_accounts=bots.accounts if bots else (),
    )


def checked(run: VenueRun, views: Views) -> Conservation:
    """The equation of the venue's rulebook over these views."""
    accounts, custody, tally = list(views.accounts.values()), run.people.custody, run.tally
    if isinstance(tally, BookTally):
        return book_conservation(accounts, views.backstop, custody)
    if isinstance(tally, SpinTally):
        return spin_conservation(accounts, views.insurance, tally.funding_atoms, custody)
    if isinstance(tally, VersionedTally):
        return versioned_conservation(accounts, views.versions, tally.realised, custody)
    return conservation(accounts, views.pool, custody)


def _bot_facts(summary: dict[str, Any]) -> dict[str, Any]:
    """Without what depends on the wall: bots in lock step have no latency."""
    names = ("calls", "wins", "rewards_atoms", "taken_lots", "unwound_lots", "refusals")
    return {name: summary[name] for name in names}
