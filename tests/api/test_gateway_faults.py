"""Gateways and nodes that die with requests in flight: whatever a client was told happened, happened once.

Nodes and gateways are processes of their own, killed with SIGKILL. The client repeats under the same request key.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from breakwater.v1 import accounts_pb2, common_pb2, markets_pb2, refusals_pb2
from node.bench.program import Program, running
from node.client import AsyncClient, Client, RefusedError
from node.client.requests import new_key
from node.gateway.server import GatewayConfig, GatewayServer
from node.guards.refusals import Refused, answer_of
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, config_of
from tests.api.refusing import refusal_of
from tests.flow.ways import Way
from tests.striking import strike
from tests.waiting import wait

PATIENCE_S = 60.0
CONFIG = 'margin_trade = ""\nspin = ""\nperennial = ""\n'

pytestmark = pytest.mark.usefixtures("patient")


class Town:
    """A node and gateways in front of it, each killed and started again on the port it had."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        (folder / "node.toml").write_text(CONFIG, encoding="utf-8")
        self.port = 0
        self.node = self.start_node()
        self.address, self.key = str(self.node.facts["address"]), str(self.node.facts["dev_keys"]["dev"])
        self.port = int(self.address.rpartition(":")[2])

    def start_node(self) -> Program:
        """Starts the node; the second time on the port of the first."""
        data, config = str(self.folder / "data"), str(self.folder / "node.toml")
        arguments = ("up", "--dev", "--json", "--no-house-bot", "--transport", "inline")
        arguments += ("--data", data, "--config", config, "--port", str(self.port))
        return self.stack.enter_context(running("node.cli", arguments, self.folder / "node.log"))

    def start_gateway(self) -> Program:
        """Starts a gateway on a port of its own."""
        arguments = ("gateway", "--node", self.address, "--json", "--wait", str(PATIENCE_S))
        return self.stack.enter_context(running("node.cli", arguments, self.folder / "gateway.log"))


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    with ExitStack() as stack:
        yield Town(tmp_path, stack)


def pay_in(client: Client, account: int, most: int) -> dict[bytes, int]:
    """Credits 1, 2, 3 ... atoms, each under a key of its own; key -> height of those that were acknowledged."""
    told = {}
    for atoms in range(1, most + 1):
        key = new_key().key
        told[key] = client.deposit(account, atoms, key=key).height
    return told


@pytest.mark.slow
def test_a_gateway_that_dies_loses_nothing(town: Town) -> None:
    doomed, other = town.start_gateway(), town.start_gateway()
    addresses = [doomed.facts["address"], other.facts["address"]]
    with Client(town.address, town.key, TIMEOUT_S) as direct, ThreadPoolExecutor(4) as threads:
        accounts = direct.open_accounts(4)
        clients = [Client(addresses, town.key, PATIENCE_S) for _ in accounts]
        work = [threads.submit(pay_in, client, account, 40) for client, account in zip(clients, accounts, strict=True)]
        while direct.account(accounts[0]).free_atoms < 50:
            time.sleep(0.01)
        doomed.kill()
        told = [future.result(PATIENCE_S) for future in work]
        for client in clients:
            client.close()
        assert [direct.account(account).free_atoms for account in accounts] == [40 * 41 // 2] * 4
        for key, height in told[0].items():
            outcome = direct.outcome(key)
            assert outcome is not None and outcome.height == height


@pytest.mark.slow
def test_a_node_that_dies_and_comes_back_answers_every_call_once(town: Town) -> None:
    gateway = town.start_gateway()
    with Client(gateway.facts["address"], town.key, PATIENCE_S) as client, ThreadPoolExecutor(4) as threads:
        accounts = client.open_accounts(4)
        work = [threads.submit(pay_in, client, account, 60) for account in accounts]
        for _ in range(2):
            before = client.account(accounts[0]).free_atoms
            while client.account(accounts[0]).free_atoms < before + 100 and not work[0].done():
                time.sleep(0.01)
            town.node.kill()
            town.node = town.start_node()
        told = [future.result(PATIENCE_S) for future in work]
        assert [client.account(account).free_atoms for account in accounts] == [60 * 61 // 2] * 4
        heights = Counter(height for one in told for height in one.values())
        assert all(heights) and sum(heights.values()) == 240


@pytest.mark.slow
def test_a_stream_ends_with_a_sentence_when_its_node_dies(town: Town) -> None:
    gateway = town.start_gateway()
    with Client(gateway.facts["address"], town.key, PATIENCE_S) as client:
        headers = client.stream_headers(from_height=1)
        first = next(headers)
        town.node.kill()
        with pytest.raises(RefusedError) as caught:
            list(headers)
        assert (caught.value.refusal, caught.value.code) == ("UNAVAILABLE", grpc.StatusCode.UNAVAILABLE)
        assert "ask again from the height after the last" in str(caught.value.__cause__)
        town.node = town.start_node()
        assert next(client.stream_headers(from_height=1)).header == first.header


@pytest.mark.slow
def test_a_command_without_a_request_key_is_not_sent_again(town: Town) -> None:
    gateway = GatewayServer(GatewayConfig([town.address], wait_s=PATIENCE_S))
    town.stack.callback(gateway.stop)
    gateway.start()
    with Client(gateway.address, town.key, PATIENCE_S) as client:
        account = client.open_account()
        strike(town.node.facts["pid"], signal.SIGSTOP)
        call = client.accounts.Deposit
        with ThreadPoolExecutor(2) as threads:
            requests = [accounts_pb2.DepositRequest(venue=1, account=account, amount_atoms=5) for _ in range(2)]
            requests[1].request_key.key = b"with a key"
            answers = [threads.submit(call, request, timeout=PATIENCE_S) for request in requests]
            until_sent(gateway, len(answers))
            town.node.kill()
            town.node = town.start_node()
            without, with_key = answers
            assert with_key.result(PATIENCE_S).outcome.status == common_pb2.OUTCOME_STATUS_DONE
            error = without.exception(PATIENCE_S)
        assert isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.UNAVAILABLE
        assert "whether it was done is unknown" in str(error.details())
        assert client.account(account).free_atoms == 5


def until_sent(gateway: GatewayServer, calls: int) -> None:
    """Waits until so many calls are at the node and have no answer."""
    (link,) = gateway._nodes.links
    wait(lambda: len(link.calls) >= calls, lambda: "the calls did not reach the node")


def test_the_gateway_turns_to_whoever_sequences(tmp_path: Path) -> None:
    nodes = [NodeServer(config_of(tmp_path / name)) for name in ("first", "second")]
    for node in nodes:
        node.start()
    gateway = GatewayServer(GatewayConfig([node.address for node in nodes]))
    gateway.start()
    try:
        assert gateway.sequencing == nodes[0].address
        with Client(gateway.address, nodes[1].dev_keys["dev"], PATIENCE_S) as client:
            assert refusal_of(client.status).name == "UNAUTHENTICATED"  # the keys are the second node's
            nodes[0].stop()
            assert client.status().gateway.node == nodes[1].address
            assert client.open_account() == 1
    finally:
        gateway.stop()
        for node in nodes:
            node.stop()


class _Zombie(grpc.GenericRpcHandler):
    """What a node answers that was fenced and does not know it yet: it is well, and FENCED to every call."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if handler_call_details.method.startswith("/grpc.health."):
                return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()
            code, text, trailing = answer_of(Refused(refusals_pb2.REFUSAL_FENCED))
            context.set_trailing_metadata(trailing)
            context.abort(code, text)

        return grpc.unary_unary_rpc_method_handler(answer)


def test_a_fenced_node_is_passed_over_whatever_its_health_says(node: NodeServer) -> None:
    with ThreadPoolExecutor(4) as threads:
        zombie = grpc.server(threads)
        zombie.add_generic_rpc_handlers((_Zombie(),))
        address = f"127.0.0.1:{zombie.add_insecure_port('127.0.0.1:0')}"
        zombie.start()
        gateway = GatewayServer(GatewayConfig([address, node.address]))
        gateway.start()
        try:
            with Client(gateway.address, node.dev_keys["dev"], PATIENCE_S) as client:
                assert gateway.sequencing == address
                account = client.open_account()
                client.faucet(account, 9)
                assert client.account(account).free_atoms == 9
                assert list(client.status().gateway.nodes) == [f"{address} fenced", f"{node.address} serves"]
        finally:
            gateway.stop()
            zombie.stop(None).wait()


class _Stopped(grpc.GenericRpcHandler):
    """A node that was well when it was asked first, and answers nothing at all since it got a call."""

    def __init__(self) -> None:
        self.called = threading.Event()
        self.over = threading.Event()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            if not handler_call_details.method.startswith("/grpc.health."):
                self.called.set()
            if self.called.is_set():
                self.over.wait(PATIENCE_S)
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


def test_calls_that_wait_for_a_stopped_node_are_sent_to_the_one_that_took_over(
    node: NodeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.gateway.nodes.LOOK_TIMEOUT_S", 6.0)  # what is waited for here, once
    with ThreadPoolExecutor(64) as threads:
        stopped = _Stopped()
        server = grpc.server(threads)
        server.add_generic_rpc_handlers((stopped,))
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        gateway = GatewayServer(GatewayConfig([address, node.address]))
        gateway.start()
        try:
            with Client(gateway.address, node.dev_keys["dev"], PATIENCE_S) as client:
                assert gateway.sequencing == address
                account = client.open_account()
                assert stopped.called.is_set() and gateway.sequencing == node.address
                client.faucet(account, 4)
                assert client.account(account).free_atoms == 4
        finally:
            stopped.over.set()
            gateway.stop()
            server.stop(None).wait()


class _Mirror(grpc.GenericRpcHandler):
    """Tells, behind every answer, the names of the metadata a call came with and how long it may still take."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            names = sorted(name for name, _ in context.invocation_metadata() if name not in ("user-agent",))
            context.set_trailing_metadata((("names", ",".join(names)), ("left", str(context.time_remaining()))))
            return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING).SerializeToString()

        return grpc.unary_unary_rpc_method_handler(answer)


def test_metadata_and_deadline_pass_in_both_directions() -> None:
    with ThreadPoolExecutor(4) as threads:
        mirror = grpc.server(threads)
        mirror.add_generic_rpc_handlers((_Mirror(),))
        address = f"127.0.0.1:{mirror.add_insecure_port('127.0.0.1:0')}"
        mirror.start()
        gateway = GatewayServer(GatewayConfig([address]))
        gateway.start()
        try:
            with grpc.insecure_channel(gateway.address) as channel:
                call = channel.unary_unary("/breakwater.v1.MarketService/ListVenues")
                metadata = (("authorization", "Bearer key"), ("tenant", "one"), ("trace-bin", b"\x00"))
                _, answered = call.with_call(b"", timeout=20.0, metadata=metadata)
            trailing = dict(answered.trailing_metadata())
            assert trailing["names"] == "authorization,tenant,trace-bin"
            assert 0 < float(trailing["left"]) <= 21.0  # the wire rounds it up
        finally:
            gateway.stop()
            mirror.stop(None).wait()


async def test_the_asyncio_client_asks_the_next_address(node: NodeServer) -> None:
    async with AsyncClient(["127.0.0.1:1", node.address], node.dev_keys["dev"], TIMEOUT_S) as client:
        account = await client.open_account()
        await client.faucet(account, 3)
        assert (await client.account(account)).free_atoms == 3
        async for one in client.stream_headers(from_height=1):
            assert one.header
            break


def test_a_client_asks_the_next_address_where_one_is_silent(node: NodeServer) -> None:
    with Client(["127.0.0.1:1", node.address], node.dev_keys["dev"], TIMEOUT_S) as client:
        assert client.venues()
        assert refusal_of(lambda: client.account(1 << 40)).name == "UNKNOWN_ACCOUNT"
        assert client.venues()
    with Client(["127.0.0.1:1", "127.0.0.1:2"], "key", 0.3) as client, pytest.raises(grpc.RpcError) as caught:
        client.venues()
    # The last attempt has what is left of the time: on a busy machine too little to be told.
    assert caught.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    with pytest.raises(ValueError, match="at least one address"):
        Client([], "key")


def test_a_connection_may_take_its_time(node: NodeServer) -> None:
    with Way(int(node.address.rpartition(":")[2])) as way, Client(way.address, node.dev_keys["dev"]) as client:
        way.hold()
        late = threading.Timer(0.4, way.mend)
        late.start()
        # A stub repeats nothing: this is the first attempt to connect.
        assert client.markets.ListVenues(markets_pb2.ListVenuesRequest(), timeout=TIMEOUT_S).venues
        late.join()
