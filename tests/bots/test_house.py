"""The house bot: it opens and funds its own account, wins like anybody, survives its death, and says what it misses."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from prometheus_client import generate_latest
from prometheus_client.registry import CollectorRegistry

from node.bots.house_child import HouseBot
from node.bots.house_orders import HouseOrders, accounts_of, loopback
from node.client import Client
from node.server import NodeServer
from tests.api import spin_scene
from tests.api.conftest import config_of
from tests.api.margin_scene import USDC
from tests.waiting import wait

PATIENCE_S = 60.0
SPIN, PERENNIAL = "3", "4"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(config_of(tmp_path_factory.mktemp("house")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dev(node: NodeServer) -> Iterator[Client]:
    client = Client(node.address, node.dev_keys["dev"], PATIENCE_S)
    yield client
    client.close()


def orders_of(node: NodeServer, **changes: object) -> HouseOrders:
    """As `up --dev` gives them."""
    return HouseOrders(
        **{
            "address": node.address,
            "api_key": node.dev_keys["dev"],
            "data_dir": str(node.config.data_dir),
            "dev": True,
            **changes,
        }
    )


def is_working(house: HouseBot) -> bool:
    """On both venues."""
    return [facts["working"] for _, facts in sorted(house.status.items())] == [True, True]


def test_it_opens_its_account_wins_shows_metrics_and_is_started_again_when_it_dies(
    node: NodeServer, dev: Client
) -> None:
    registry = CollectorRegistry()
    house = HouseBot(orders_of(node), registry)
    house.start()
    try:
        wait(lambda: is_working(house))
        path = Path(node.config.data_dir) / "house_bot.json"
        accounts = orjson.loads(path.read_bytes())
        assert set(accounts) == {SPIN, PERENNIAL}
        assert path.stat().st_mode & 0o077 == 0
        assert spin_scene.ratio(dev, accounts[SPIN]).cash_atoms == 1_000_000 * USDC
        spin_scene.steady_mark(dev)
        thin = spin_scene.pair(dev, 12_000 * USDC)
        spin_scene.move_mark(dev, 940_000)
        wait(lambda: house.status.get(SPIN, {}).get("wins") == 1)
        wait(lambda: spin_scene.ratio(dev, thin.long).tier == 1)
        text = generate_latest(registry).decode()
        assert 'breakwater_house_bot_wins_total{venue="3"} 1.0' in text
        assert "breakwater_house_bot_alive 1.0" in text
        first = house.pid
        os.kill(first, signal.SIGKILL)
        wait(lambda: house.pid != first and is_working(house))
        # The account of before, not a second one.
        assert (house.restarts, orjson.loads(path.read_bytes())) == (1, accounts)
    finally:
        house.stop()
    assert not house.alive
    assert "breakwater_house_bot_alive 0.0" in generate_latest(registry).decode()


def test_without_dev_mode_it_says_which_account_is_missing_and_goes_on_where_it_has_one(
    node: NodeServer, dev: Client
) -> None:
    account = dev.open_account(int(PERENNIAL))
    house = HouseBot(orders_of(node, dev=False, accounts={PERENNIAL: account}), CollectorRegistry())
    house.start()
    try:
        wait(lambda: house.status.get(PERENNIAL, {}).get("working") and house.status.get(SPIN, {}).get("reason"))
        reason = house.status[SPIN]["reason"]
        assert "BREAKWATER_HOUSE_BOT_KEY" in reason and "--house-bot-account 3=ACCOUNT" in reason
        assert not house.status[SPIN]["working"]
    finally:
        house.stop()


def test_it_ends_with_its_parent(node: NodeServer) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "node.bots.house"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=_environment()
    )
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write(orders_of(node).line())
    child.stdin.flush()
    assert child.stdout.readline()
    child.stdin.close()
    assert child.wait(PATIENCE_S) == 0
    child.stdout.close()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


@pytest.mark.slow
def test_up_says_whether_its_house_bot_works(tmp_path: Path) -> None:
    said = {}
    for words in (["--dev"], ["--dev", "--no-house-bot"], ["--dev", "--driver"], []):
        data = tmp_path / "".join(words).replace("-", "")
        command = [sys.executable, "-m", "node.cli", "up", "--json", "--transport", "inline", "--data", str(data)]
        child = subprocess.Popen([*command, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_environment())
        assert child.stdout is not None
        said[" ".join(words)] = orjson.loads(child.stdout.readline())["house_bot"]
        child.terminate()
        child.communicate(timeout=PATIENCE_S)
        assert child.returncode == 0
    assert said[""].startswith("off: BREAKWATER_HOUSE_BOT_KEY")
    assert said == {
        "--dev": "on",
        "--dev --no-house-bot": "off",
        "--dev --driver": said["--dev --driver"],
        "": said[""],
    }
    assert said["--dev --driver"].startswith("off: a driver")


def test_accounts_are_named_once_a_venue() -> None:
    assert accounts_of(["3=17", "4=5"]) == {"3": 17, "4": 5}
    for words in (["3"], ["3=0"], ["3=a"], ["=4"], ["3=1", "3=2"]):
        with pytest.raises(ValueError, match="VENUE=ACCOUNT"):
            accounts_of(words)


def test_a_node_on_all_addresses_is_reached_over_loopback() -> None:
    assert loopback("0.0.0.0:7000") == "127.0.0.1:7000"
    assert loopback("[::]:7000") == "[::1]:7000"
    assert loopback("127.0.0.1:7000") == "127.0.0.1:7000"
