"""Shards over the channel: listed, moved under traffic, added, and everything that cannot be refused by name."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from breakwater.v1 import admin_pb2
from cluster.invariants import check_after_block
from cluster.journal import open_read_only
from cluster.placement import NAME, buckets_in, even, load, ranges
from cluster.recovery import replay
from cluster.replica import Replica
from node.client import AsyncClient, Client
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, ClientOf, config_of
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import PRICE_TICKS, fill_pool, funded_account, move_mark
from tests.waiting import wait

PATIENCE_S = 60


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[tuple[NodeServer, Client]]:
    """A node of the test's own, whose shards nobody has moved."""
    server = NodeServer(config_of(tmp_path))
    server.start()
    with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        yield server, client
    server.stop()


def buckets_of(client: Client) -> list[str]:
    return [ranges(shard.buckets) for shard in client.shards().shards]


def test_shards_are_listed_with_what_they_hold(fresh: tuple[NodeServer, Client]) -> None:
    _, client = fresh
    empty = client.shards()
    account = funded_account(client, 10**6)
    listed = client.shards()
    assert listed.height > empty.height
    assert buckets_of(client) == ["0-1022/2", "1-1023/2"]
    grown = [
        (after.shard, after.accounts - before.accounts, after.state_bytes > before.state_bytes)
        for before, after in zip(empty.shards, listed.shards, strict=True)
    ]
    assert grown == [(shard, int(account % 2 == shard), account % 2 == shard) for shard in range(2)]
    assert all(shard.pid and not shard.node for shard in listed.shards)


def test_buckets_move_while_people_trade_and_a_replica_finds_the_same_roots(
    fresh: tuple[NodeServer, Client], tmp_path: Path
) -> None:
    server, client = fresh
    move_mark(client, PRICE_TICKS)
    fill_pool(client)
    accounts = [funded_account(client, 10**7) for _ in range(6)]
    stop, opened, failures = threading.Event(), [0], []

    def trade() -> None:
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as trader:
            try:
                while not stop.is_set():
                    for account in accounts:
                        trader.open_position(account, "long", 20_000, "2")
                        opened[0] += 1
            except Exception as error:  # the test's thread says it
                failures.append(error)

    trading = threading.Thread(target=trade)
    trading.start()
    for number in range(6):
        to = number % 2
        done = client.move_buckets([bucket for bucket in range(8) if _owner(client, bucket) != to], to)
        assert done.moved > 0 and done.pause_us > 0
        while opened[0] < 4 * (number + 1) and not failures:
            stop.wait(0.01)
    added = client.add_shards(2)
    assert (added.shards, added.pause_us > 0) == (4, True)
    seen = opened[0]
    while opened[0] < seen + 6 and not failures:
        stop.wait(0.01)
    stop.set()
    trading.join(PATIENCE_S)
    assert not failures
    wait(
        lambda: sum(len(client.positions(account)) for account in accounts) == opened[0],
        lambda: "positions are missing, or there are too many",
    )
    height, root = server.host.height(), client.status().state_root
    server.stop()
    replica, roots = Replica(3), set()
    with closing(open_read_only(tmp_path)) as journal:
        for block in replay(journal, replica, 1):
            roots.add(block.result.state_root)
            assert not check_after_block(replica, block.result)
    assert replica.state.height >= height and root in roots


def _owner(client: Client, bucket: int) -> int:
    return next(shard.shard for shard in client.shards().shards if bucket in shard.buckets)


def test_a_placement_outlives_the_node(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path))
    server.start()
    with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        account = funded_account(client, 10**6)
        client.move_buckets([2, 4, 6], 1)
        client.add_shards(1, empty=True)
        before = buckets_of(client)
    server.stop()
    assert load(tmp_path, 3).buckets(2) == ()
    for shards, expected in ((3, before), (2, ["0-1022/2", "1-1023/2"])):
        server = NodeServer(config_of(tmp_path, shards=shards))
        server.start()
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
            assert buckets_of(client) == expected
            assert client.account(account).free_atoms == 10**6
        server.stop()


def test_a_driver_s_node_moves_buckets_between_its_blocks(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, driver_mode=True))
    server.start()
    with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        height = client.seal_block(1_000_000, []).height
        assert client.move_buckets([0], 1).height == height
        assert client.seal_block(1_000_001, []).height == height + 1
    server.stop()


def moving(buckets: list[int], to: int) -> admin_pb2.MoveBucketsRequest:
    return admin_pb2.MoveBucketsRequest(buckets=buckets, to_shard=to)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (moving([], 1), Refusal("MALFORMED", 0, 0, "buckets")),
        (moving([0], 2), Refusal("PARAMETER_OUT_OF_BOUNDS", 1, 2, "to_shard")),
        (moving([0], (1 << 32) - 1), Refusal("PARAMETER_OUT_OF_BOUNDS", 1, (1 << 32) - 1, "to_shard")),
        (moving([2, 1024], 1), Refusal("PARAMETER_OUT_OF_BOUNDS", 1023, 1024, "buckets")),
        (moving([(1 << 32) - 1], 1), Refusal("PARAMETER_OUT_OF_BOUNDS", 1023, (1 << 32) - 1, "buckets")),
        (moving([0, 2, 2], 1), Refusal("MALFORMED", 1, 2, "bucket 2")),
        (moving([0, 1], 1), Refusal("NAME_TAKEN", 0, 1, "bucket 1")),
        (admin_pb2.AddShardsRequest(count=0), Refusal("PARAMETER_OUT_OF_BOUNDS", 1, 0, "count")),
        (admin_pb2.AddShardsRequest(count=1023), Refusal("PARAMETER_OUT_OF_BOUNDS", 1022, 1023, "count")),
        (
            admin_pb2.AddShardsRequest(count=(1 << 32) - 1, empty=True),
            Refusal("PARAMETER_OUT_OF_BOUNDS", 1022, (1 << 32) - 1, "count"),
        ),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    dev: Client, request_: admin_pb2.MoveBucketsRequest | admin_pb2.AddShardsRequest, expected: Refusal
) -> None:
    asks = dev.admin.MoveBuckets if isinstance(request_, admin_pb2.MoveBucketsRequest) else dev.admin.AddShards
    assert refusal_of(lambda: asks(request_)) == expected
    assert buckets_of(dev) == ["0-1022/2", "1-1023/2"]


def test_only_an_administrator_may(client_of: ClientOf) -> None:
    trader = client_of("trader")
    for call in (trader.shards, lambda: trader.move_buckets([0], 1), trader.add_shards):
        assert refusal_of(call).name == "NOT_ALLOWED"


def test_a_placement_that_cannot_be_written_is_refused_and_nothing_moves(fresh: tuple[NodeServer, Client]) -> None:
    server, client = fresh
    stone = (server.config.data_dir / NAME).with_suffix(".new")
    stone.mkdir()
    # Not by `move_buckets`, which would ask again until its time is over.
    assert refusal_of(lambda: client.admin.MoveBuckets(moving([0], 1))) == Refusal("READ_ONLY", 0, 0, NAME)
    assert buckets_of(client) == ["0-1022/2", "1-1023/2"]
    stone.rmdir()
    assert client.move_buckets([0], 1).moved == 1
    assert load(server.config.data_dir, 2).buckets(1)[:2] == (0, 1)


async def test_an_asynchronous_client_may_too(fresh: tuple[NodeServer, Client]) -> None:
    server, _ = fresh
    async with AsyncClient(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        assert (await client.move_buckets(buckets_in("0-6/2"), 1)).moved == 4
        assert (await client.add_shards(1, empty=True)).shards == 3
        listed = await client.shards()
    assert [len(shard.buckets) for shard in listed.shards] == [508, 516, 0]
    assert even(2).buckets(1)[0] == 1
