"""Buckets move between shards, shards are added, actors die meanwhile: nothing of the outcome shows any of it."""

import random
from collections.abc import Sequence

import pytest

from actors.columns import BUCKETS
from actors.contract import Actor
from breakwater.v1 import batches_pb2 as batches
from cluster.call_log import CallLog
from cluster.placement import Owners, PlacementError, even, moved, with_more
from cluster.replica import Replica, read_accounts, take_cut
from cluster.resharding import Resharded, add_shards, move_buckets, reshard, sizes, start_shards
from cluster.supervisor import Supervisor
from cluster.topology import shard_name
from cluster.transport.transport import Call, Carrier
from tests.cluster.deadly import Clockwork, Deadly, Mortal, play_upto
from tests.cluster.story import story
from tests.properties.agreement import PlayedStream
from tests.properties.comparison import apply_and_compare
from tests.properties.margin_streams import MarginStream
from tests.properties.perennial_streams import PerennialStream
from tests.properties.spin_streams import FourStream, SpinStream
from tests.properties.streams import Stream

MOST_SHARDS = 6
BLOCKS = 24
# Accounts of the streams are few, so their buckets are.
NEAR = range(24)


def nowhere(owners: Owners) -> None:
    """Keeps no placement."""


class Overlooked(Supervisor):
    """A supervisor whose actors can be looked at."""

    def __init__(self, transport: Mortal) -> None:
        super().__init__(transport, lambda text: None, clock=Clockwork())
        self.mortal = transport

    def actor(self, name: str) -> Actor:
        return self.mortal.inner.actor(name)


class Restless:
    """A replica between whose blocks anything may happen to the placement, and to the actors."""

    def __init__(self, seed: int, shards: int) -> None:
        self.random = random.Random(seed)
        self.actors = Overlooked(Mortal(shards))
        self.replica = Replica(shards, transport=self.actors)  # type: ignore[arg-type]
        self.changes: list[Resharded] = []

    def stir(self) -> None:
        """Between two blocks."""
        state, draw = self.replica.state, self.random
        if draw.random() < 0.3:
            self.actors.take_cut(take_cut(state, self.actors))
        self._kill(0.2)
        if draw.random() < 0.2 and state.shards < MOST_SHARDS:
            count = draw.randint(1, 2)
            if draw.random() < 0.5:
                start_shards(state, self.actors, count)
            self.changes.append(add_shards(state, self.actors, nowhere, count, empty=draw.random() < 0.5))
        if draw.random() < 0.6 and state.shards > 1:
            to = draw.randrange(state.shards)
            some = draw.sample(NEAR, draw.randint(1, len(NEAR))) if draw.random() < 0.7 else range(BUCKETS)
            going = [bucket for bucket in some if state.owners.of_bucket[bucket] != to]
            if going:
                self.changes.append(move_buckets(state, self.actors, nowhere, going, to))
        self._kill(0.4)

    def _kill(self, chance: float) -> None:
        """Somebody is gone when he is asked next."""
        if self.random.random() < chance:
            self.actors.mortal.dead.add(self.random.choice(sorted(self.actors.pids())))


STREAMS: dict[str, type[PlayedStream]] = {
    "twilight": Stream,
    "margin-trade": MarginStream,
    "perennial": PerennialStream,
    "spin": SpinStream,
    "four": FourStream,
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", STREAMS)
def test_whatever_moves_between_blocks_the_naive_engine_agrees(kind: str, seed: int) -> None:
    """Events to the byte, answers, views, what a validator signs: and the roots of a replica where nothing moves."""
    stream, still = STREAMS[kind](seed + 100), Replica(1)  # type: ignore[call-arg]
    restless = Restless(seed, shards=1 + seed % 3)
    for play in stream.play(BLOCKS):
        where = f"{kind} seed {stream.seed} height {play.block.height} owners {restless.replica.state.owners.shards}"
        found = apply_and_compare(restless.replica, play.block, play.voided, play.result, where)
        expected = still.apply(play.block, voided=play.voided)
        assert found == (expected.events_root, expected.state_root), where
        restless.stir()
    assert len(restless.changes) >= BLOCKS // 4
    assert restless.actors.rebuilds > 0


@pytest.mark.parametrize("seed", range(6))
def test_actors_that_die_at_any_moment_of_a_move_change_nothing(seed: int) -> None:
    transport = Deadly(2, seed, chance=0.008)
    supervisor, draw = Supervisor(transport, lambda text: None, clock=Clockwork()), random.Random(seed)
    state = play_upto(supervisor, 2, 2)
    for height in range(3, len(story().blocks) + 1):
        if height % 4 == 0:
            supervisor.take_cut(take_cut(state, supervisor))
        if height % 5 == 0 and state.shards < MOST_SHARDS:
            add_shards(state, supervisor, nowhere, 1, empty=seed % 2 == 0)
        buckets = draw.sample(range(10), 4)
        to = draw.randrange(state.shards)
        going = [bucket for bucket in buckets if state.owners.of_bucket[bucket] != to]
        if going:
            move_buckets(state, supervisor, nowhere, going, to)
        state = play_upto(supervisor, state.shards, height, state)
    still = Replica(1)
    for block in story().blocks:
        still.apply(block)
    assert read_accounts(supervisor, state, 1, range(1, 9)) == still.accounts(1, range(1, 9))
    assert transport.deaths > 0 and supervisor.rebuilds > 0


class Counting(Mortal):
    """Counts what is asked of whom."""

    def __init__(self, shards: int) -> None:
        super().__init__(shards)
        self.asked: list[tuple[str, str]] = []

    def snapshot(self, actors: Sequence[str]) -> list[bytes]:
        self.asked += [("snapshot", actor) for actor in actors]
        return super().snapshot(actors)

    def restore(self, actor: str, parts: Sequence[bytes]) -> None:
        self.asked.append(("restore", actor))
        super().restore(actor, parts)


def supervised(transport: Carrier) -> Supervisor:
    return Supervisor(transport, lambda text: None, clock=Clockwork())


def test_only_the_shards_concerned_are_asked_for_anything() -> None:
    transport = Counting(4)
    supervisor = supervised(transport)
    state = play_upto(supervisor, 4, 6)
    done = move_buckets(state, supervisor, nowhere, [1, 5, 9], 3)
    assert transport.asked == [
        ("snapshot", "shard/1"),
        ("snapshot", "shard/3"),
        ("restore", "shard/1"),
        ("restore", "shard/3"),
    ]
    assert (done.height, done.buckets, done.shards) == (6, 3, 4) and done.pause_us >= 0
    assert state.owners == moved(even(4), [1, 5, 9], 3)
    play_upto(supervisor, 4, len(story().blocks), state)


def test_after_a_move_everybody_is_rebuilt_right_from_what_he_had() -> None:
    """Untouched shards from the old cut and all calls since, the others from their parts and the calls after them."""
    transport = Mortal(3)
    supervisor = supervised(transport)
    state = play_upto(supervisor, 3, 4)
    supervisor.take_cut(take_cut(state, supervisor))
    state = play_upto(supervisor, 3, 7, state)
    before = supervisor.logged_bytes
    move_buckets(state, supervisor, nowhere, [2, 5], 1)
    assert 0 < supervisor.logged_bytes < before
    state = play_upto(supervisor, 3, 9, state)
    transport.dead.update(f"shard/{shard}" for shard in range(3))
    play_upto(supervisor, 3, len(story().blocks), state)
    assert supervisor.rebuilds == 3


def test_a_cut_taken_after_a_move_is_that_of_any_placement() -> None:
    """But for the outline: who had which rows. Restored evenly, the two hold the same."""
    there, here = supervised(Mortal(3)), supervised(Mortal(3))
    states = [play_upto(actors, 3, 5) for actors in (there, here)]
    move_buckets(states[1], here, nowhere, [2, 5, 3], 1)
    states = [play_upto(actors, 3, 12, state) for actors, state in zip((there, here), states, strict=True)]
    replicas = [Replica(2), Replica(2)]
    for replica, actors, state in zip(replicas, (there, here), states, strict=True):
        replica.restore(take_cut(state, actors))
    assert replicas[0].cut() == replicas[1].cut()


def test_new_shards_take_their_part_and_serve_it() -> None:
    supervisor = supervised(Mortal(2))
    state = play_upto(supervisor, 2, 5)
    start_shards(state, supervisor, 2)
    assert supervisor.has("shard/3") and state.shards == 2
    done = add_shards(state, supervisor, nowhere, 2, empty=False)
    assert (done.shards, done.buckets) == (4, 512)
    assert state.owners == with_more(even(2), 2, empty=False)
    held = sizes(state, supervisor)
    assert [(size.shard, len(size.buckets)) for size in held] == [(shard, 256) for shard in range(4)]
    assert sum(size.accounts for size in held) == 8
    state = play_upto(supervisor, 4, len(story().blocks), state)
    assert all(size.accounts for size in sizes(state, supervisor))


def test_all_buckets_may_leave_a_shard_and_come_back() -> None:
    supervisor = supervised(Mortal(2))
    state = play_upto(supervisor, 2, 5)
    leaving = state.owners.buckets(0)
    move_buckets(state, supervisor, nowhere, leaving, 1)
    left = sizes(state, supervisor)[0]
    assert (left.buckets, left.accounts, left.row_bytes) == ((), 0, 0)
    state = play_upto(supervisor, 2, 10, state)
    move_buckets(state, supervisor, nowhere, leaving, 0)
    assert state.owners == even(2)
    play_upto(supervisor, 2, len(story().blocks), state)


def test_before_the_first_block_buckets_may_move_too() -> None:
    supervisor = supervised(Mortal(2))
    state = play_upto(supervisor, 2, 0)
    move_buckets(state, supervisor, nowhere, [0, 2], 1)
    add_shards(state, supervisor, nowhere, 1, empty=True)
    play_upto(supervisor, 3, len(story().blocks), state)


def test_a_shard_s_size_is_that_of_the_tables_in_its_part() -> None:
    stream, replica = FourStream(5), Replica(2)
    for play in stream.play(14):
        replica.apply(play.block, voided=play.voided)
    parts = replica.cut()
    query = batches.ShardQuery(size=batches.ShardSizeQuery()).SerializeToString()
    for shard in range(2):
        (reply,) = replica._transport.query([Call(shard_name(shard), query)])
        view = batches.ShardSizeView.FromString(reply)
        assert 0.5 * len(parts[shard_name(shard)]) < view.row_bytes < len(parts[shard_name(shard)])
        assert view.accounts > 0


class Unwritable(Exception):
    pass


def test_a_placement_that_cannot_be_kept_leaves_everything_as_it_was() -> None:
    def fail(owners: Owners) -> None:
        raise Unwritable

    transport = Counting(2)
    supervisor = supervised(transport)
    state = play_upto(supervisor, 2, 5)
    with pytest.raises(Unwritable):
        move_buckets(state, supervisor, fail, [0], 1)
    with pytest.raises(PlacementError, match="bucket 1 is at shard 1 already"):
        move_buckets(state, supervisor, nowhere, [0, 1], 1)
    assert state.owners == even(2)
    assert "restore" not in {what for what, _ in transport.asked}
    play_upto(supervisor, 2, len(story().blocks), state)


def test_a_shard_that_dies_while_it_is_given_its_rows_is_made_again_from_them() -> None:
    class Dying(Mortal):
        def restore(self, actor: str, parts: Sequence[bytes]) -> None:
            if actor == "shard/1" and not died:
                died.append(actor)
                self.dead.add(actor)
            super().restore(actor, parts)

    died: list[str] = []
    supervisor = supervised(Dying(2))
    state = play_upto(supervisor, 2, 6)
    move_buckets(state, supervisor, nowhere, [0, 2, 4], 1)
    assert died and supervisor.degraded() == ["actor shard/1 is gone and is being made again"]
    play_upto(supervisor, 2, len(story().blocks), state)
    assert supervisor.rebuilds == 1 and not supervisor.degraded()


@pytest.mark.parametrize("seed", range(3))
def test_any_placement_may_follow_on_any_other(seed: int) -> None:
    """All buckets dealt anew at once, several times."""
    draw, supervisor = random.Random(seed), supervised(Mortal(1))
    state = play_upto(supervisor, 1, 3)
    for height in range(4, len(story().blocks) + 1):
        shards = max(state.shards, draw.randint(1, MOST_SHARDS))
        owners = Owners(shards, tuple(draw.randrange(shards) for _ in range(BUCKETS)))
        reshard(state, supervisor, nowhere, owners)
        state = play_upto(supervisor, shards, height, state)


def test_the_log_forgets_what_a_new_base_makes_superfluous() -> None:
    log = CallLog()
    log.cut({"shard/0": b"old", "shard/1": b"other"}, ())
    for actor in ("shard/0", "shard/1", "pool/1"):
        log.append(actor, b"1234")
    log.rebase({"shard/0": [b"new"]})
    log.append("shard/0", b"56")
    assert log.bytes == 10
    assert (log.base("shard/0"), log.calls("shard/0")) == ([b"new"], [b"56"])
    assert (log.base("shard/1"), log.calls("shard/1")) == ([b"old", b"other"], [b"1234"])
    log.cut({"shard/0": b"newest"}, ())
    assert (log.base("shard/0"), log.bytes) == ([b"newest"], 0)
