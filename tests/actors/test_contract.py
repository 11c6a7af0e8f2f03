"""What every actor promises: the same call gets the same bytes, another chain is refused, a snapshot is the state."""

from collections.abc import Sequence
from typing import Any

import pytest

from actors.contract import Actor, ChainBroken
from breakwater.v1 import batches_pb2 as batches
from cluster.placement import even
from cluster.topology import build
from tests.actors.calling import frame_hash, head

NAMES = ("registry", "oracle", "coordinator", "shard/0", "pool/1")


class Counter(Actor):
    """Counts the calls it decided."""

    call_type = batches.OracleCall

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def decide(self, call: Any) -> batches.OracleReply:
        self.count += 1
        return batches.OracleReply(height=self.count)

    def save(self) -> bytes:
        return self.count.to_bytes(8, "big")

    def load(self, bodies: Sequence[bytes]) -> None:
        self.count = int.from_bytes(bodies[0], "big")


def call(height: int, step: int = 0, **header: Any) -> bytes:
    heading = head(height, step)
    for name, value in header.items():
        setattr(heading, name, value)
    return batches.OracleCall(header=heading).SerializeToString()


def test_the_same_call_is_decided_once_and_answered_twice() -> None:
    actor = Counter()
    first = actor.apply(call(1))
    assert actor.apply(call(1)) == first
    assert actor.count == 1
    second = actor.apply(call(1, 1))
    assert actor.apply(call(1, 1)) == second != first
    assert actor.count == 2


@pytest.mark.parametrize("name", NAMES)
def test_every_actor_answers_the_same_bytes_again(name: str) -> None:
    actor = build(name, even(1))
    for height in (1, 2, 3):
        payload = actor.call_type(header=head(height, now_ms=height * 1_000, root=True)).SerializeToString()
        answer, digest = actor.apply(payload), actor.digest()
        assert actor.apply(payload) == answer
        assert (actor.digest(), actor.height) == (digest, height)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (call(2, frame_hash=frame_hash(9)), "another frame"),
        (call(3, previous_frame_hash=frame_hash(9)), "another chain"),
        (call(4), "a block left out"),
        (call(1), "a block that is over"),
        (call(2, 0), "a step that is over"),
        (call(3, previous_height=1), "another height before"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_of_another_chain_is_refused_and_changes_nothing(bad: bytes, why: str) -> None:
    actor = Counter()
    actor.apply(call(1))
    actor.apply(call(2))
    answer = actor.apply(call(2, 1))
    with pytest.raises(ChainBroken):
        actor.apply(bad)
    assert (actor.count, actor.height) == (3, 2), why
    assert actor.apply(call(2, 1)) == answer
    actor.apply(call(3))


def test_a_restored_actor_goes_on_with_the_next_block_and_with_no_other() -> None:
    actor, other = Counter(), Counter()
    actor.apply(call(1))
    actor.apply(call(2))
    other.restore([actor.snapshot()])
    assert (other.count, other.height, other.digest()) == (2, 2, actor.digest())
    for bad in (call(2), call(2, 7), call(4), call(1)):
        with pytest.raises(ChainBroken):
            other.apply(bad)
    assert other.apply(call(3)) == actor.apply(call(3))
    assert other.snapshot() == actor.snapshot()


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_actor_can_be_snapshot_and_restored(name: str) -> None:
    actor, other = build(name, even(1)), build(name, even(1))
    actor.apply(actor.call_type(header=head(1)).SerializeToString())
    other.restore([actor.snapshot()])
    assert (other.snapshot(), other.digest()) == (actor.snapshot(), actor.digest())


def test_parts_of_different_cuts_are_not_mixed() -> None:
    early, late = Counter(), Counter()
    early.apply(call(1))
    late.apply(call(1))
    late.apply(call(2))
    with pytest.raises(AssertionError, match="not of one cut"):
        Counter().restore([early.snapshot(), late.snapshot()])


def test_a_digest_names_the_state_and_not_the_frame_it_came_by() -> None:
    one, other = Counter(), Counter()
    one.apply(call(1))
    other.apply(call(1, frame_hash=frame_hash(77)))
    assert one.digest() == other.digest()
    assert one.snapshot() != other.snapshot()


@pytest.mark.parametrize("name", ("registry", "oracle", "coordinator"))
def test_actors_without_reads_say_so(name: str) -> None:
    with pytest.raises(ValueError, match="no reads"):
        build(name, even(1)).query(b"")
