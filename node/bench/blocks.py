"""Blocks on the node's own actors: a quiet one, a busy one, a crash in one tick; over every transport."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from breakwater.v1 import batches_pb2, events_pb2
from cluster.journal import SqliteJournal
from cluster.topology import pool_name, shard_name
from cluster.transport import ON_RAY
from cluster.transport.inline import InlineTransport
from cluster.transport.transport import Call, Transport
from node.bench.table import Row
from node.bench.timing import percentile, times_ms
from node.bench.world import PRICE_TICKS, TICK_MS, World, accepted
from node.presets import TWILIGHT_VENUE

SHARDS = 4
QUIET_REACH_MS = {"ray": 6.0, "lane": 1.5}
CRASH_REACH_S = 1.0
CRASH_ACCOUNTS = 10_000
QUICK_CRASH_ACCOUNTS = 2_000
BUSY_OPENS = 1_000
_FULL_LEVERAGE = 5_000
_CRASH_TICKS = PRICE_TICKS * 9 // 10


def rows(directory: Path, quick: bool) -> Iterator[Row]:
    """First in one process, then over each transport on an embedded Ray."""
    with _world(directory / "inline", InlineTransport(SHARDS)) as world:
        yield from _rows_of(world, "inline", quick, None)
    for name in ON_RAY:
        with transport_on_ray(name, SHARDS) as transport, _world(directory / name, transport) as world:
            yield from _rows_of(world, name, quick, fan_outs_ms(world, 40 if quick else 200))


@contextmanager
def transport_on_ray(name: str, shards: int) -> Iterator[Transport]:
    """`ray` or `lane` on an embedded Ray that ends with the block."""
    from cluster.launch import start_ray, stop_ray

    start_ray(None)
    try:
        from cluster.transport.lane import LaneTransport
        from cluster.transport.ray import RayTransport

        transport = (LaneTransport if name == "lane" else RayTransport)(shards)
        yield transport
        transport.close()
    finally:
        stop_ray()


@contextmanager
def _world(directory: Path, transport: Transport) -> Iterator[World]:
    journal = SqliteJournal.open(directory, holder="bench")
    journal.take_lease()
    world = World(transport, SHARDS, journal)
    try:
        world.found()
        yield world
    finally:
        world.close()
        journal.close()


def _rows_of(world: World, name: str, quick: bool, bare_ms: list[float] | None) -> Iterator[Row]:
    people = world.people(BUSY_OPENS)
    busy = times_ms(lambda: accepted(world.seal([world.opens(people)])), 3 if quick else 8)
    world.seal()
    quiet = times_ms(lambda: world.seal([world.ticks()]), 60 if quick else 400, warm=20)
    for percent in (50, 99):
        reach = QUIET_REACH_MS.get(name) if percent == 50 else None
        peer = f"3 bare fan-outs over {name}, p{percent}" if bare_ms is not None else None
        value = percentile(bare_ms, percent) if bare_ms is not None else None
        title = f"quiet block, {name}, {SHARDS} shards, p{percent}"
        yield Row(title, percentile(quiet, percent), "ms", reach, peer, value)
    yield Row(f"block of {BUSY_OPENS:,} opens, {name}", percentile(busy, 50), "ms")
    yield crash_row(world, name, QUICK_CRASH_ACCOUNTS if quick else CRASH_ACCOUNTS)


def fan_outs_ms(world: World, repeats: int) -> list[float]:
    """The peer of a quiet block: the calls it makes (one actor, all shards, one actor), each a near-empty read."""
    empty_pool = [Call(pool_name(TWILIGHT_VENUE), batches_pb2.PoolQuery().SerializeToString())]
    asked = batches_pb2.AccountQuery(venue=TWILIGHT_VENUE)
    nobody = batches_pb2.ShardQuery(accounts=asked).SerializeToString()
    nobodies = [Call(shard_name(shard), nobody) for shard in range(SHARDS)]

    def fan_outs() -> None:
        for calls in (empty_pool, nobodies, empty_pool):
            world.transport.query(calls)

    return times_ms(fan_outs, repeats, warm=20)


def crash_row(world: World, name: str, accounts: int) -> Row:
    """Seconds of the one block whose tick takes every one of these accounts below maintenance."""
    populate(world, accounts, _FULL_LEVERAGE, longs_only=True)
    tick = world.ticks(_CRASH_TICKS, TICK_MS)
    begun_s = time.perf_counter()
    result = world.seal([tick], TICK_MS)
    taken_s = time.perf_counter() - begun_s
    liquidated = sum(events_pb2.Event.FromString(event).HasField("position_liquidated") for event in result.events)
    assert liquidated >= accounts, f"{liquidated} of {accounts} positions were liquidated by the tick"
    return Row(f"{liquidated:,} positions liquidated by one tick, {name}", taken_s, "s", CRASH_REACH_S)


def populate(world: World, accounts: int, leverage_hundredths: int = 200, longs_only: bool = False) -> None:
    """New accounts with a position each."""
    for start in range(0, accounts, BUSY_OPENS):
        people = world.people(min(BUSY_OPENS, accounts - start))
        accepted(world.seal([world.opens(people, leverage_hundredths, longs_only)]))
    world.seal()
