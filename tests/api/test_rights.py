"""Who may call what: keys, roles, accounts, publishers."""

import json
import stat
import time
from pathlib import Path

import grpc
import pytest

from breakwater.v1 import (
    accounts_pb2,
    admin_pb2,
    answers_pb2,
    commands_pb2,
    refusals_pb2,
)
from node.client import Client
from node.gateway.methods import FILES
from node.guards import roles
from node.guards.key_file import KEYS_NAME, KeyFileBroken, digest_of, update_keys
from node.guards.refusals import STATUS_OF, documentation
from node.guards.roles import BODIES, CALLS, Role
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, ClientOf, config_of
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import until_key_is

METHODS = [
    method for file in FILES for service in file.DESCRIPTOR.services_by_name.values() for method in service.methods
]
DENIED = Refusal("NOT_ALLOWED", 0, 0, "role")


def invoke(address: str, method: object, payload: bytes, metadata: object) -> object:
    """Calls any method with raw bytes and waits for its first answer."""
    path = f"/{method.containing_service.full_name}/{method.name}"
    with grpc.insecure_channel(address) as channel:
        if method.client_streaming:
            return next(channel.stream_stream(path)(iter([payload]), metadata=metadata, timeout=TIMEOUT_S))
        if method.server_streaming:
            return next(channel.unary_stream(path)(payload, metadata=metadata, timeout=TIMEOUT_S))
        return channel.unary_unary(path)(payload, metadata=metadata, timeout=TIMEOUT_S)


def bearer(key: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {key}"),)


def test_every_call_is_in_the_table() -> None:
    offered = {(method.containing_service.name, method.name) for method in METHODS}
    assert offered == {(service, call) for service, calls in CALLS.items() for call in calls}


def test_every_body_is_in_the_table() -> None:
    assert set(BODIES) == {field.name for field in commands_pb2.CommandBatch.DESCRIPTOR.oneofs_by_name["body"].fields}


def test_every_refusal_has_a_status() -> None:
    names = {name.removeprefix("REFUSAL_") for name in refusals_pb2.Refusal.DESCRIPTOR.values_by_name} - {"UNSPECIFIED"}
    assert set(STATUS_OF) == names


def test_the_tables_print_themselves() -> None:
    assert "| AccountService.Deposit | custodian |" in roles.documentation()
    assert "| void_command | nobody |" in roles.documentation()
    assert "| NOT_ALLOWED | PERMISSION_DENIED |" in documentation()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
@pytest.mark.parametrize("metadata", [(), bearer("bw_" + "0" * 64), (("authorization", "Basic eA=="),)])
def test_no_call_without_a_key(node: NodeServer, method: object, metadata: object) -> None:
    refusal = refusal_of(lambda: invoke(node.address, method, b"", metadata))
    assert refusal == Refusal("UNAUTHENTICATED", 0, 0, "authorization")


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_no_call_in_the_wrong_role(node: NodeServer, method: object) -> None:
    allowed = CALLS[method.containing_service.name][method.name]
    for role in Role:
        if role not in allowed:
            key = bearer(node.dev_keys[role])
            assert refusal_of(lambda key=key: invoke(node.address, method, b"", key)) == DENIED


@pytest.mark.parametrize("body", [body for body, allowed in BODIES.items() if Role.TRADER not in allowed])
def test_no_batch_in_the_wrong_role(trader: Client, body: str) -> None:
    batch = commands_pb2.CommandBatch(venue=1)
    content = getattr(batch, body)
    content.SetInParent()
    for column in content.DESCRIPTOR.fields:
        if column.is_repeated:
            getattr(content, column.name).append(1)
    assert refusal_of(lambda: trader.submit_batch(batch)) == Refusal("NOT_ALLOWED", 0, 0, body)


def test_only_the_custodian_credits(client_of: ClientOf, trader: Client) -> None:
    account = trader.open_account()
    assert refusal_of(lambda: trader.deposit(account, 1_000)) == DENIED
    assert refusal_of(lambda: client_of("admin").deposit(account, 1_000)) == DENIED
    client_of("custodian").deposit(account, 1_000)
    assert trader.account(account).free_atoms == 1_000


def test_a_key_sees_its_own_accounts_only(client_of: ClientOf, trader: Client) -> None:
    own, other = trader.open_account(), client_of("lp").open_account()
    assert trader.account(own).exists
    foreign = Refusal("NOT_ALLOWED", 0, 0, "account")
    assert refusal_of(lambda: trader.account(other)) == foreign
    assert refusal_of(lambda: trader.positions(other)) == foreign
    assert refusal_of(lambda: trader.withdraw(other, 1)) == foreign
    assert refusal_of(lambda: trader.cancel(other)) == foreign
    assert refusal_of(lambda: trader.pool(accounts=[own, other])) == foreign
    assert refusal_of(lambda: next(trader.stream_account(other))) == foreign
    assert client_of("auditor").account(other).exists


def test_one_foreign_account_spoils_a_batch(dev: Client, trader: Client) -> None:
    own, other = trader.open_account(), dev.open_account()
    columns = commands_pb2.CancelOrders(account=[own, other, own], order=[0, 0, 0], kind=[0, 0, 0])
    refusal = refusal_of(lambda: trader.submit_batch(commands_pb2.CommandBatch(venue=1, cancel_orders=columns)))
    assert refusal == Refusal("NOT_ALLOWED", 0, 0, "account")


def test_a_publisher_publishes_under_its_numbers(node: NodeServer) -> None:
    texts: list[str] = []
    update_keys(
        node.config.data_dir / KEYS_NAME,
        lambda table: texts.append(table.add("publisher 2", {Role.ORACLE_PUBLISHER}, publishers=[2])),
    )
    with Client(node.address, texts[0], TIMEOUT_S) as client:
        until_key_is(True, client)
        now_ms = time.time_ns() // 1_000_000
        assert client.publish([(1, 2, 100_000, now_ms)]).refusal[0] == 0
        refusal = refusal_of(lambda: client.publish([(1, 2, 100_001, now_ms + 1), (1, 3, 100_000, now_ms)]))
        assert refusal == Refusal("NOT_ALLOWED", 0, 0, "publisher")


def test_a_key_deleted_from_the_file_ends(node: NodeServer) -> None:
    texts: list[str] = []
    path = node.config.data_dir / KEYS_NAME
    update_keys(path, lambda table: texts.append(table.add("guest", {Role.AUDITOR})))
    with Client(node.address, texts[0], TIMEOUT_S) as client:
        until_key_is(True, client)

        def delete(table: object) -> None:
            table.records = [record for record in table.records if record.name != "guest"]

        update_keys(path, delete)
        until_key_is(False, client)
        assert refusal_of(client.venues).name == "UNAUTHENTICATED"


def test_a_broken_key_file_changes_nothing(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path))
    server.start()
    try:
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
            (tmp_path / KEYS_NAME).write_text("{broken")
            time.sleep(1.2)
            assert client.venues()
    finally:
        server.stop()
    with pytest.raises(KeyFileBroken):
        NodeServer(config_of(tmp_path)).start()


def test_keys_are_kept_hashed_and_private(node: NodeServer) -> None:
    path: Path = node.config.data_dir / KEYS_NAME
    content = path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((node.config.data_dir / "dev_keys.json").stat().st_mode) == 0o600
    hashes = {record["blake3"] for record in json.loads(content)["keys"]}
    for text in node.dev_keys.values():
        assert text not in content
        assert digest_of(text).hex() in hashes


def test_accounts_stay_bound_after_a_restart(tmp_path: Path) -> None:
    first = NodeServer(config_of(tmp_path))
    first.start()
    with Client(first.address, first.dev_keys["trader"], TIMEOUT_S) as client:
        accounts = client.open_accounts(3)
    keys = first.dev_keys
    first.stop()
    second = NodeServer(config_of(tmp_path))
    second.start()
    try:
        assert second.dev_keys == keys
        with Client(second.address, keys["trader"], TIMEOUT_S) as client:
            assert [client.account(account).account for account in accounts] == accounts
            assert refusal_of(lambda: client.account(accounts[-1] + 1)).name == "NOT_ALLOWED"
    finally:
        second.stop()


def test_the_faucet_is_shut_outside_dev_mode(tmp_path: Path) -> None:
    texts: list[str] = []
    update_keys(tmp_path / KEYS_NAME, lambda table: texts.append(table.add("one", {Role.TRADER}, every_account=True)))
    server = NodeServer(config_of(tmp_path, dev=False))
    server.start()
    try:
        with Client(server.address, texts[0], TIMEOUT_S) as client:
            assert refusal_of(lambda: client.faucet(1, 5)) == Refusal("WRONG_MODE", 1, 0, "dev")
            assert not (tmp_path / "dev_keys.json").exists()
    finally:
        server.stop()


def test_a_seal_needs_driver_mode(dev: Client) -> None:
    request = admin_pb2.SealBlockRequest(block_time_ms=1)
    with pytest.raises(grpc.RpcError) as caught:
        dev.admin.SealBlock(request)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    assert refusal_of(lambda: dev.seal_block(1, [])) == Refusal("WRONG_MODE", 1, 0, "driver_mode")


def test_a_request_key_belongs_to_its_api_key(client_of: ClientOf, dev: Client) -> None:
    key = b"shared between two"
    mine, theirs = dev.open_account(key=key), client_of("lp").open_account(key=key)
    assert mine != theirs
    response = client_of("auditor").accounts.GetOutcome(accounts_pb2.GetOutcomeRequest(request_key=key))
    assert not response.known
    assert isinstance(dev.outcome(key), answers_pb2.BatchOutcome)
