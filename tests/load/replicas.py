"""Short replays on a replica, for the tests of the driver and its people."""

from typing import NamedTuple

from breakwater.v1 import admin_pb2
from cluster.replica import Replica
from node.load.conservation import Conservation, book_conservation, conservation
from node.load.driver import Driver, Events, Standings
from node.load.options import ReplayOptions, plan_of
from node.load.plan import Plan
from node.load.rehearsal import ReplicaSealer

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


def run_on_replica(plan: Plan, shards: int = 1) -> Run:
    """Drive the plan through a replica with so many shards."""
    replica = Replica(shards)
    recorder = Recorder(replica)
    driver = Driver([plan], recorder, lambda _: None)
    driver.run()
    return Run(driver, replica, recorder.requests, _conservation(plan, replica, driver))


def _conservation(plan: Plan, replica: Replica, driver: Driver) -> Conservation:
    venue, people = plan.venue.venue, driver.population
    if plan.is_book:
        accounts = replica.accounts(venue, [VAULT, *people.accounts]).accounts
        return book_conservation(accounts, replica.backstop(venue), people.custody)
    return conservation(replica.accounts(venue, people.accounts).accounts, replica.pool(venue), people.custody)
