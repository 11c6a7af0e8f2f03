"""The sweeps: one thing is changed at a time from a node of one shard, a thousand accounts, one market, one venue.

Inline, where one thread does everything, its processor time is taken, whatever else the machine does, and every actor's
by itself: what is left of a block is the node's own. Over lanes and Ray only whole blocks can be timed, by the clock.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cluster.topology import is_shard
from cluster.transport import ON_RAY
from cluster.transport.inline import InlineTransport
from node.bench import cross_scan, scan
from node.bench.blocks import transport_on_ray
from node.bench.feeder import feed
from node.bench.margin_world import MarginWorld
from node.bench.stream import orders_for, streaming_node

ORDERS: Final = 10_000
SHARDS: Final = (1, 2, 4)
ACCOUNTS: Final = (1_000, 100_000, 1_000_000)
MARKETS: Final = (1, 10, 100)
VENUES: Final = (1, 4)
POSITIONS: Final = (100_000, 1_000_000, 10_000_000)
# At 20 ms a block fifty hold one state root.
BLOCKS: Final = 50
REMOTE_BLOCKS: Final = 20
_STREAM_S: Final = 6.0
_POSITIONS_AN_ACCOUNT: Final = 3
_PARTS: Final = ("shards", "books", "others")


@dataclass(frozen=True, kw_only=True)
class Point:
    """Milliseconds of a block: the mean over blocks, of it what shards, books and other actors took, where known."""

    transport: str = "inline"
    shards: int = 1
    accounts: int = 1_000
    markets: int = 1
    venues: int = 1
    orders: int = ORDERS
    block_ms: float = 0.0
    shards_ms: float | None = None
    books_ms: float | None = None
    others_ms: float | None = None

    @property
    def is_base(self) -> bool:
        """Whether nothing is changed."""
        return replace(self, block_ms=0.0, shards_ms=None, books_ms=None, others_ms=None) == Point()

    @property
    def node_ms(self) -> float | None:
        """What is left: sealing, routing, numbering, roots. None where only whole blocks were timed."""
        if self.shards_ms is None or self.books_ms is None or self.others_ms is None:
            return None
        return self.block_ms - self.shards_ms - self.books_ms - self.others_ms


class TimedTransport(InlineTransport):
    """Adds up what the actors take, by what they are."""

    def __init__(self, shards: int) -> None:
        super().__init__(shards)
        self.spent_s: dict[str, float] = defaultdict(float)

    def make(self, actor: str) -> None:
        """See `InlineTransport`."""
        super().make(actor)
        made: Any = self.actor(actor)
        made.apply = self._timed(made.apply, part_of(actor))

    def _timed(self, apply: Callable[..., bytes], part: str) -> Callable[..., bytes]:
        def timed(*arguments: Any) -> bytes:
            begun_s = time.thread_time()
            try:
                return apply(*arguments)
            finally:
                self.spent_s[part] += time.thread_time() - begun_s

        return timed


def part_of(actor: str) -> str:
    """Which part of a node an actor belongs to."""
    if is_shard(actor):
        return "shards"
    return "books" if actor.startswith("book/") else "others"


def inline_points() -> list[Point]:
    """What is measured in one process, before it was."""
    base = Point()
    varied = [replace(base, orders=orders) for orders in (0, 100, 1_000, ORDERS)]
    varied += [replace(base, shards=shards, orders=orders) for shards in SHARDS[1:] for orders in (0, ORDERS)]
    varied += [replace(base, accounts=accounts) for accounts in ACCOUNTS[1:]]
    varied += [replace(base, markets=markets) for markets in MARKETS[1:]]
    return varied + [replace(base, venues=venues) for venues in VENUES[1:]]


def measured_inline(point: Point, blocks: int = BLOCKS) -> Point:
    """The point with its times."""
    transport = TimedTransport(point.shards)
    world = _world(point, transport, time.thread_time)
    block_s = _mean_s(world, point, blocks, transport.spent_s.clear)
    shards_ms, books_ms, others_ms = (round(transport.spent_s[part] / blocks * 1_000, 4) for part in _PARTS)
    block_ms = round(block_s * 1_000, 4)
    return replace(point, block_ms=block_ms, shards_ms=shards_ms, books_ms=books_ms, others_ms=others_ms)


def measured_remote(transport: str, shards: int, blocks: int = REMOTE_BLOCKS) -> Iterator[Point]:
    """A quiet block and a full one over lanes or Ray."""
    with transport_on_ray(transport, shards) as carrier:
        full = Point(transport=transport, shards=shards)
        world = _world(full, carrier, time.perf_counter)
        for point in (replace(full, orders=0), full):
            count = blocks if point.orders else 5 * blocks
            yield replace(point, block_ms=round(_mean_s(world, point, count) * 1_000, 4))


def _world(point: Point, transport: Any, clock_s: Callable[[], float]) -> MarginWorld:
    world = MarginWorld(transport, point.shards, markets=point.markets, venues=point.venues, clock_s=clock_s)
    world.found(point.accounts, max(point.orders, 100))
    return world


def _mean_s(world: MarginWorld, point: Point, blocks: int, begin: Callable[[], None] = lambda: None) -> float:
    """Seconds a block. A first one of its kind does not count; `begin` is called behind it."""
    block = world.step if point.orders else world.empty
    block()
    begin()
    return sum(block() for _ in range(blocks)) / blocks


def measured_stream(directory: Path) -> float:
    """Milliseconds an order through the whole node in one process: gRPC, sequencer, journal and archive included."""
    with streaming_node(directory, "inline", 1, validator=False) as program:
        return 1_000 / feed(orders_for(program, seconds=_STREAM_S)).per_s


def measured_positions(positions: int) -> dict[str, float]:
    """Milliseconds of one scan with nobody below: isolated positions; cross positions, all of them and by the slack."""
    isolated = scan.scan_row(positions, repeats=5)
    full, _, small = cross_scan.scan_rows(positions // _POSITIONS_AN_ACCOUNT, repeats=3)
    return {
        "positions": positions,
        "isolated_ms": round(isolated.value, 5),
        "cross_ms": round(full.value * positions / 1e6, 5),
        "cross_small_tick_ms": round(small.value, 5),
    }


def remote_places() -> list[tuple[str, int]]:
    """Transport and shards of every remote sweep."""
    return [(transport, shards) for transport in ON_RAY for shards in SHARDS]
