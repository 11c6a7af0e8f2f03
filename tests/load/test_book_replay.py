"""A replay of a Margin Trade venue is a function of its arguments, conserves, and takes every rung in a crash."""

import pytest

from breakwater.v1 import admin_pb2, batches_pb2
from node.load.conservation import book_conservation
from node.load.margin_trade.tally import DELEVERAGED, PARTIAL, TAKEOVER, WHOLE, BookTally
from node.load.replay import RECEIPTS_MAX, telling
from tests.load.replicas import VAULT, Run, run_on_replica, short_book_plan

VENUE = 2


@pytest.fixture(scope="module")
def run() -> Run:
    return run_on_replica(short_book_plan())


def _tally(run: Run) -> BookTally:
    assert isinstance(run.driver.tally, BookTally)
    return run.driver.tally


def test_it_is_conserved_to_the_atom(run: Run) -> None:
    assert run.conservation.difference_atoms == 0
    assert run.conservation.conserved
    assert run.conservation.custody_deposited_atoms > 0
    assert not run.driver.final.outbox_pending


def test_all_rungs_happen_in_a_crash(run: Run) -> None:
    tally = _tally(run)
    counts = tally.rung_counts()
    assert all(counts[rung] > 0 for rung in (PARTIAL, WHOLE, TAKEOVER, DELEVERAGED)), counts
    assert tally.takeover_limits(), "the vault was never at its limit"
    assert tally.unwound_atoms > 0
    assert tally.volume_atoms > tally.liquidated_atoms > 0
    assert tally.triggered > 0 and tally.orders_rested > 0
    assert tally.insurance()["LIQUIDATION_FEES"] > 0
    assert tally.deleverage_runs > 0 and tally.taken_lots == tally.needed_lots


def test_every_bad_debt_has_its_event(run: Run) -> None:
    assert run.replica.backstop(VENUE).sums.shortfall_atoms == _tally(run).shortfall_atoms


def test_mistakes_are_refused_and_few_others_are(run: Run) -> None:
    refused = _tally(run).refusals()
    assert {"UNKNOWN_ACCOUNT", "UNKNOWN_MARKET", "NOT_POSITIVE", "BAD_ORDER_KIND", "TOO_FAR_FROM_ORACLE"} <= set(
        refused
    )
    assert refused.get("BELOW_INITIAL_MARGIN", 0) + refused.get("REDUCE_ONLY", 0) < _tally(run).commands // 200
    assert refused.get("SHARES_LOCKED", 0) <= 4, "one LP ignores the lock, nobody else does"


def test_most_takers_hold_leveraged_positions_when_it_falls() -> None:
    run = run_on_replica(short_book_plan().part(0, 16))
    takers = set(run.driver.population.accounts[-150:])
    views = [view for view in run.replica.accounts(VENUE, sorted(takers)).accounts if view.cross.positions]
    holders = [view for view in views if any(position.lots for position in view.cross.positions)]
    equity = sum(view.cross.equity_atoms for view in holders)
    notional = sum(position.notional_atoms for view in holders for position in view.cross.positions)
    assert len(holders) > len(takers) * 2 // 3
    assert notional > 3 * equity


def test_the_last_block_has_a_state_root(run: Run) -> None:
    requests = [admin_pb2.SealBlockRequest.FromString(request) for request in run.requests]
    assert [request.root for request in requests] == [False] * (len(requests) - 1) + [True]
    assert len(run.driver.final.header.state_root) == 32
    assert len(requests) == run.driver.tally.blocks == run.driver.final.height


def test_the_same_arguments_give_the_same_blocks(run: Run) -> None:
    again = run_on_replica(short_book_plan())
    assert again.requests == run.requests
    assert again.driver.final.header.state_root == run.driver.final.header.state_root


def test_the_shard_count_changes_nothing(run: Run) -> None:
    split = run_on_replica(short_book_plan(), shards=3)
    assert split.requests == run.requests
    assert split.driver.final.header.state_root == run.driver.final.header.state_root
    assert split.driver.final.header.events_root == run.driver.final.header.events_root


def test_another_seed_is_another_replay(run: Run) -> None:
    other = run_on_replica(short_book_plan(seed=2))
    assert other.requests != run.requests
    assert other.conservation.conserved


def test_a_lost_atom_is_seen(run: Run) -> None:
    views = run.replica.accounts(VENUE, [VAULT, *run.driver.population.accounts]).accounts
    custody = run.driver.population.custody
    backstop = batches_pb2.BackstopView()
    backstop.CopyFrom(run.replica.backstop(VENUE))
    backstop.sums.fund_atoms -= 1
    assert book_conservation(views, backstop, custody).difference_atoms == -1
    assert not book_conservation(views, backstop, custody).conserved
    without_vault = book_conservation(views[1:], run.replica.backstop(VENUE), custody)
    assert not without_vault.conserved


def test_receipts_are_taken_of_every_rung(run: Run) -> None:
    tally = _tally(run)
    chosen = set(telling(tally))
    assert 0 < len(chosen) <= RECEIPTS_MAX
    rungs = {point.rung for point in tally.rungs if (point.height, point.event_index) in chosen}
    assert {PARTIAL, WHOLE, TAKEOVER} <= rungs
    assert telling(BookTally()) == []


def test_what_people_know_is_what_the_node_holds(run: Run) -> None:
    """Position and cash by the events are those of the accounts, once every event has been told."""
    people = run.driver.population
    views = run.replica.accounts(VENUE, people.accounts).accounts
    known = people.known  # type: ignore[attr-defined]  # a population of books
    for view in views:
        lots = {position.market: position.lots for position in view.cross.positions if position.lots}
        assert {1: int(known._lots[view.account, 0])} == lots or (not lots and known._lots[view.account, 0] == 0)
