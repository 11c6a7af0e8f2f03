"""A gateway in front of a node over real channels: what a client meets is what it would meet at the node's own door."""

import time
import urllib.request
from collections.abc import Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from breakwater.v1 import admin_pb2, commands_pb2, common_pb2, markets_pb2, oracle_pb2
from node.client import AsyncClient, Client
from node.client.requests import new_key
from node.gateway.methods import READING, REFLECTION, STATUS, Method, methods
from node.gateway.server import GatewayConfig, GatewayServer, load_gateway_config
from node.guards.bounds import Limits
from node.guards.roles import CALLS
from node.server import NodeServer
from node.settings import ConfigError
from tests.api.conftest import TIMEOUT_S
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import fill_pool, funded_account, move_mark, now_ms
from tests.api.test_node import reflected
from tests.api.test_trading import wait_for_position
from tests.cli.running import breakwater, only_object

NOBODY = "127.0.0.1:1"

pytestmark = pytest.mark.usefixtures("patient")


@pytest.fixture(scope="module")
def gateway(node: NodeServer, patient: None) -> Iterator[GatewayServer]:
    """A gateway in front of the module's node, and of one that is never there."""
    server = GatewayServer(GatewayConfig([NOBODY, node.address], limits=Limits(message_bytes=4 << 20)))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def through(gateway: GatewayServer, node: NodeServer) -> Iterator[Client]:
    """A client of the gateway that may do everything."""
    with Client(gateway.address, node.dev_keys["dev"], TIMEOUT_S) as client:
        yield client


def answer(address: str, key: str, method: Method, raw: bytes) -> tuple[object, ...]:
    """How a server answers raw bytes: status, text, trailing metadata; or that there was an answer."""
    metadata = (("authorization", f"Bearer {key}"),)
    kind = ("stream" if method.streams_in else "unary") + "_" + ("stream" if method.streams_out else "unary")
    with grpc.insecure_channel(address) as channel:
        call = getattr(channel, kind)(method.path)
        request = iter([raw]) if method.streams_in else raw
        try:
            response = call(request, timeout=TIMEOUT_S, metadata=metadata)
            if method.streams_out:
                response = next(response)
            return grpc.StatusCode.OK, isinstance(response, bytes)
        except grpc.RpcError as error:
            trailing = {name: value for name, value in error.trailing_metadata() if not name.startswith("grpc-")}
            return error.code(), error.details(), trailing


# Bytes that no message reads as its own.
@pytest.mark.parametrize("path", sorted(set(methods()) - {REFLECTION}))
def test_bad_input_is_answered_as_the_node_answers_it(path: str, node: NodeServer, gateway: GatewayServer) -> None:
    method = methods()[path]
    for key in (node.dev_keys["dev"], node.dev_keys["oracle_publisher"], "no key of anybody"):
        direct = answer(node.address, key, method, b"\xff\xff\xff")
        assert direct[0] != grpc.StatusCode.OK
        assert answer(gateway.address, key, method, b"\xff\xff\xff") == direct


def test_every_method_of_the_api_is_passed_on() -> None:
    table = {f"/breakwater.v1.{service}/{call}" for service, calls in CALLS.items() for call in calls}
    assert set(methods()) == table | {REFLECTION}


def test_what_may_be_sent_twice_reads_or_has_a_request_key() -> None:
    keyless = [path.rpartition("/")[2] for path, one in methods().items() if not one.reads and one.request is None]
    alone = [name for name in keyless if not name.startswith("Stream")]
    assert sorted(alone) == [
        "AddShards",
        "Backup",
        "MoveBuckets",
        "Pause",
        "SealBlock",
        "ServerReflectionInfo",
        "TakeSnapshot",
    ]
    for path, method in methods().items():
        assert method.reads == path.rpartition("/")[2].startswith(READING)
        if method.request is not None:
            assert not method.may_be_repeated(b"") and not method.may_be_repeated(b"\xff")
            request = method.request()
            if "batch" in method.request.DESCRIPTOR.fields_by_name:
                request.batch.request_key = b"k"
            else:
                request.request_key.key = b"k"
            assert method.may_be_repeated(request.SerializeToString())


def test_single_calls_batches_and_reads_pass(through: Client, dev: Client) -> None:
    move_mark(through, 100_000)
    fill_pool(through)
    account = funded_account(through, 50_000_000)
    position = through.open_position(account, "long", 1_000_000, "10").reference
    assert wait_for_position(dev, account).position == position
    assert through.account(account) == dev.account(account)
    assert through.header(5).header == dev.header(5).header  # its signature may come between the two
    rows = 1_000
    deposits = commands_pb2.Deposits(account=[account] * rows, amount_atoms=[3] * rows)
    batch = commands_pb2.CommandBatch(request_key=new_key().key, venue=1, deposits=deposits)
    outcome = through.submit_batch(batch)
    assert list(outcome.status) == [common_pb2.OUTCOME_STATUS_DONE] * rows
    assert dev.submit_batch(batch) == outcome  # the same key at the node's own door: the answer of then


def test_a_large_message_passes_and_a_larger_one_is_refused_at_the_gateway(
    through: Client, gateway: GatewayServer, node: NodeServer
) -> None:
    rows = 3 << 20 >> 4
    deposits = commands_pb2.Deposits(account=[1] * rows, amount_atoms=[1] * rows)
    batch = commands_pb2.CommandBatch(request_key=new_key().key, venue=1, deposits=deposits)
    assert refusal_of(lambda: through.submit_batch(batch)).name == "BATCH_TOO_LARGE"  # the node read all of it
    deposits.account.extend([1] * rows)
    batch.deposits.CopyFrom(deposits)
    with pytest.raises(grpc.RpcError) as caught:
        through.submit_batch(batch)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_refusal_passes_with_its_numbers(through: Client) -> None:
    account = funded_account(through, 1_000)
    refusal = refusal_of(lambda: through.withdraw(account, 1_001))
    assert refusal == Refusal("INSUFFICIENT_BALANCE", 1_001, 1_000, "")
    assert refusal_of(lambda: through.account(1 << 40)).name == "UNKNOWN_ACCOUNT"


def test_streams_pass_in_both_directions(through: Client) -> None:
    move_mark(through, 101_000)
    marks = through.stream_marks()
    assert next(one for one in marks if one.marks and one.marks[0].mark_ticks == 101_000).height
    ticks = commands_pb2.Ticks(market=[1], publisher=[1], price_ticks=[101_000], published_ms=[now_ms()])
    requests = [oracle_pb2.PublishTicksRequest(request_key=new_key(), venue=1, ticks=ticks) for _ in range(3)]
    answers = list(through.publish_stream(requests))
    assert [len(one.status) for one in answers] == [1, 1, 1]
    height = answers[-1].height
    headers = through.stream_headers(from_height=1)
    assert [next(headers).header for _ in range(3)] == [through.header(one).header for one in (1, 2, 3)]
    assert height <= through.status().height
    headers.close()
    marks.close()


async def test_the_asyncio_client_meets_the_same(gateway: GatewayServer, node: NodeServer) -> None:
    async with AsyncClient(gateway.address, node.dev_keys["dev"], TIMEOUT_S) as client:
        account = await client.open_account()
        await client.faucet(account, 7)
        assert (await client.account(account)).free_atoms == 7
        async for one in client.stream_headers(from_height=2):
            assert one.header == (await client.header(2)).header
            break


def test_a_status_tells_of_the_gateway_and_of_the_node(
    through: Client, dev: Client, gateway: GatewayServer, node: NodeServer
) -> None:
    status = through.status()
    assert (status.state, status.version) == (dev.status().state, dev.status().version)
    assert not dev.status().HasField("gateway")
    assert (status.gateway.address, status.gateway.node) == (gateway.address, node.address)
    assert list(status.gateway.nodes) == [f"{NOBODY} does not answer", f"{node.address} serves"]
    assert status.gateway.calls_in_flight == 1
    assert gateway.sequencing == node.address


def test_health_is_asked_for_from_a_shell(gateway: GatewayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.cli.health._TIMEOUT_S", TIMEOUT_S)
    said = breakwater("health", "--address", gateway.address, "--json")
    facts = {"address": gateway.address, "service": "", "status": "SERVING"}
    assert (said.exit_code, only_object(said)) == (0, facts)
    assert breakwater("health", "--address", gateway.address, "--service", "breakwater.Gateway").exit_code == 0
    unknown = breakwater("health", "--address", gateway.address, "--service", "coffee")
    assert (unknown.exit_code, "knows no service 'coffee'" in unknown.stderr) == (1, True)
    assert breakwater("health", "--address", NOBODY).exit_code == 3


def test_metrics_of_a_gateway(node: NodeServer) -> None:
    wanted = (
        'breakwater_gateway_errors_total{status="PERMISSION_DENIED"} 1.0',
        "breakwater_gateway_sent_again_total 0.0",
        "breakwater_gateway_node_changes_total 1.0",
        "breakwater_gateway_calls_in_flight 0.0",
        "breakwater_gateway_streams 0.0",
        f'breakwater_gateway_node_serves{{node="{node.address}"}} 1.0',
        f'breakwater_gateway_node_serves{{node="{NOBODY}"}} 0.0',
    )
    server = GatewayServer(GatewayConfig([NOBODY, node.address], metrics_port=0))
    server.start()
    try:
        with Client(server.address, node.dev_keys["trader"], TIMEOUT_S) as client:
            assert refusal_of(lambda: client.account(1 << 40)).name
        # A client has its answer a moment before the gateway counts the call as gone.
        lacking = list(wanted)
        deadline = time.monotonic() + TIMEOUT_S
        while lacking and time.monotonic() < deadline:
            with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=TIMEOUT_S) as answered:
                text = answered.read().decode()
            lacking = [line for line in wanted if f"\n{line}\n" not in text]
    finally:
        server.stop()
    assert not lacking, text


def test_reflection_passes(gateway: GatewayServer, node: NodeServer) -> None:
    assert reflected(gateway.address) == reflected(node.address)


def test_what_is_no_method_stays_unknown(gateway: GatewayServer) -> None:
    method = Method("/breakwater.v1.AdminService/MakeCoffee")
    assert answer(gateway.address, "", method, b"")[0] == grpc.StatusCode.UNIMPLEMENTED
    assert STATUS in methods()


def test_a_gateway_counts_calls_by_key(node: NodeServer) -> None:
    server = GatewayServer(GatewayConfig([node.address], limits=Limits(calls_per_s=3)))
    server.start()
    try:
        refused: set[str] = set()
        deadline = time.monotonic() + TIMEOUT_S
        with Client(server.address, node.dev_keys["trader"], TIMEOUT_S) as client:
            while not refused and time.monotonic() < deadline:
                try:
                    client.venues()
                except Exception as error:
                    refused.add(str(error))
        assert refused == {"RATE_LIMITED (calls_per_s): required 3, actual 4"}
        with Client(server.address, node.dev_keys["lp"], TIMEOUT_S) as client:
            assert client.venues()
    finally:
        server.stop()


def test_gateways_share_a_port_only_where_they_are_told_to(node: NodeServer) -> None:
    first = GatewayServer(GatewayConfig([node.address], share_port=True))
    first.start()
    second = GatewayServer(GatewayConfig([node.address], listen=first.address, share_port=True))
    second.start()
    try:
        assert second.address == first.address
        for _ in range(4):
            with Client(first.address, node.dev_keys["dev"], TIMEOUT_S) as client:
                assert client.venues()
        with pytest.raises(RuntimeError):
            GatewayServer(GatewayConfig([node.address], listen=first.address)).start()
    finally:
        first.stop()
        second.stop()


def test_without_a_node_a_call_is_unavailable_with_a_sentence() -> None:
    server = GatewayServer(GatewayConfig([NOBODY, "127.0.0.1:2"], wait_s=0.2))
    server.start()
    try:
        with grpc.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.NOT_SERVING
            alive = health_pb2.HealthCheckRequest(service="breakwater.Gateway")
            assert health.Check(alive).status == health_pb2.HealthCheckResponse.SERVING
        for method in (methods()[STATUS], methods()["/breakwater.v1.MarketService/StreamMarks"]):
            code, said, trailing = answer(server.address, "", method, b"")
            assert code == grpc.StatusCode.UNAVAILABLE
            assert said == ("UNAVAILABLE: no node sequences: 127.0.0.1:1 does not answer; 127.0.0.1:2 does not answer")
            assert list(trailing) == ["breakwater-refusal-bin"]
    finally:
        server.stop()


def test_a_call_waits_for_a_node_no_longer_than_its_deadline_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline_s = TIMEOUT_S / 2
    monkeypatch.setattr("node.gateway.forwarding._MARGIN_S", deadline_s - 0.5)
    server = GatewayServer(GatewayConfig([NOBODY], wait_s=2 * TIMEOUT_S))
    server.start()
    try:
        with Client(server.address, "key", TIMEOUT_S) as client:
            request = markets_pb2.ListVenuesRequest()
            # Past its deadline the call would end without a refusal.
            refusal = refusal_of(lambda: client.markets.ListVenues(request, timeout=deadline_s))
            assert refusal.name == "UNAVAILABLE"
    finally:
        server.stop()


def test_health_follows_the_node(node: NodeServer, gateway: GatewayServer) -> None:
    with grpc.insecure_channel(gateway.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "breakwater.v1.AdminService"):
            answered = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)
            assert answered.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"nodes": []}, "at least one --node"),
        ({"nodes": ["localhost"]}, "'localhost' is no HOST:PORT"),
        ({"nodes": ["a:1", "b:2", "a:1"]}, "a:1 is named twice"),
        ({"nodes": ["a:1"], "listen": ":99999"}, "':99999' is no HOST:PORT"),
        ({"nodes": ["a:1"], "listen": "h:99999"}, "'h:99999' is no HOST:PORT"),
    ],
)
def test_a_wrong_setting_of_a_gateway_is_named(settings: dict, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        load_gateway_config(None, **settings)


def test_status_messages_merge() -> None:
    parts = (
        admin_pb2.GetStatusResponse(height=7),
        admin_pb2.GetStatusResponse(gateway=admin_pb2.GatewayStatus(node="n")),
    )
    merged = admin_pb2.GetStatusResponse.FromString(b"".join(part.SerializeToString() for part in parts))
    assert (merged.height, merged.gateway.node) == (7, "n")
