"""A request key has one effect and one answer."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from breakwater.v1 import accounts_pb2, answers_pb2, commands_pb2
from node.client import Client
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, config_of
from tests.api.refusing import Refusal, refusal_of


def test_the_same_body_gets_the_same_answer(dev: Client) -> None:
    key = uuid.uuid4().bytes
    account = dev.open_account()
    first = dev.deposit(account, 700, key=key)
    assert dev.deposit(account, 700, key=key) == first
    assert dev.account(account).free_atoms == 700


def test_the_same_key_in_flight_many_times_has_one_effect(dev: Client) -> None:
    key = uuid.uuid4().bytes
    account = dev.open_account()
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: dev.deposit(account, 11, key=key), range(32)))
    assert all(answer == answers[0] for answer in answers)
    assert dev.account(account).free_atoms == 11


def test_another_body_is_refused(dev: Client) -> None:
    key = uuid.uuid4().bytes
    account = dev.open_account()
    height = dev.deposit(account, 700, key=key).height
    assert refusal_of(lambda: dev.deposit(account, 701, key=key)) == Refusal("REQUEST_KEY_REUSED", 0, height, "")
    assert refusal_of(lambda: dev.withdraw(account, 700, key=key)).name == "REQUEST_KEY_REUSED"
    assert dev.account(account).free_atoms == 700


def test_a_refused_command_is_refused_again(dev: Client) -> None:
    key = uuid.uuid4().bytes
    account = dev.open_account()
    first = refusal_of(lambda: dev.withdraw(account, 5, key=key))
    dev.faucet(account, 100)
    assert first.name == "INSUFFICIENT_BALANCE"
    assert refusal_of(lambda: dev.withdraw(account, 5, key=key)) == first


def test_what_became_of_a_key_can_be_asked(dev: Client) -> None:
    key = uuid.uuid4().bytes
    assert dev.outcome(key) is None
    account = dev.open_account(key=key)
    found = dev.outcome(key)
    assert found is not None
    assert list(found.reference) == [account]
    assert found.height > 0


def test_without_a_key_every_request_is_its_own(dev: Client) -> None:
    request = accounts_pb2.OpenAccountRequest(venue=1)
    first, second = dev.accounts.OpenAccount(request), dev.accounts.OpenAccount(request)
    assert first.accounts != second.accounts


def test_a_key_too_long_is_refused(dev: Client) -> None:
    assert refusal_of(lambda: dev.open_account(key=b"k" * 65)) == Refusal("BAD_REQUEST_KEY", 64, 65, "request_key")
    assert dev.open_account(key=b"k" * 64) > 0


def test_an_expired_batch_is_refused(dev: Client) -> None:
    batch = commands_pb2.CommandBatch(venue=1, expires_ms=1, open_accounts=commands_pb2.OpenAccounts(count=1))
    refusal = refusal_of(lambda: dev.submit_batch(batch))
    assert (refusal.name, refusal.actual) == ("EXPIRED", 1)
    assert refusal.required > 1


def test_an_expiry_too_far_is_refused(dev: Client) -> None:
    request = accounts_pb2.OpenAccountRequest(
        request_key=answers_pb2.RequestKey(key=uuid.uuid4().bytes, expires_ms=1 << 60), venue=1
    )
    refusal = refusal_of(lambda: dev.accounts.OpenAccount(request))
    assert (refusal.name, refusal.actual) == ("EXPIRY_TOO_FAR", 1 << 60)


@pytest.mark.parametrize("body", ["same", "other"])
def test_keys_outlive_a_restart(tmp_path: Path, body: str) -> None:
    key = uuid.uuid4().bytes
    server = NodeServer(config_of(tmp_path))
    server.start()
    with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        account = client.open_account()
        before = client.deposit(account, 9, key=key)
    server.stop()
    server = NodeServer(config_of(tmp_path))
    server.start()
    try:
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
            if body == "same":
                assert client.deposit(account, 9, key=key) == before
            else:
                assert refusal_of(lambda: client.deposit(account, 10, key=key)).name == "REQUEST_KEY_REUSED"
            assert client.account(account).free_atoms == 9
    finally:
        server.stop()
