"""A node in dev mode behind a real channel, one a test module, and clients under its keys."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from node.client import Client
from node.config import Limits, NodeConfig
from node.gateway import nodes
from node.presets import VenueWithMarkets, default_venues
from node.server import NodeServer

LIMITS = Limits(batch_rows=1_000, message_bytes=4 << 20)
TIMEOUT_S = 60.0
_WEEK_MS: Final = 7 * 24 * 3_600_000

ClientOf = Callable[[str], Client]


def calm_venues() -> list[VenueWithMarkets]:
    """What every node lists, funded once a week: a test that holds a position over the full hour pays nothing."""
    venues = default_venues()
    for oracle in (market.oracle for _, markets in venues for market in markets):
        if oracle.funding_interval_ms:
            oracle.funding_interval_ms = _WEEK_MS
    return venues


def config_of(data_dir: Path, **settings: object) -> NodeConfig:
    """Settings of a node that lives in the test's own process."""
    return NodeConfig(
        data_dir=data_dir,
        **{
            "transport": "inline",
            "validator_process": False,
            "dev": True,
            "limits": LIMITS,
            "venues": calm_venues(),
            **settings,
        },
    )


@pytest.fixture(scope="module")
def patient() -> Iterator[None]:
    """Gateways of the module's process give a node's health a minute: on a busy machine it is silent for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nodes, "LOOK_TIMEOUT_S", TIMEOUT_S)
        yield


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    """A node that seals its own blocks."""
    server = NodeServer(config_of(tmp_path_factory.mktemp("node")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def client_of(node: NodeServer) -> Iterator[ClientOf]:
    """Role (or `dev`) -> a client under that key."""
    clients: dict[str, Client] = {}

    def make(role: str) -> Client:
        if role not in clients:
            clients[role] = Client(node.address, node.dev_keys[role], TIMEOUT_S)
        return clients[role]

    yield make
    for client in clients.values():
        client.close()


@pytest.fixture(scope="module")
def dev(client_of: ClientOf) -> Client:
    """The client that may do everything."""
    return client_of("dev")


@pytest.fixture(scope="module")
def trader(client_of: ClientOf) -> Client:
    """A client bound to the accounts it opens."""
    return client_of("trader")
