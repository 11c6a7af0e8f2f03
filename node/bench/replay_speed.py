"""How fast a replica re-executes blocks: what a start, an audit and a validator take their time for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from cluster.replica import Replica
from cluster.transport.inline import InlineTransport
from node.bench.table import Row
from node.bench.world import World, accepted

_ORDERS_A_BLOCK = 10
_PEOPLE = 1_000


def rows(quick: bool) -> Iterator[Row]:
    """Blocks with a price and ten opens each, made once and run again; by the kernels and by the scalar rulebook."""
    world = World(InlineTransport(1), 1)
    world.found()
    people = world.people(_PEOPLE)
    first = world.state.height
    for number in range(40 if quick else 200):
        start = number * _ORDERS_A_BLOCK % _PEOPLE
        accepted(world.seal([world.ticks(), world.opens(people[start : start + _ORDERS_A_BLOCK])]))
    kernels = _blocks_per_s(world, first, scalar=False)
    scalar = _blocks_per_s(world, first, scalar=True)
    yield Row(f"replay, blocks of {_ORDERS_A_BLOCK} opens", kernels, "blocks/s")
    yield Row("the same by the scalar rulebook (validator)", scalar, "blocks/s", None, "replay", kernels)


def _blocks_per_s(world: World, first: int, scalar: bool) -> float:
    """Re-executes all blocks, counts those after `first`. Asserts that the replica ends on the same events."""
    replica = Replica(1, scalar)
    for block in world.blocks[:first]:
        replica.apply(block)
    begun_s = time.perf_counter()
    for block in world.blocks[first:]:
        replica.apply(block)
    taken_s = time.perf_counter() - begun_s
    assert replica.state.events_root == world.state.events_root, "the replay came to other events"
    return (len(world.blocks) - first) / taken_s
