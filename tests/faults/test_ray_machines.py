"""Two Ray daemons that offer different resources: actors run where they are placed, and buckets move between them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.client import Client
from tests.api.scene import funded_account
from tests.faults.live_node import LiveNode, NodeSettings
from tests.faults.live_process import ProcessEnded
from tests.faults.raylets import Raylet, Raylets

pytestmark = [pytest.mark.ray, pytest.mark.soak]

# The head offers `near`, the other daemon `far`.
PLACES = ("all=near", "shard=far", "shard/0=near", "validator=far")
TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Raylets, Raylet]]:
    """A head and another daemon."""
    with Raylets(tmp_path_factory.mktemp("ray")) as raylets:
        yield raylets, raylets.join("far")


def placed(cluster: Raylets, folder: Path, *places: str) -> LiveNode:
    """A node on the cluster, not started yet."""
    options = ["--address", cluster.address, *(word for place in places for word in ("--place", place))]
    settings = NodeSettings(folder / "data", "ray", options=options, environment=cluster.environment)
    return LiveNode(settings, folder / "node.log")


def test_actors_run_where_they_are_placed_and_buckets_move_from_machine_to_machine(
    cluster: tuple[Raylets, Raylet], tmp_path: Path
) -> None:
    raylets, far = cluster
    with placed(raylets, tmp_path, *PLACES) as node:
        node.start()
        with Client(node.address, node.key(), TIMEOUT_S) as client:
            accounts = [funded_account(client, 10**6 + number) for number in range(4)]
            shards = client.shards().shards
            there, here = set(far.pids("ray::")), set(raylets.head.pids("ray::"))
            assert shards[0].pid in here and shards[1].pid in there
            assert shards[0].node and shards[1].node and shards[0].node != shards[1].node
            status = client.status()
            pids = dict(zip(status.actors, status.actor_pids, strict=True))
            away = {name for name, pid in pids.items() if pid in there}
            assert away == {"shard/1"}
            assert far.pids("ray::ValidatorHost") and not raylets.head.pids("ray::ValidatorHost")
            assert client.move_buckets(shards[0].buckets, 1).moved == 512
            assert client.shards().shards[0].accounts == 0
            assert client.add_shards(1).shards == 3
            assert client.shards().shards[2].pid in far.pids("ray::")
            assert [client.account(account).free_atoms for account in accounts] == [10**6 + n for n in range(4)]
        node.stop()


def test_a_resource_that_no_machine_offers_stops_the_start_with_a_sentence(
    cluster: tuple[Raylets, Raylet], tmp_path: Path
) -> None:
    with placed(cluster[0], tmp_path, "pool=near", "shard=big") as node:
        with pytest.raises(ProcessEnded):
            node.start()
        said = node.log_text()
    assert "no machine of the Ray cluster offers big, by which shard is placed; offered: either, far, near" in said
