"""A node that stands by: not serving until the one it follows is gone, then on the same port with all there was."""

import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from breakwater.v1 import admin_pb2, admin_pb2_grpc, markets_pb2
from node.client import Client
from node.guards.dev_keys import DEV_KEYS_NAME
from node.guards.key_file import KEYS_NAME
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, config_of
from tests.api.refusing import refusal_of
from tests.api.scene import funded_account
from tests.postgresql_server import KillableServer
from tests.waiting import wait

PATIENCE_S = 60.0


@contextmanager
def starting(server: NodeServer) -> Iterator[threading.Thread]:
    """Starts a node that stands by; ends it however far it came."""
    thread = threading.Thread(target=server.start, daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        server.give_up()
        thread.join(PATIENCE_S)
        if hasattr(server, "host"):
            server.stop()


def health(address: str) -> int:
    """What the port says; UNKNOWN for the moment in which one server makes room for the other."""
    with grpc.insecure_channel(address) as channel:
        try:
            return health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S).status
        except grpc.RpcError:
            return health_pb2.HealthCheckResponse.UNKNOWN


def status(address: str) -> admin_pb2.GetStatusResponse:
    with grpc.insecure_channel(address) as channel:
        return admin_pb2_grpc.AdminServiceStub(channel).GetStatus(admin_pb2.GetStatusRequest(), timeout=TIMEOUT_S)


def patient_journal(postgresql: KillableServer) -> str:
    """A database whose holder may be silent for a minute, as on a busy machine: only one that stops lets it go."""
    return f"{postgresql.new_database()}&lease_ttl_ms=60000"


def test_a_standby_of_an_embedded_journal_waits_until_it_is_let_go(tmp_path: Path) -> None:
    primary = NodeServer(config_of(tmp_path))
    primary.start()
    try:
        key = primary.dev_keys["dev"]
        with Client(primary.address, key, TIMEOUT_S) as client:
            account = funded_account(client, 1_000_000)
        standby = NodeServer(config_of(tmp_path, follow=True))
        with starting(standby):
            wait(lambda: bool(standby.address))
            assert health(standby.address) == health_pb2.HealthCheckResponse.NOT_SERVING
            assert status(standby.address).state == admin_pb2.NODE_STATE_STANDBY
            with Client(standby.address, key, TIMEOUT_S) as client:
                request = markets_pb2.ListVenuesRequest()
                assert refusal_of(lambda: client.markets.ListVenues(request)).name == "UNAVAILABLE"
            address = standby.address
            primary.stop()
            wait(lambda: health(address) == health_pb2.HealthCheckResponse.SERVING)
            with Client(address, key, TIMEOUT_S) as client:
                assert client.status().epoch == 2
                assert client.account(account).free_atoms == 1_000_000
    finally:
        primary.stop()


def test_a_standby_follows_a_journal_on_postgresql_and_takes_over(postgresql: KillableServer, tmp_path: Path) -> None:
    journal = patient_journal(postgresql)
    primary = NodeServer(config_of(tmp_path / "primary", journal=journal))
    primary.start()
    try:
        with Client(primary.address, primary.dev_keys["dev"], TIMEOUT_S) as client:
            account = funded_account(client, 1_000_000)
            height = client.status().height
        standby = NodeServer(config_of(tmp_path / "standby", journal=journal, follow=True, shards=3))
        with starting(standby):
            wait(lambda: bool(standby.address))
            wait(lambda: status(standby.address).height >= height)  # beside its writer, executed already
            assert status(standby.address).state == admin_pb2.NODE_STATE_STANDBY
            primary.stop()
            wait(lambda: health(standby.address) == health_pb2.HealthCheckResponse.SERVING)
            with Client(standby.address, standby.dev_keys["dev"], TIMEOUT_S) as client:
                assert (client.status().journal, client.status().shards) == ("postgresql", 3)
                assert client.account(account).free_atoms == 1_000_000
    finally:
        primary.stop()


def test_a_standby_learns_who_opened_which_account(postgresql: KillableServer, tmp_path: Path) -> None:
    journal, copied = patient_journal(postgresql), tmp_path / "standby"
    primary = NodeServer(config_of(tmp_path / "primary", journal=journal))
    primary.start()
    try:
        copied.mkdir()
        for name in (KEYS_NAME, DEV_KEYS_NAME):
            shutil.copy(tmp_path / "primary" / name, copied / name)
        key = primary.dev_keys["trader"]
        with Client(primary.address, key, TIMEOUT_S) as client:
            accounts = client.open_accounts(3)
        standby = NodeServer(config_of(copied, journal=journal, follow=True))
        with starting(standby):
            wait(lambda: bool(standby.address))
            primary.stop()
            wait(lambda: health(standby.address) == health_pb2.HealthCheckResponse.SERVING)
            with Client(standby.address, key, TIMEOUT_S) as client:
                assert [client.account(account).exists for account in accounts] == [True] * 3
            with Client(standby.address, primary.dev_keys["lp"], TIMEOUT_S) as client:
                assert refusal_of(lambda: client.account(accounts[0])).name == "NOT_ALLOWED"
    finally:
        primary.stop()
