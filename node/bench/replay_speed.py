"""How fast a replica re-executes blocks: what a start, an audit and a validator take their time for."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

from actors.ways import Way
from breakwater.v1 import commands_pb2 as cmd
from cluster.journal import Frame
from cluster.replica import Replica, take_cut
from cluster.transport.inline import InlineTransport
from node.bench.margin_world import MarginWorld
from node.bench.matching import kernel_ns
from node.bench.mixed_flow import STEP_ROWS
from node.bench.peers import backtest
from node.bench.peers.environments import NAUTILUS_TRADER, NoPeer
from node.bench.table import Row
from node.bench.world import World, accepted

MARGIN_REACH = 1_000_000.0
ACCOUNTS = 1_000
_ORDERS_A_BLOCK = 10
_PEOPLE = 1_000
_SCALAR_STEPS = 2


def rows(quick: bool) -> Iterator[Row]:
    """Blocks made once and run again, by the kernels and by the scalar rulebook; Margin Trade's also beside a peer."""
    yield from margin_rows(5 if quick else 30, 20 if quick else 100)
    name = f"replay, blocks of {_ORDERS_A_BLOCK} opens"
    kernels, scalar = _twilight_per_s(40 if quick else 200)
    yield Row(name, kernels, "blocks/s")
    yield Row(f"{name}, by the scalar rulebook (audit)", scalar, "blocks/s", None, "by the kernels", kernels)


def margin_rows(steps: int, matching_batches: int, step_rows: int = STEP_ROWS) -> Iterator[Row]:
    """Orders of the mixed flow a second, matched and settled, in blocks of a step each."""
    world = MarginWorld(InlineTransport(1), 1)
    world.found(ACCOUNTS, step_rows)
    cut, first = take_cut(world.state, world.transport), len(world.frames)
    for _ in range(steps):
        world.step()
    ours = step_rows * _blocks_per_s(cut, world.frames[first:], world.state.events_root)
    name, kernel = "replay of Margin Trade, matched and settled", 1e9 / kernel_ns(matching_batches)
    yield Row(name, ours, "orders/s", MARGIN_REACH, "bare matching kernel", kernel)
    few = world.frames[first : first + _SCALAR_STEPS]
    scalar = step_rows * _blocks_per_s(cut, few, None, Way.BY_ROW)
    yield Row(f"{name}, by the scalar rulebook (audit)", scalar, "orders/s", None, "by the kernels", ours)
    mixed = step_rows * _blocks_per_s(cut, world.frames[first:], None, Way.LIQUIDATIONS_BY_ROW)
    yield Row(f"{name}, liquidations by row (validator)", mixed, "orders/s", None, "by the kernels", ours)
    title = f"{NAUTILUS_TRADER.title}, its backtest engine"
    try:
        theirs: float | None = backtest.operations_per_s(200 * matching_batches)
    except NoPeer as reason:
        title, theirs = f"{NAUTILUS_TRADER.title}: {reason}", None
    yield Row(f"{name}, beside {NAUTILUS_TRADER.name}", ours, "orders/s", None, title, theirs)


def _twilight_per_s(blocks: int) -> tuple[float, float]:
    world = World(InlineTransport(1), 1)
    world.found()
    people = world.people(_PEOPLE)
    cut, first = take_cut(world.state, world.transport), len(world.frames)
    for number in range(blocks):
        start = number * _ORDERS_A_BLOCK % _PEOPLE
        accepted(world.seal([world.ticks(), world.opens(people[start : start + _ORDERS_A_BLOCK])]))
    frames, root = world.frames[first:], world.state.events_root
    return _blocks_per_s(cut, frames, root), _blocks_per_s(cut, frames, root, Way.BY_ROW)


def _blocks_per_s(
    cut: Mapping[str, bytes], frames: Sequence[Frame], events_root: bytes | None, way: Way = Way.BY_COLUMNS
) -> float:
    """Re-executes the frames behind a cut, and asserts that it ends on these events."""
    replica = Replica(1, way)
    replica.restore(cut)
    begun_s = time.perf_counter()
    for frame in frames:
        replica.apply(cmd.BlockInput.FromString(frame.payload), frame.hash, frame.epoch)
    taken_s = time.perf_counter() - begun_s
    assert events_root in (None, replica.state.events_root), "the replay came to other events"
    return len(frames) / taken_s
