"""The pieces of `bench --quick` that start no server: they measure what they say, on small books."""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from breakwater.v1 import common_pb2
from cluster.replica import read_accounts
from cluster.transport.inline import InlineTransport
from node.bench import blocks, cross_scan, journal_append, many_accounts, memory, replay_speed, scan
from node.bench.load import run_load
from node.bench.margin_world import MarginWorld
from node.bench.world import ACCOUNT_ATOMS, MARGIN_ATOMS, World, accepted
from node.presets import TWILIGHT_VENUE


@pytest.fixture
def world() -> Iterator[World]:
    """A listed venue with a price and a pool, in this process, without a journal."""
    founded = World(InlineTransport(blocks.SHARDS), blocks.SHARDS)
    founded.found()
    yield founded
    founded.close()


def test_scan_is_compared_with_reading_everything() -> None:
    row = scan.scan_row(5_000, repeats=99)  # their median is no call that was interrupted
    assert row.name == "scan of 5,000 isolated positions, nobody below"
    assert row.reference_value is not None
    assert 0 < row.value < row.reference_value * 100


def test_cross_scan_is_compared_with_numpy_where_nothing_is_skipped() -> None:
    by_account, shuffled, small_tick = cross_scan.scan_rows(3_000, repeats=3)
    assert (by_account.unit, by_account.reach) == ("ns", 8.0)
    assert by_account.reference_value == shuffled.reference_value is not None
    assert (small_tick.unit, small_tick.reach, small_tick.reference) == ("ms", 1.0, "all of them, shuffled")
    assert small_tick.value > 0


def test_journal_rows_have_a_peer(tmp_path: Path) -> None:
    rows = list(journal_append.rows(tmp_path, quick=True))
    names = ["journal append on SQLite", "journal append"]
    if len(rows) > 4:  # where a server's programs are installed
        names.append("journal append on PostgreSQL")
    assert [row.name for row in rows] == [
        f"{name}, 64 KB, durable, p{percent}" for name in names for percent in (50, 99)
    ]
    assert rows[0].value <= rows[1].value
    assert all(row.reference_value for row in rows)
    assert (tmp_path / "plain-file").stat().st_size == 108 * journal_append.FRAME_BYTES


def test_the_world_trades(world: World) -> None:
    people = world.people(4)
    result = accepted(world.seal([world.opens(people)]))
    assert list(result.outcomes.status) == [common_pb2.OUTCOME_STATUS_FILLED] * 4
    world.seal()
    views = read_accounts(world.transport, world.state, TWILIGHT_VENUE, people).accounts
    assert [len(view.positions) for view in views] == [1] * 4
    assert {view.free_atoms for view in views} == {ACCOUNT_ATOMS - MARGIN_ATOMS}


def test_a_refusal_is_no_measurement(world: World) -> None:
    with pytest.raises(AssertionError, match="1 commands refused"):
        accepted(world.seal([world.opens([99])]))


def test_one_tick_liquidates_everybody(world: World) -> None:
    row = blocks.crash_row(world, "inline", 60)
    assert row.name == "60 positions liquidated by one tick, inline"
    assert (row.unit, row.reach) == ("s", 1.0)


def test_bare_fan_outs_touch_every_actor_of_a_quiet_block(world: World) -> None:
    assert len(blocks.fan_outs_ms(world, repeats=2)) == 2


def test_replay_is_measured_both_ways(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("node.bench.peers.environments.HOME", tmp_path)
    monkeypatch.setattr(replay_speed, "ACCOUNTS", 50)
    kernels, scalar, mixed, peer = replay_speed.margin_rows(steps=2, matching_batches=2, step_rows=1_000)
    assert kernels.unit == scalar.unit == mixed.unit == "orders/s"
    assert kernels.reach == 1_000_000
    assert scalar.reference_value == mixed.reference_value == kernels.value == peer.value
    assert peer.ratio is None


def test_many_accounts_are_compared_with_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many_accounts, "FEW", 100)
    row = many_accounts.many_row(300, blocks=2, step_rows=1_000)
    assert (row.name, row.unit) == ("throughput with 300 accounts, a state root every second", "orders/s")
    assert row.reference_value is not None
    assert row.reach == row.reference_value * 0.8


def test_everybody_of_a_margin_world_has_a_position() -> None:
    world = MarginWorld(InlineTransport(2), 2, venues=2)
    world.list_markets()
    world.people_with_positions(6)
    for venue in world.venues:
        views = read_accounts(world.transport, world.state, venue, range(1, 7)).accounts
        assert [view.cross.positions[0].lots for view in views] == [-1_000, 1_000] * 3


def test_memory_is_what_processes_grow_by(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []
    transport = InlineTransport(2)
    monkeypatch.setattr(transport, "pids", lambda: {"oracle": 1, "shard/0": os.getpid(), "shard/1": os.getpid()})
    row = memory.growth_row("air", transport, lambda count: held.append(b"x" * 1_000 * count), 100_000)
    assert row.name == "memory of the shards for a further account with a position on air, from 100,000 to 200,000"
    assert row.value == pytest.approx(2_000, rel=0.2)  # both shards are this process


def test_load_keeps_so_many_in_flight() -> None:
    running = most = 0

    async def call(request: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1

    load = asyncio.run(run_load(call, range(40), in_flight=8))
    assert most == 8
    assert load.p50_ms <= load.p99_ms
    assert load.calls_per_s > 0
