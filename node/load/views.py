"""What is read of a venue when a replay is over: everybody's account and the desks, from a node or a replica alike."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from breakwater.v1 import batches_pb2, liquidation_pb2
from breakwater.v1 import common_pb2 as com
from node.load.venue_run import VenueRun

VAULT = 0


class Reader(Protocol):
    """Reads at the height sealed last."""

    def accounts(self, venue: int, accounts: Sequence[int]) -> list[batches_pb2.AccountView]:
        """These accounts, in this order."""

    def pool(self, venue: int) -> batches_pb2.PoolView:
        """The pool of a Twilight venue."""

    def backstop(self, venue: int) -> batches_pb2.BackstopView:
        """The vault and the funds of a Margin Trade venue."""

    def insurance(self, venue: int) -> liquidation_pb2.GetInsuranceResponse:
        """The fund of a Spin venue."""

    def versions(self, venue: int, market: int) -> batches_pb2.VersionView:
        """A market of a Perennial venue at its desk."""


@dataclass(frozen=True)
class Views:
    """Accounts by number, the vault's as VAULT; of the desks those the rulebook has."""

    accounts: dict[int, batches_pb2.AccountView]
    pool: batches_pb2.PoolView = field(default_factory=batches_pb2.PoolView)
    backstop: batches_pb2.BackstopView = field(default_factory=batches_pb2.BackstopView)
    insurance: liquidation_pb2.GetInsuranceResponse = field(default_factory=liquidation_pb2.GetInsuranceResponse)
    versions: Sequence[batches_pb2.VersionView] = ()


def read_views(reader: Reader, run: VenueRun) -> Views:
    """Of everybody in this run, bots too."""
    plan, venue, numbers = run.plan, run.venue, run.accounts
    rulebook = plan.venue.rulebook
    if rulebook == com.RULEBOOK_MARGIN_TRADE:
        numbers = [VAULT, *numbers]
    accounts = dict(zip(numbers, reader.accounts(venue, numbers), strict=True))
    if rulebook == com.RULEBOOK_MARGIN_TRADE:
        return Views(accounts, backstop=reader.backstop(venue))
    if rulebook == com.RULEBOOK_SPIN:
        return Views(accounts, insurance=reader.insurance(venue))
    if rulebook == com.RULEBOOK_PERENNIAL:
        return Views(accounts, versions=[reader.versions(venue, market.market) for market in plan.markets])
    return Views(accounts, pool=reader.pool(venue))
