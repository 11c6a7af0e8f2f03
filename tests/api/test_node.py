"""The node itself: health, reflection, limits, files, metrics, settings, driver mode."""

import json
import os
import stat
import subprocess
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from breakwater.v1 import commands_pb2, common_pb2, refusals_pb2
from node.client import Client
from node.config import ConfigError, Limits, NodeConfig, load_config
from node.genesis import genesis_batches
from node.guards.limits import CallLimits
from node.guards.refusals import Refused
from node.presets import default_venues, twilight_venue
from node.server import NodeServer
from node.services.registration import SERVICE_NAMES
from tests.api.conftest import TIMEOUT_S, config_of
from tests.api.refusing import Refusal, refusal_of

START_MS = 1_584_000_000_000


def reflected(address: str) -> list[str]:
    """Names of the services a node tells of, without a key."""
    with grpc.insecure_channel(address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answer = next(stub.ServerReflectionInfo(iter([request]), timeout=TIMEOUT_S))
    return [service.name for service in answer.list_services_response.service]


def test_health_needs_no_key(node: NodeServer) -> None:
    with grpc.insecure_channel(node.address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        for service in ("", *SERVICE_NAMES):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        watched = next(stub.Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S))
        assert watched.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            stub.Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=TIMEOUT_S)
        assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_who_is_forked_while_calls_are_made_becomes_its_program(node: NodeServer) -> None:
    over = threading.Event()

    def call() -> int:
        calls = 0
        while not over.is_set():
            with Client(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
                calls += bool(client.venues())
        return calls

    with ThreadPoolExecutor(2) as threads:
        callers = [threads.submit(call) for _ in range(2)]
        try:
            # As Ray starts its processes: something is done between fork and exec.
            ends = [subprocess.run(["true"], check=False, preexec_fn=os.getpid).returncode for _ in range(200)]
        finally:
            over.set()
        assert all(caller.result(TIMEOUT_S) for caller in callers)
    assert ends == [0] * 200


def test_a_host_that_stopped_is_not_healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = NodeServer(config_of(tmp_path))
    server.start()
    try:
        with grpc.insecure_channel(server.address) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
            assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
            monkeypatch.setattr(type(server.host), "stopped_because", property(lambda host: "an invariant broke"))
            assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
    finally:
        server.stop()


def test_dev_mode_tells_of_its_services(node: NodeServer) -> None:
    assert set(SERVICE_NAMES) <= set(reflected(node.address))


def test_reflection_is_off_outside_dev_mode(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, dev=False))
    server.start()
    try:
        with pytest.raises(grpc.RpcError) as caught:
            reflected(server.address)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert server.dev_keys == {}
    finally:
        server.stop()


def test_a_node_says_where_it_serves_while_it_does(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path))
    server.start()
    path = tmp_path / "node.json"
    assert json.loads(path.read_text()) == {"address": server.address, "pid": os.getpid()}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert server.address.startswith("127.0.0.1:")
    assert not server.wait(0.01)
    server.stop()
    server.stop()
    assert server.wait(0)
    assert not path.exists()


def test_a_port_is_not_shared(node: NodeServer, tmp_path: Path) -> None:
    port = int(node.address.rpartition(":")[2])
    with pytest.raises(RuntimeError):
        NodeServer(config_of(tmp_path, port=port)).start()


def test_venues_of_the_configuration_are_listed_once(tmp_path: Path) -> None:
    for _ in range(2):
        server = NodeServer(config_of(tmp_path))
        server.start()
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
            listed = [
                (
                    venue.name,
                    venue.version,
                    [(market.symbol, market.version) for market in client.list_markets(venue.venue)],
                )
                for venue in client.venues()
            ]
        server.stop()
        assert listed == [
            ("twilight", 1, [("BTC-PERP", 1)]),
            ("margin-trade", 1, [("BTC-PERP", 1), ("ETH-PERP", 1), ("SOL-PERP", 1)]),
            ("spin", 1, [("BTC-PERP", 1), ("NEAR-PERP", 1)]),
            ("perennial", 1, [("BTC-PERP", 1), ("ETH-PERP", 1)]),
        ]


def test_too_many_calls_in_a_second_are_refused(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, limits=Limits(calls_per_s=20)))
    server.start()
    try:
        with Client(server.address, server.dev_keys["trader"], TIMEOUT_S) as client:

            def call(_: int) -> str:
                try:
                    client.venues()
                except Exception as error:
                    return str(error)
                return "taken"

            answers: set[str] = set()
            deadline = time.monotonic() + TIMEOUT_S
            with ThreadPoolExecutor(4) as threads:
                while len(answers) < 2 and time.monotonic() < deadline:
                    answers.update(threads.map(call, range(100)))
            assert answers == {"taken", "RATE_LIMITED (calls_per_s): required 20, actual 21"}
        with Client(server.address, server.dev_keys["lp"], TIMEOUT_S) as client:
            assert client.venues()
    finally:
        server.stop()


def test_calls_and_streams_are_counted_by_key() -> None:
    limits = CallLimits(Limits(calls_in_flight_per_key=1, calls_in_flight=2, streams_per_key=1))
    with limits.call(1), limits.stream(1):
        for refused in (limits.call(1), limits.stream(1)):
            with pytest.raises(Refused) as caught, refused:
                pass
            assert caught.value.refusal == refusals_pb2.REFUSAL_RATE_LIMITED
            assert (caught.value.required, caught.value.actual) == (1, 2)
        with limits.call(2):
            assert (limits.in_flight, limits.streams) == (2, 1)
            with pytest.raises(Refused), limits.call(3):
                pass
    with limits.call(1), limits.stream(1):
        assert (limits.in_flight, limits.streams) == (1, 1)


def test_metrics_count_what_happens(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, metrics_port=0))
    server.start()
    try:
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
            account = client.open_account()
            client.deposit(account, 5)
            assert refusal_of(lambda: client.withdraw(account, 0)).name == "NOT_POSITIVE"
        with urllib.request.urlopen(f"http://{server.metrics_address}/metrics", timeout=TIMEOUT_S) as answer:
            text = answer.read().decode()
    finally:
        server.stop()
    assert 'breakwater_refusals_total{refusal="NOT_POSITIVE"} 1.0' in text
    assert 'breakwater_commands_total{status="accepted"} 2.0' in text
    for name in (
        "breakwater_height",
        "breakwater_validated_height",
        "breakwater_queued_batches",
        "breakwater_snapshot_age_blocks",
        "breakwater_journal_lag_seconds_count",
        "breakwater_block_interval_seconds_count",
        "breakwater_answer_seconds_count",
        "breakwater_door_calls_in_flight",
        "breakwater_serving 1.0",
    ):
        assert f"\n{name}" in text
    assert server.metrics_address.startswith("127.0.0.1:")


def test_settings_come_from_a_file_and_arguments(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("shards = 3\nport = 7000\n[limits]\nbatch_rows = 10\n")
    config = load_config(path, data_dir=tmp_path, port=7001, shards=None)
    assert (config.shards, config.port, config.limits.batch_rows, config.limits.seal_rows) == (3, 7001, 10, 1_000_000)
    assert config.venues == default_venues()


def test_a_file_says_which_books_there_are(tmp_path: Path) -> None:
    path = tmp_path / "node.toml"
    path.write_text("margin_trade = 'XRP BTC'\nspin = 'NEAR'\nperennial = ''\n")
    _, *others = load_config(path, data_dir=tmp_path).venues
    assert [(venue.name, [market.symbol for market in markets]) for venue, markets in others] == [
        ("margin-trade", ["XRP-PERP", "BTC-PERP"]),
        ("spin", ["NEAR-PERP"]),
    ]
    path.write_text("margin_trade = ''\nspin = ''\nperennial = ''\n")
    assert load_config(path, data_dir=tmp_path).venues == [twilight_venue()]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("speed = 3", "speed is no setting"),
        ("shards = 'two'", "shards must be int"),
        ("shards = -1", "shards must not be negative"),
        ("[limits]\nrows = 1", "limits.rows is no setting"),
        ("transport = 'pigeon'", "transport is one of inline, ray, lane, not 'pigeon'"),
        ("shards = ", "node.toml"),
        ("venues = 3", "venues is no setting"),
        ("margin_trade = 'BTC DOGE'", "not 'DOGE'"),
        ("margin_trade = 'BTC ETH BTC'", "not 'BTC'"),
        ("spin = 'DOGE'", "spin lists assets"),
        ("validate_rows_every = 0", "validate_rows_every is 0"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "node.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_config(path, data_dir=tmp_path)


def test_presets_are_asked_for_by_name(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text('data_dir = "x"\nrules = "seed"\noracle = "halting"\n')
    (venue, (market,)) = load_config(file).venues[0]
    assert (venue.twilight.limits_on, venue.twilight.price_shares_marked) == (False, False)
    assert (market.oracle.warn_age_ms, market.oracle.halt_age_ms) == (10_000, 30_000)  # TW-20
    (venue, (market,)) = load_config(None, data_dir=tmp_path).venues[0]
    assert (venue.twilight.limits_on, market.oracle.halt_age_ms) == (True, 0)
    for name in ("rules", "oracle"):
        file.write_text(f'data_dir = "x"\n{name} = "wild"\n')
        with pytest.raises(ConfigError, match=f"{name} is one of"):
            load_config(file)


def test_a_node_needs_a_directory() -> None:
    with pytest.raises(ConfigError, match="data_dir"):
        load_config(None)


def test_a_driver_seals_its_own_blocks(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, driver_mode=True))
    server.start()
    try:
        with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
            batches = genesis_batches([twilight_venue()], START_MS + 60_000)
            first = client.seal_block(START_MS, batches)
            assert [outcome.status[0] for outcome in first.outcomes] == [common_pb2.OUTCOME_STATUS_DONE] * 2
            again = client.seal_block(START_MS, batches)
            assert (again.repeated_batches, again.height) == (True, first.height)
            assert again.outcomes == first.outcomes
            opened = client.seal_block(START_MS + 5, [accounts_batch(4, START_MS)], root=True)
            assert list(opened.outcomes[0].reference) == [1, 2, 3, 4]
            assert opened.header.block_time_ms == START_MS + 5
            assert opened.header.state_root
            assert client.status().driver_mode
            assert client.account(4).exists
        with Client(server.address, server.dev_keys["admin"], TIMEOUT_S) as client:
            refusal = refusal_of(lambda: client.seal_block(START_MS + 9, [accounts_batch(1, START_MS)]))
            assert refusal == Refusal("NOT_ALLOWED", 0, 0, "open_accounts")
    finally:
        server.stop()


def accounts_batch(count: int, now_ms: int) -> commands_pb2.CommandBatch:
    return commands_pb2.CommandBatch(
        request_key=f"open {count}".encode(),
        expires_ms=now_ms + 60_000,
        venue=1,
        open_accounts=commands_pb2.OpenAccounts(count=count),
    )


def test_a_node_never_listens_to_the_world_by_default(tmp_path: Path) -> None:
    assert NodeConfig(data_dir=tmp_path).host == "127.0.0.1"
