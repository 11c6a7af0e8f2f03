"""Throughput with very many accounts against a thousand: the same flow, block by block in turns, roots and all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cluster.transport.inline import InlineTransport
from node.bench.margin_world import MarginWorld
from node.bench.mixed_flow import STEP_ROWS
from node.bench.table import Row

FEW: Final = 1_000
REACH_SHARE: Final = 0.8
# At 20 ms a block there is a state root every fifty blocks: so many are a second of a node that does half a million.
BLOCKS: Final = 50


def rows(quick: bool) -> Iterator[Row]:
    """A million accounts with a position each; a quick run takes a tenth."""
    yield many_row(100_000 if quick else 1_000_000, BLOCKS)


def many_row(accounts: int, blocks: int, step_rows: int = STEP_ROWS) -> Row:
    """Orders a second over all blocks; the reference is the same with a thousand accounts."""
    worlds = [MarginWorld(InlineTransport(1), 1) for _ in range(2)]
    for world, count in zip(worlds, (accounts, FEW), strict=True):
        world.found(count, step_rows)
    taken_s = [0.0, 0.0]
    for _ in range(blocks):
        for place, world in enumerate(worlds):
            taken_s[place] += world.step()
    many, few = (blocks * step_rows / seconds for seconds in taken_s)
    name = f"throughput with {accounts:,} accounts, a state root every second"
    return Row(name, many, "orders/s", few * REACH_SHARE, f"with {FEW:,} accounts", few)
