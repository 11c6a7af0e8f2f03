"""A replay is a function of its arguments: same blocks, same roots, whatever carries them; and it conserves."""

import pytest

from breakwater.v1 import admin_pb2, batches_pb2
from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2 as com
from cluster.replica import Replica
from node.load.conservation import conservation
from node.load.custody import Custody
from node.load.driver import Driver, ReplayError
from node.load.plan import Plan
from node.load.rehearsal import ReplicaSealer
from node.load.replay import telling_liquidations
from tests.load.replicas import Run, run_on_replica, short_plan


@pytest.fixture(scope="module")
def run() -> Run:
    return run_on_replica(short_plan())


def test_every_block_is_sealed_in_its_order(run: Run) -> None:
    requests = [admin_pb2.SealBlockRequest.FromString(request) for request in run.requests]
    times = [request.block_time_ms for request in requests]
    assert times == sorted(times)
    assert len(requests) == run.driver.tally.blocks == run.driver.final.height
    assert [request.root for request in requests] == [False] * (len(requests) - 1) + [True]
    keys = [batch.request_key for request in requests for batch in request.batches]
    assert len(set(keys)) == len(keys)
    assert keys[0] == b"replay/1/0"
    assert all(request.batches for request in requests)


def test_every_price_comes_from_all_publishers(run: Run) -> None:
    plan = short_plan()
    request = admin_pb2.SealBlockRequest.FromString(run.requests[4])
    ticks = request.batches[0].ticks
    assert list(ticks.publisher) == [1, 2, 3]
    assert set(ticks.price_ticks) == {plan.points[0].price_ticks}
    assert run.driver.tally.marks[0].mark_ticks == plan.points[0].price_ticks


def test_the_last_block_has_a_state_root_and_nothing_waits(run: Run) -> None:
    assert len(run.driver.final.header.state_root) == 32
    assert not run.driver.final.outbox_pending


def test_it_is_conserved_to_the_atom(run: Run) -> None:
    assert run.conservation.difference_atoms == 0
    assert run.conservation.conserved
    assert run.conservation.custody_deposited_atoms > 0


def test_everything_happens_in_a_crash(run: Run) -> None:
    tally = run.driver.tally
    assert tally.opens > 0 and tally.closes > 0 and tally.rested > 0
    assert len(tally.liquidations) == sum(tally.liquidation_outcomes().values()) > 0
    assert {"MARKET", "STOP_LOSS", "TAKE_PROFIT"} <= tally.close_kinds().keys()
    assert {"LEVERAGE_OUT_OF_RANGE", "ABOVE_MARGIN_CAP", "UNKNOWN_ACCOUNT"} <= tally.refusals().keys()
    assert sum(point.deficit_atoms for point in tally.liquidations) == run.replica.pool(1).deficit_atoms
    assert tally.commands > tally.refused > 0


def test_the_same_arguments_give_the_same_blocks(run: Run) -> None:
    again = run_on_replica(short_plan())
    assert again.requests == run.requests
    assert again.driver.final.header.state_root == run.driver.final.header.state_root


def test_the_shard_count_changes_nothing(run: Run) -> None:
    split = run_on_replica(short_plan(), shards=3)
    assert split.requests == run.requests
    assert split.driver.final.header.state_root == run.driver.final.header.state_root
    assert split.driver.final.header.events_root == run.driver.final.header.events_root


def test_another_seed_is_another_replay(run: Run) -> None:
    other = run_on_replica(short_plan(seed=2))
    assert other.requests != run.requests
    assert other.conservation.conserved


def test_a_node_with_another_history_is_found_out() -> None:
    class Skipping(ReplicaSealer):
        def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
            response = super().seal(request)
            response.height += len(request.batches) > 2
            return response

    driver = Driver([short_plan()], Skipping(Replica()), lambda _: None)
    with pytest.raises(ReplayError, match="the data directory holds another history"):
        driver.run()


def test_an_outbox_that_never_empties_is_an_error() -> None:
    class Waiting(ReplicaSealer):
        def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
            response = super().seal(request)
            response.outbox_pending = True
            return response

    plan = short_plan(traders=2)
    short = Plan(plan.venue, plan.markets, [plan.points[:2]], 1, 2)
    driver = Driver([short], Waiting(Replica()), lambda _: None)
    with pytest.raises(ReplayError, match="undelivered legs"):
        driver.run()


def test_a_lost_atom_is_seen(run: Run) -> None:
    accounts = run.replica.accounts(1, run.driver.population.accounts).accounts
    custody = run.driver.population.custody
    pool = batches_pb2.PoolView()
    pool.CopyFrom(run.replica.pool(1))
    pool.nav_realised_atoms -= 1
    found = conservation(accounts, pool, custody)
    assert found.difference_atoms == -1
    assert not found.conserved


def test_books_that_differ_are_not_conserved(run: Run) -> None:
    views = batches_pb2.AccountViews()
    views.CopyFrom(run.replica.accounts(1, run.driver.population.accounts))
    views.accounts[0].deposited_atoms += 1
    found = conservation(views.accounts, run.replica.pool(1), run.driver.population.custody)
    assert found.difference_atoms == 0
    assert not found.conserved


def test_the_custodian_pays_out_what_is_signed() -> None:
    plan = short_plan(traders=40)
    sealer = ReplicaSealer(Replica())
    driver = Driver([plan], _Validated(sealer), lambda _: None)
    driver.run()
    custody: Custody = driver.population.custody
    accounts = sealer.replica.accounts(1, driver.population.accounts).accounts
    assert custody.withdrawn_atoms > 0
    assert conservation(accounts, sealer.replica.pool(1), custody).conserved


class _Validated:
    """A replica whose validator is always one block behind."""

    def __init__(self, sealer: ReplicaSealer) -> None:
        self._sealer = sealer
        self.events_later = sealer.events_later
        self.standings_later = sealer.standings_later

    def seal(self, request: admin_pb2.SealBlockRequest) -> admin_pb2.SealBlockResponse:
        height = self._sealer.replica.state.height
        progress = cmd.CommandBatch(
            request_key=b"progress/%d" % height,
            expires_ms=request.block_time_ms + 1,
            validator_progress=cmd.ValidatorProgress(validated_height=height),
        )
        with_progress = admin_pb2.SealBlockRequest()
        with_progress.CopyFrom(request)
        with_progress.batches.append(progress)
        response = self._sealer.seal(with_progress)
        assert response.outcomes[-1].status[0] == com.OUTCOME_STATUS_DONE
        del response.outcomes[-1]
        return response


def test_receipts_are_taken_of_telling_liquidations(run: Run) -> None:
    liquidations = run.driver.tally.liquidations
    chosen = telling_liquidations(liquidations)
    assert 0 < len(chosen) <= 6
    assert liquidations[0] in chosen and liquidations[-1] in chosen
    assert max(liquidations, key=lambda point: point.entry_value_atoms) in chosen
    assert telling_liquidations([]) == []
