"""Blocks with more rows of a kind than a short crash has, so that what works on rows together is compiled, too."""

from __future__ import annotations

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import common_pb2
from cluster.transport.inline import InlineTransport
from node.bench.world import World, accepted

_PEOPLE = 32


def run_wide_blocks() -> int:
    """Opens many Twilight positions in one block and closes them in another; returns how many blocks it took."""
    world = World(InlineTransport(1), 1)
    world.found()
    people = world.people(_PEOPLE)
    opened = accepted(world.seal([world.ticks(), world.opens(people)])).outcomes.reference
    world.seal()
    positions = list(opened)[-_PEOPLE:]
    closes = cmd.ClosePositions(
        account=people,
        position=positions,
        kind=[common_pb2.ORDER_KIND_MARKET] * _PEOPLE,
        level_ticks=[0] * _PEOPLE,
    )
    accepted(world.seal([world.ticks(), world.batch_here(close_positions=closes)]))
    world.seal()
    return world.state.height
