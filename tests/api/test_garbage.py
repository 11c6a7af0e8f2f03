"""Whatever arrives and whatever breaks, the answer is a refusal and shows nothing of the inside."""

import json
import random
from concurrent.futures import Future

import grpc
import pytest

from breakwater.v1 import accounts_pb2, admin_pb2
from node.client import Client
from node.server import NodeServer
from tests.api.conftest import LIMITS, TIMEOUT_S
from tests.api.refusing import LEAKS, Refusal, refusal_of
from tests.api.test_rights import METHODS, bearer, invoke

TRUNCATED = b"\x0a\xff\xff\xff\xff\x0f"
BROKEN_TEXT = b"\x42\x02\xc3\x28"


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("payload", [TRUNCATED, b"\xff" * 40], ids=["truncated", "noise"])
def test_garbage_is_malformed(node: NodeServer, method: object, payload: bytes) -> None:
    refusal = refusal_of(lambda: invoke(node.address, method, payload, bearer(node.dev_keys["dev"])))
    assert refusal == Refusal("MALFORMED", 0, 0, "message")


def test_text_that_is_no_text_is_malformed(node: NodeServer) -> None:
    method = next(method for method in METHODS if method.name == "OpenPosition")
    refusal = refusal_of(lambda: invoke(node.address, method, BROKEN_TEXT, bearer(node.dev_keys["dev"])))
    assert refusal == Refusal("MALFORMED", 0, 0, "message")


def test_noise_never_shows_the_inside(node: NodeServer) -> None:
    noise = random.Random(7)
    key = bearer(node.dev_keys["dev"])
    methods = [method for method in METHODS if not method.server_streaming]
    for _ in range(300):
        payload = noise.randbytes(noise.randrange(1, 60))
        method = noise.choice([method for method in methods if method.name not in ("Pause", "HaltMarket")])
        try:
            invoke(node.address, method, payload, key)
        except grpc.RpcError as error:
            assert error.code() not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL), error.details()
            assert not LEAKS.search(error.details() or "")


def test_an_unknown_method_is_unimplemented(node: NodeServer) -> None:
    with grpc.insecure_channel(node.address) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/breakwater.v1.AdminService/Nothing")(b"", timeout=TIMEOUT_S)
    assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_message_too_large_is_cut_off(node: NodeServer, dev: Client) -> None:
    request = accounts_pb2.GetOutcomeRequest(request_key=b"x" * (LIMITS.message_bytes + 1))
    with pytest.raises(grpc.RpcError) as caught:
        dev.accounts.GetOutcome(request)
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dev.status().state == admin_pb2.NODE_STATE_READY


def test_metadata_too_large_is_cut_off(node: NodeServer) -> None:
    method = next(method for method in METHODS if method.name == "ListVenues")
    metadata = (*bearer(node.dev_keys["dev"]), ("padding", "x" * (3 * LIMITS.metadata_bytes)))
    with pytest.raises(grpc.RpcError) as caught:
        invoke(node.address, method, b"", metadata)
    assert caught.value.code() in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE)


def test_a_fault_gives_an_incident_and_the_log_has_the_rest(
    node: NodeServer, dev: Client, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def venues() -> None:
        raise KeyError("secret of /etc/the/house")

    monkeypatch.setattr(node.host, "venues", venues)
    refusal = refusal_of(dev.venues)
    assert refusal.name == "INTERNAL"
    assert refusal.actual > 0
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    incident = next(line for line in lines if line.get("incident") == refusal.actual)
    assert incident["method"] == "/breakwater.v1.MarketService/ListVenues"
    assert "secret of /etc/the/house" in incident["exception"]


def test_a_fault_of_the_host_in_a_command_is_an_incident(
    node: NodeServer, dev: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(batch: object) -> Future[object]:
        failed: Future[object] = Future()
        failed.set_exception(RuntimeError("cluster.pipeline broke at 0x7f0000000000"))
        return failed

    monkeypatch.setattr(node.host, "submit", submit)
    assert refusal_of(dev.open_account).name == "INTERNAL"


def test_a_fault_in_a_stream_is_an_incident(node: NodeServer, dev: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def venues() -> None:
        raise ValueError("inside")

    monkeypatch.setattr(node.host, "venues", venues)
    assert refusal_of(lambda: next(dev.stream_liquidations())).name == "INTERNAL"
