"""A block put together from serialised batches is the block the library writes, and gives its batches back."""

from hypothesis import given
from hypothesis import strategies as st

from actors.sealing.block_bytes import batches_of, block_bytes
from breakwater.v1 import commands_pb2 as commands
from cluster.sequencer import body_hash

INTEGERS = st.integers(-(1 << 63), (1 << 63) - 1)
ROWS = st.sampled_from((0, 1, 7, 63, 64, 200))


@st.composite
def batches(draw: st.DrawFn) -> commands.CommandBatch:
    batch = commands.CommandBatch(
        request_key=draw(st.binary(max_size=64)),
        expires_ms=draw(st.integers(0, (1 << 63) - 1)),
        venue=draw(st.integers(0, 9)),
        principal=draw(st.integers(0, (1 << 32) - 1)),
        signature=draw(st.binary(max_size=64)),
    )
    rows, seed = draw(ROWS), draw(INTEGERS)
    kind = draw(st.sampled_from(("place_orders", "cancel_book_orders", "deposits", "ticks", "create_venue", "")))
    if kind == "create_venue":
        batch.create_venue.parameters.name = "a venue"
    elif kind:
        body = getattr(batch, kind)
        for column in body.DESCRIPTOR.fields:
            getattr(body, column.name).extend([seed ^ row if row % 3 else 0 for row in range(rows)])
        body.SetInParent()
    return batch


@given(st.lists(batches(), max_size=4), INTEGERS, st.binary(max_size=32), st.binary(max_size=32), st.booleans())
def test_a_block_is_its_batches_between_what_comes_before_and_after(
    sent: list[commands.CommandBatch], time_ms: int, events_root: bytes, state_root: bytes, root: bool
) -> None:
    bare = commands.BlockInput(
        height=abs(time_ms),
        block_time_ms=time_ms,
        previous_events_root=events_root,
        previous_state_root=state_root,
        root=root,
    )
    whole = commands.BlockInput(batches=sent)
    whole.MergeFrom(bare)
    serialised = [batch.SerializeToString(deterministic=True) for batch in sent]
    payload = block_bytes(bare, serialised)
    assert payload == whole.SerializeToString(deterministic=True)
    assert batches_of(payload) == serialised


@given(batches(), st.integers(0, (1 << 63) - 1))
def test_what_a_batch_asks_for_is_named_without_its_expiry(batch: commands.CommandBatch, expires_ms: int) -> None:
    later = commands.CommandBatch()
    later.CopyFrom(batch)
    later.expires_ms = expires_ms
    assert body_hash(later) == body_hash(batch) == body_hash(batch, batch.SerializeToString(deterministic=True))
    later.venue += 1
    assert body_hash(later) != body_hash(batch)
