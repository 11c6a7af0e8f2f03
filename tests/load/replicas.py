"""Short replays on a replica, for the tests of the driver and its people."""

from typing import NamedTuple

from breakwater.v1 import admin_pb2
from cluster.replica import Replica
from node.load.conservation import Conservation
from node.load.driver import Driver, Events, Standings
from node.load.options import ALL, ReplayOptions, plan_of, plans_of
from node.load.plan import Plan
from node.load.rehearsal import ReplicaReader, ReplicaSealer
from node.load.result import VenueResult, venue_result

# Forty minutes into the synthetic crash: the fall, the low and the rebound.
FIRST_POINT, LAST_POINT = 160, 224
# On books nobody may be in the market before: they need a few blocks to come in.
FIRST_BOOK_POINT, LAST_BOOK_POINT = 130, 200
VAULT = 0


class Recorder:
    """A replica that keeps what it was asked to seal."""

    def __init__(self, replica: Replica) -> None:
        self._sealer = ReplicaSealer(replica)
        self.requests: list[bytes] = []

    def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        """Seal, and remember the request."""
        self.requests.append(request.SerializeToString(deterministic=True))
        return self._sealer.seal(request)

    def events_later(self, height: int) -> Events:
        """The events of the block sealed last."""
        return self._sealer.events_later(height)

    def standings_later(self, venue: int, height: int) -> Standings:
        """Of the block sealed last."""
        return self._sealer.standings_later(venue, height)


class Run(NamedTuple):
    """A replay that is over."""

    driver: Driver
    replica: Replica
    requests: list[bytes]
    conservation: Conservation


def short_plan(traders: int = 60, seed: int = 1) -> Plan:
    """The fast part of the synthetic crash, four prices a minute."""
    plan = plan_of(ReplayOptions("twilight", None, traders, seed, 1, "inline", 4))
    return plan.part(FIRST_POINT, LAST_POINT)


def short_book_plan(traders: int = 150, seed: int = 1) -> Plan:
    """The same crash on a Margin Trade venue of one market."""
    plan = plan_of(ReplayOptions("margin-trade", None, traders, seed, 1, "inline", 4))
    return plan.part(FIRST_BOOK_POINT, LAST_BOOK_POINT)


def short_spin_plan(traders: int = 100, seed: int = 1) -> Plan:
    """The same on a Spin venue: three liquidation bots beside the people."""
    plan = plan_of(ReplayOptions("spin", None, traders, seed, 1, "inline", 4))
    return plan.part(FIRST_BOOK_POINT, LAST_BOOK_POINT)


def short_versioned_plan(traders: int = 100, seed: int = 1) -> Plan:
    """The same on a Perennial venue, with two keepers; twelve prices a minute, two in every slot."""
    plan = plan_of(ReplayOptions("perennial", None, traders, seed, 1, "inline", 12))
    return plan.part(FIRST_BOOK_POINT * 3, LAST_BOOK_POINT * 3)


def short_plans(traders: int = 60, seed: int = 1) -> list[Plan]:
    """All four venues at once, with the same people."""
    plans = plans_of(ReplayOptions(ALL, None, traders, seed, 1, "inline", 4))
    return [plan.part(FIRST_BOOK_POINT, LAST_BOOK_POINT) for plan in plans]


def run_on_replica(plan: Plan, shards: int = 1) -> Run:
    """Drive the plan through a replica with so many shards."""
    run = run_all([plan], shards)
    return Run(run.driver, run.replica, run.requests, run.results[0].conservation)


class Runs(NamedTuple):
    """A replay of several venues that is over."""

    driver: Driver
    replica: Replica
    requests: list[bytes]
    results: list[VenueResult]


def run_all(plans: list[Plan], shards: int = 1) -> Runs:
    """Drive the plans through one replica."""
    replica = Replica(shards)
    recorder = Recorder(replica)
    driver = Driver(plans, recorder, lambda _: None)
    driver.run()
    results = [venue_result(ReplicaReader(replica), run) for run in driver.runs]
    return Runs(driver, replica, recorder.requests, results)
