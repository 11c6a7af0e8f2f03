"""The sharded node beside the naive engine on one stream: the same to the byte, for any shards, across a cut."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from actors.ways import Way
from cluster.replica import Replica
from tests.engine.naive import NaiveEngine
from tests.properties.comparison import apply_and_compare

VIEWED_EVERY = 6

CompareViews = Callable[[Replica, NaiveEngine, str], None]


class PlayedStream(Protocol):
    """A stream of blocks with the engine that has answered them."""

    seed: int
    engine: NaiveEngine

    def play(self, blocks: int, /) -> Iterable[Any]: ...


# By seed: how the replicas work.
WAYS = (Way.BY_COLUMNS, Way.LIQUIDATIONS_BY_ROW, Way.BY_COLUMNS, Way.BY_ROW)


def agree(
    stream: PlayedStream, blocks: int, shard_counts: tuple[int, ...], way: Way, compare_views: CompareViews
) -> None:
    """Plays a stream on replicas of these shard counts beside the naive engine; `scalar`: as a validator runs it."""
    replicas = [(shards, Replica(shards, way)) for shards in shard_counts]
    for play in stream.play(blocks):
        where = f"seed {stream.seed} height {play.block.height}"
        roots = set()
        for shards, replica in replicas:
            there = f"{where} shards {shards}"
            roots.add(apply_and_compare(replica, play.block, play.voided, play.result, there))
            if play.block.height % VIEWED_EVERY == 0:
                compare_views(replica, stream.engine, there)
        assert len(roots) == 1, f"{where}: roots differ by shard count"
        assert play.result.conserved, where


def go_on_after_a_cut(
    stream: PlayedStream, before: int, after: int, cut_height: int, compare_views: CompareViews
) -> None:
    """A replica of another shard count takes the cut, and both go on for as long again with the same roots."""
    staying = Replica(before)
    moved = staying
    for play in stream.play(2 * cut_height):
        where = f"seed {stream.seed} height {play.block.height} from {before} to {after} shards"
        roots = {apply_and_compare(staying, play.block, play.voided, play.result, where)}
        if moved is not staying:
            roots.add(apply_and_compare(moved, play.block, play.voided, play.result, where))
        assert len(roots) == 1, f"{where}: roots differ"
        if play.block.height == cut_height:
            moved = Replica(after)
            moved.restore(staying.cut())
    compare_views(moved, stream.engine, f"seed {stream.seed} at the end")
