"""What a further account with one position costs in the memory of its shard, the process as the system sees it.

Measured from a number of accounts to twice as many: columns and maps that double do so once between the two, wherever
their steps lie, so that neither all of their growth is counted nor none. Blocks are of one size throughout, so that
what a shard works a block with is there before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import psutil

from cluster.topology import is_shard
from cluster.transport.transport import Transport
from node.bench.blocks import populate, transport_on_ray
from node.bench.margin_world import MarginWorld
from node.bench.table import Row
from node.bench.world import World

REACH_BYTES: Final = 400.0
SHARDS: Final = 2
# Key, free and held margin, position (lots and cost), sums, links: what a row of each table has at least.
BARE_BYTES: Final = 16 * 8


def rows(directory: Path, quick: bool) -> Iterator[Row]:
    """Isolated positions (Twilight) and cross positions (Margin Trade), on shards of their own each."""
    with transport_on_ray("ray", SHARDS) as transport:
        twilight = World(transport, SHARDS)
        twilight.found()
        yield growth_row("Twilight", transport, lambda count: populate(twilight, count), 50_000 if quick else 200_000)
    with transport_on_ray("ray", SHARDS) as transport:
        margin = MarginWorld(transport, SHARDS)
        margin.list_markets()
        yield growth_row("Margin Trade", transport, margin.people_with_positions, 100_000 if quick else 400_000)


def growth_row(venue: str, transport: Transport, populate: Callable[[int], object], accounts: int) -> Row:
    """Growth from so many accounts to twice as many."""
    pids = [pid for name, pid in transport.pids().items() if is_shard(name)]
    resident = []
    for _ in range(2):
        populate(accounts)
        resident.append(sum(map(own_bytes, pids)))
    before, after = resident
    title = (
        f"memory of the shards for a further account with a position on {venue}, from {accounts:,} to {2 * accounts:,}"
    )
    return Row(title, (after - before) / accounts, "bytes", REACH_BYTES, "sixteen numbers", BARE_BYTES)


def own_bytes(pid: int) -> int:
    """What a process has resident for itself: without files it maps, and the store in which Ray passes messages on."""
    memory = psutil.Process(pid).memory_info()
    return int(memory.rss - memory.shared)
