"""A replay of a Perennial venue, keepers in lock step: a function of its arguments, conserved, everything happens."""

import pytest

from breakwater.v1 import batches_pb2
from node.load.conservation import versioned_conservation
from node.load.perennial.pace import pace
from node.load.perennial.population import VersionedPopulation
from node.load.perennial.tally import CLOSED, VersionedTally
from node.load.price_path import PricePoint
from node.load.rehearsal import ReplicaReader
from node.load.views import Views, read_views
from node.perennial_presets import perennial_market
from tests.load.replicas import Run, run_on_replica, short_versioned_plan

VENUE = 4


@pytest.fixture(scope="module")
def run() -> Run:
    return run_on_replica(short_versioned_plan())


def _tally(run: Run) -> VersionedTally:
    assert isinstance(run.driver.tally, VersionedTally)
    return run.driver.tally


def _views(run: Run) -> Views:
    return read_views(ReplicaReader(run.replica), run.driver.runs[0])


def test_it_is_conserved_to_the_atom_and_each_market_to_the_rounding(run: Run) -> None:
    assert run.conservation.difference_atoms == 0
    assert run.conservation.conserved
    assert 0 <= run.conservation.rounding_atoms <= _tally(run).realised
    assert not run.driver.final.outbox_pending


def test_everything_happens_in_a_crash(run: Run) -> None:
    tally = _tally(run)
    assert tally.rung_counts()[CLOSED] > 0 and tally.rewards_atoms > 0
    assert tally.versions_valid > 60 and tally.versions_invalid == 0
    assert tally.volume_atoms > 0 and tally.maker_volume_atoms > 0
    assert max(point.long_atoms for point in tally.points[1]) > 0 < max(point.short_atoms for point in tally.points[1])
    assert len(tally.episodes.lasted_ms) > 0


def test_keepers_race_and_every_win_is_told(run: Run) -> None:
    bots = run.driver.runs[0].bots
    assert bots is not None
    assert sum(tally.wins for tally in bots.tallies) == _tally(run).rung_counts()[CLOSED]
    assert sum(tally.rewards_atoms for tally in bots.tallies) == _tally(run).rewards_atoms
    assert sum(tally.refusals["LIQUIDATION_PENDING"] for tally in bots.tallies) > 0, "nobody raced anybody"


def test_mistakes_are_refused(run: Run) -> None:
    refused = _tally(run).refusals()
    expected = {"NOT_SINGLE_SIDED", "UNKNOWN_MARKET", "OVERFLOW", "INSUFFICIENT_BALANCE", "NOT_LIQUIDATABLE"}
    assert expected | {"POSITION_LOCKED", "COLLATERAL_LOCKED", "LIQUIDATION_PENDING"} <= refused.keys()


def test_what_people_know_is_what_the_node_holds(run: Run) -> None:
    people = run.driver.population
    assert isinstance(people, VersionedPopulation)
    known = people.known
    for view in run.replica.accounts(VENUE, people.accounts).accounts:
        lots = sum(row.lots for row in view.versioned)
        held = view.free_atoms + view.held_atoms
        assert (int(known._lots[view.account, 0]), int(known._free_atoms[view.account])) == (lots, held)


def test_every_debt_has_its_event(run: Run) -> None:
    tally = _tally(run)
    assert sum(view.sums.shortfall_atoms for view in _views(run).versions) == tally.shortfall_atoms - tally.repaid_atoms


def test_the_same_arguments_give_the_same_blocks(run: Run) -> None:
    again = run_on_replica(short_versioned_plan())
    assert again.requests == run.requests
    assert again.driver.final.header.state_root == run.driver.final.header.state_root


def test_the_shard_count_changes_nothing(run: Run) -> None:
    split = run_on_replica(short_versioned_plan(), shards=3)
    assert split.requests == run.requests
    assert split.driver.final.header.state_root == run.driver.final.header.state_root


def test_a_lost_atom_is_seen(run: Run) -> None:
    views, custody, realised = _views(run), run.driver.population.custody, _tally(run).realised
    accounts = list(views.accounts.values())
    less, fees = batches_pb2.VersionView(), batches_pb2.VersionView()
    less.CopyFrom(views.versions[0])
    less.sums.balance_atoms -= 1
    assert versioned_conservation(accounts, [less], realised, custody).difference_atoms == -1
    fees.CopyFrom(views.versions[0])
    fees.sums.fees_atoms += 10**9
    assert versioned_conservation(accounts, [fees], realised, custody).broken_markets == 1
    assert not versioned_conservation(accounts[1:], views.versions, realised, custody).conserved


@pytest.mark.parametrize(
    ("step_ms", "version_ms", "grace_ms"), [(5_000, 10_000, 5_000), (10_000, 10_000, 10_000), (60_000, 60_000, 60_000)]
)
def test_slots_are_as_wide_as_the_steps_of_the_prices(step_ms: int, version_ms: int, grace_ms: int) -> None:
    market = perennial_market(1, "BTC")
    pace(market, [PricePoint(step * step_ms, 1) for step in range(100)])
    assert (market.perennial.version_ms, market.perennial.grace_ms) == (version_ms, grace_ms)
    assert market.perennial.stale_after_ms > 2 * version_ms
    assert market.oracle.source_fresh_ms >= step_ms
