"""Supervision: actors may die before, during and after any call; the results are those of actors that never did."""

import pytest

from cluster.backoff import QUIET_S
from cluster.chain_state import ChainState
from cluster.placement import even
from cluster.replica import CARRY, Replica, read_accounts, read_pool, take_cut
from cluster.supervisor import DEATHS_A_CALL, Supervisor
from cluster.transport.transport import ActorCrashed
from tests.cluster.deadly import Clockwork, Deadly, Mortal, play, play_upto
from tests.cluster.story import story


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("cut_every", [0, 5])
def test_actors_that_die_at_any_moment_change_nothing(seed: int, cut_every: int) -> None:
    shards = 1 + seed % 3
    noticed: list[str] = []
    transport = Deadly(shards, seed, chance=0.012)
    supervisor = Supervisor(transport, noticed.append, clock=Clockwork())
    state, results = play(supervisor, shards, cut_every)
    assert [(result.events_root, result.state_root) for result in results] == story().roots
    assert [result.outcomes for result in results] == [result.outcomes for result in story().results]
    # Only who is asked again is rebuilt: who died after the last call of all is not missed.
    assert transport.deaths >= supervisor.rebuilds == len(noticed) > 0
    assert all("rebuilding it from the cut" in line for line in noticed)
    replica = Replica(1)
    for block in story().blocks:
        replica.apply(block)
    assert read_accounts(supervisor, state, 1, range(1, 9)) == replica.accounts(1, range(1, 9))
    assert read_pool(supervisor, 1, [1]) == replica.pool(1, [1])


def test_an_actor_that_always_dies_is_given_up_and_named() -> None:
    clock = Clockwork()
    supervisor = Supervisor(Deadly(1, 0, chance=1.0), lambda text: None, clock=clock)
    with pytest.raises(ActorCrashed, match="registry died 4 times in the same call") as crashed:
        play(supervisor, 1, 0)
    assert (crashed.value.actor, crashed.value.times) == ("registry", DEATHS_A_CALL)
    assert supervisor.rebuilds == DEATHS_A_CALL - 1
    assert clock.slept == [0.0, 0.05, 0.1]


def test_a_cut_taken_from_dying_actors_is_the_cut_of_healthy_ones() -> None:
    healthy = Replica(2)
    for block in story().blocks:
        healthy.apply(block)
    supervisor = Supervisor(Deadly(2, 3, chance=0.012), lambda text: None, clock=Clockwork())
    state, _ = play(supervisor, 2, 4)
    parts = take_cut(state, supervisor)
    assert parts == healthy.cut()
    moved = Replica(3)
    moved.restore(parts)
    assert moved.accounts(1, range(1, 9)) == healthy.accounts(1, range(1, 9))


def test_an_actor_that_dies_in_call_after_call_is_waited_for_longer_and_longer() -> None:
    transport, clock = Mortal(1), Clockwork()
    supervisor = Supervisor(transport, lambda text: None, clock=clock)
    state = play_upto(supervisor, 1, 1)
    for height in range(2, 10):
        transport.dead.add("shard/0")
        state = play_upto(supervisor, 1, height, state)
    assert clock.slept == [0.0, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    clock.sleep(QUIET_S)
    transport.dead.add("shard/0")
    assert read_accounts(supervisor, state, 1, [2]).accounts
    assert clock.slept[-1] == 0.0, "a quiet minute forgets"


def test_several_that_die_together_are_all_replaced_before_anybody_is_asked_again() -> None:
    transport, noticed = Mortal(3), []
    supervisor = Supervisor(transport, noticed.append, clock=Clockwork())
    state = play_upto(supervisor, 3, 1)
    for height in range(2, len(story().blocks) + 1):
        transport.dead.update(("shard/0", "shard/1", "shard/2"))
        state = play_upto(supervisor, 3, height, state)
    assert supervisor.rebuilds == len(noticed) == 3 * (len(story().blocks) - 1)
    assert supervisor.degraded() == []


def test_whoever_is_being_replaced_is_named_meanwhile() -> None:
    transport, said = Mortal(1), []
    supervisor = Supervisor(transport, lambda text: said.append(supervisor.degraded()), clock=Clockwork())
    play_upto(supervisor, 1, 3)
    transport.dead.add("shard/0")
    assert read_pool(supervisor, 1, [])
    assert not said
    supervisor.snapshot(["shard/0"])
    assert said == [["actor shard/0 is gone and is being made again"]]


@pytest.mark.parametrize("shards", [1, 2])
def test_a_rollback_gives_every_actor_the_state_before_the_block(shards: int) -> None:
    supervisor = Supervisor(Mortal(shards), lambda text: None, clock=Clockwork())
    state = play_upto(supervisor, shards, 9)
    before = take_cut(state, supervisor)
    state = play_upto(supervisor, shards, 12, state)
    assert take_cut(state, supervisor) != before
    supervisor.reset(before)
    state = ChainState.load(before[CARRY], even(shards))
    assert take_cut(state, supervisor) == before
    assert supervisor.logged_bytes == 0
    state = play_upto(supervisor, shards, len(story().blocks), state)
    assert state.events_root == story().results[-1].events_root
    replica = Replica(1)
    for block in story().blocks:
        replica.apply(block)
    assert read_accounts(supervisor, state, 1, range(1, 9)) == replica.accounts(1, range(1, 9))


def test_a_rollback_to_the_beginning_leaves_empty_actors() -> None:
    supervisor = Supervisor(Mortal(2), lambda text: None, clock=Clockwork())
    play_upto(supervisor, 2, 4)
    supervisor.reset({})
    play_upto(supervisor, 2, 4)
