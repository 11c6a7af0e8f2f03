"""Buckets move between shards of a running node, between two blocks; shards are added in the same way.

Only the shards whose set of buckets changes are given another state: each takes the rows of its buckets out of its own
part and the parts of those that give some away. The others are neither asked nor told, and go on being rebuilt from the
cut they have. Nothing of the outcome depends on a placement, so every moment of a crash leaves one that is right
(docs/resharding.md).
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from breakwater.v1 import batches_pb2 as batches
from cluster.chain_state import ChainState
from cluster.placement import Owners, changed_shards, moved, with_more
from cluster.supervisor import Supervisor
from cluster.topology import shard_name
from cluster.transport.transport import Call


class Resharded(NamedTuple):
    """After which block, how many buckets have another shard, how many shards there are, how long no block was made."""

    height: int
    buckets: int
    shards: int
    pause_us: int


class ShardSize(NamedTuple):
    """What a shard holds: its buckets, the accounts of all venues, its rows as a snapshot keeps them."""

    shard: int
    buckets: tuple[int, ...]
    accounts: int
    row_bytes: int


def move_buckets(
    state: ChainState, actors: Supervisor, keep: Callable[[Owners], None], buckets: Sequence[int], to: int
) -> Resharded:
    """Gives these buckets to a shard, only between blocks. Raises PlacementError, and whatever `keep` raises."""
    return reshard(state, actors, keep, moved(state.owners, buckets, to))


def add_shards(
    state: ChainState, actors: Supervisor, keep: Callable[[Owners], None], count: int, empty: bool
) -> Resharded:
    """So many more, with an even part of everybody's buckets or none. As `move_buckets`."""
    return reshard(state, actors, keep, with_more(state.owners, count, empty))


def start_shards(state: ChainState, actors: Supervisor, count: int) -> None:
    """Makes the next shards, empty and in no block yet: what takes long where each is a process of its own."""
    after = with_more(state.owners, count, empty=True)
    for shard in range(state.shards, after.shards):
        if not actors.has(shard_name(shard)):
            actors.make(shard_name(shard))


def reshard(state: ChainState, actors: Supervisor, keep: Callable[[Owners], None], owners: Owners) -> Resharded:
    """Changes the placement between two blocks; `keep` writes it down for the next start.

    Until `keep` has returned nothing has changed, and afterwards nothing can fail: a shard that dies while it is given
    its rows is made again from them before the next block.
    """
    begun = time.perf_counter_ns()
    before = state.owners
    parts = _parts_needed(before, owners, actors)
    keep(owners)
    state.place(owners)
    actors.place(owners)
    actors.rebase({shard_name(shard): parts[shard] for shard in parts})
    pause_us = (time.perf_counter_ns() - begun) // 1_000
    count = sum(old != new for old, new in zip(before.of_bucket, owners.of_bucket, strict=True))
    return Resharded(state.height, count, owners.shards, pause_us)


def _parts_needed(before: Owners, after: Owners, actors: Supervisor) -> dict[int, list[bytes]]:
    """Of every shard that changes: the parts its rows are in. An empty one takes its venues from shard 0."""
    sources = {shard: _sources(shard, before, after) for shard in changed_shards(before, after)}
    asked = sorted({source for some in sources.values() for source in some})
    found = dict(zip(asked, actors.snapshot([shard_name(shard) for shard in asked]), strict=True))
    return {shard: [found[source] for source in some] for shard, some in sources.items()}


def _sources(shard: int, before: Owners, after: Owners) -> list[int]:
    """Who has what the shard will have; itself first."""
    givers = {before.of_bucket[bucket] for bucket in after.buckets(shard)} - {shard}
    return [shard, *sorted(givers)] if shard < before.shards else sorted(givers) or [0]


def sizes(state: ChainState, actors: Supervisor) -> list[ShardSize]:
    """What every shard holds, by number."""
    query = batches.ShardQuery(size=batches.ShardSizeQuery()).SerializeToString()
    replies = actors.query([Call(shard_name(shard), query) for shard in range(state.shards)])
    views = [batches.ShardSizeView.FromString(reply) for reply in replies]
    return [
        ShardSize(shard, state.owners.buckets(shard), view.accounts, view.row_bytes) for shard, view in enumerate(views)
    ]
