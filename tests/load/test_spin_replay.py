"""A replay of a Spin venue, bots in lock step: a function of its arguments, conserved, and everything happens."""

import pytest

from breakwater.v1 import liquidation_pb2
from node.load.conservation import spin_conservation
from node.load.rehearsal import ReplicaReader
from node.load.spin.population import SpinPopulation
from node.load.spin.tally import COMPLETE, PARTIAL, SpinTally
from node.load.views import Views, read_views
from tests.load.replicas import Run, run_on_replica, short_spin_plan


@pytest.fixture(scope="module")
def run() -> Run:
    return run_on_replica(short_spin_plan())


def _tally(run: Run) -> SpinTally:
    assert isinstance(run.driver.tally, SpinTally)
    return run.driver.tally


def _views(run: Run) -> Views:
    return read_views(ReplicaReader(run.replica), run.driver.runs[0])


def test_it_is_conserved_to_the_atom(run: Run) -> None:
    assert run.conservation.difference_atoms == 0
    assert run.conservation.conserved
    assert run.conservation.custody_deposited_atoms > 0
    assert not run.driver.final.outbox_pending


def test_everything_happens_in_a_crash(run: Run) -> None:
    tally = _tally(run)
    assert tally.rung_counts()[PARTIAL] > 0 and tally.rung_counts()[COMPLETE] > 0
    assert tally.trades > 0 and tally.triggered > 0 and tally.orders_rested > 0
    assert tally.transfers >= len(tally.owners) > 0
    assert tally.shares_atoms > 0 and tally.insurance()["LIQUIDATION_SHARE"] == tally.shares_atoms
    assert len(tally.episodes.lasted_ms) > 0


def test_bots_race_and_every_win_is_told(run: Run) -> None:
    bots = run.driver.runs[0].bots
    assert bots is not None
    wins = [tally.wins for tally in bots.tallies]
    assert sum(wins) == sum(count for rung, count in _tally(run).rung_counts().items() if rung != "fund") > 0
    assert _tally(run).wins == {account: won for account, won in zip(bots.accounts, wins, strict=True) if won}
    assert sum(sum(tally.refusals.values()) for tally in bots.tallies) > 0, "nobody raced anybody"
    for account in run.replica.accounts(3, bots.accounts).accounts:
        assert account.ratio.ratio_e9 > 10**9, "a liquidator keeps its own margin"


def test_nobody_stays_below_and_the_fund_explains_itself(run: Run) -> None:
    tally, fund = _tally(run), _views(run).insurance
    moved = tally.insurance()
    assert fund.fund_atoms == sum(moved.values())
    assert fund.fund_atoms == fund.deposited_atoms + tally.shares_atoms + moved.get("DEFICIT", 0) + moved.get(
        "REWARD", 0
    )
    assert fund.shortfall_atoms == tally.shortfall_atoms
    below = [account.account for account in _views(run).accounts.values() if account.ratio.tier >= 2]
    assert sorted(below) == sorted(tally.episodes.open)


def test_mistakes_are_refused_and_few_others_are(run: Run) -> None:
    refused = _tally(run).refusals()
    assert {"BELOW_STEP", "OWN_ACCOUNT", "NOT_LIQUIDATABLE", "NOT_SAME_OWNER", "UNKNOWN_ACCOUNT"} <= refused.keys()
    assert refused.get("MARGIN_RATIO", 0) < _tally(run).commands // 100


def test_what_people_know_is_what_the_node_holds(run: Run) -> None:
    people = run.driver.population
    assert isinstance(people, SpinPopulation)
    known = people.known
    for view in run.replica.accounts(3, people.accounts).accounts:
        lots = sum(position.lots for position in view.ratio.positions)
        assert (int(known._lots[view.account, 0]), int(known._cash_atoms[view.account])) == (
            lots,
            view.ratio.cash_atoms,
        )


def test_the_same_arguments_give_the_same_blocks(run: Run) -> None:
    again = run_on_replica(short_spin_plan())
    assert again.requests == run.requests
    assert again.driver.final.header.state_root == run.driver.final.header.state_root


def test_the_shard_count_changes_nothing(run: Run) -> None:
    split = run_on_replica(short_spin_plan(), shards=3)
    assert split.requests == run.requests
    assert split.driver.final.header.state_root == run.driver.final.header.state_root


def test_another_seed_is_another_replay(run: Run) -> None:
    other = run_on_replica(short_spin_plan(seed=2))
    assert other.requests != run.requests
    assert other.conservation.conserved


def test_a_lost_atom_is_seen(run: Run) -> None:
    views, custody = _views(run), run.driver.population.custody
    accounts, funding = list(views.accounts.values()), _tally(run).funding_atoms
    fund = liquidation_pb2.GetInsuranceResponse()
    fund.CopyFrom(views.insurance)
    fund.fund_atoms -= 1
    assert spin_conservation(accounts, fund, funding, custody).difference_atoms == -1
    assert not spin_conservation(accounts, views.insurance, funding + 1, custody).conserved
    assert not spin_conservation(accounts[1:], views.insurance, funding, custody).conserved
