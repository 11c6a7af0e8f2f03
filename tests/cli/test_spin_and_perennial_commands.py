"""Spin and Perennial venues from the command line: takeovers, subaccounts, positions at versions, what bots read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.client import Client
from node.server import NodeServer
from tests.api import spin_scene, versions_scene
from tests.api.conftest import TIMEOUT_S
from tests.api.margin_scene import USDC, settled
from tests.cli.running import breakwater, only_object

SPIN, PERENNIAL = spin_scene.VENUE, versions_scene.VENUE


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The directory of a node in dev mode with both venues."""
    server = NodeServer(versions_scene.config_of(tmp_path_factory.mktemp("node")))
    server.start()
    with Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        spin_scene.steady_mark(client)
    yield server.config.data_dir
    server.stop()


@pytest.fixture(scope="module")
def client(data: Path) -> Iterator[Client]:
    """For what a test needs before its commands."""
    from node.cli.connection import endpoint

    with Client(*endpoint(None, None, data), TIMEOUT_S) as client:
        yield client


def asked(data: Path, *words: object) -> dict[str, Any]:
    result = breakwater(*words, "--data", data, "--json")
    assert result.exit_code == 0, result.stderr
    return only_object(result)


def page(data: Path, *words: object) -> str:
    result = breakwater(*words, "--data", data)
    assert result.exit_code == 0, result.stderr
    return result.stdout


def refused(data: Path, *words: object) -> str:
    result = breakwater(*words, "--data", data)
    assert result.exit_code == 1, result.stdout
    return result.stderr


def test_a_takeover(data: Path, client: Client) -> None:
    long, short = spin_scene.pair(client, 12_000 * USDC)
    liquidator = spin_scene.funded(client)
    assert "NOT_LIQUIDATABLE: required 7000000000, actual" in refused(
        data, "liquidate", long, "--account", liquidator, "--size", "0.1"
    )
    assert "NOT_LIQUIDATABLE" in page(data, "quote-liquidation", "--account", long)
    spin_scene.move_mark(client, 940_000)
    (quote,) = asked(data, "quote-liquidation", "--account", long)["quotes"]
    assert (quote["liquidatable_lots"], quote["refusal"]) == (1_561, "UNSPECIFIED")
    listed = asked(data, "liquidatable", "--market", 1)
    assert (listed["total"], listed["accounts"][0]["account"]) == (1, long)
    assert "0.1561" in page(data, "liquidatable") and "1 liquidatable" in page(data, "liquidatable")
    taken = asked(data, "liquidate", long, "--account", liquidator, "--size", "0.1561")
    assert (taken["status"], taken["filled_lots"], taken["target"]) == ("LIQUIDATED", 1_561, long)
    settled(client, liquidator, taken["height"], SPIN)
    (won,) = asked(data, "liquidators", "--account", liquidator)["liquidators"]
    assert (won["liquidations"], won["reward_atoms"]) == (1, 220_101_000)
    assert "NOT_LIQUIDATABLE 1" in page(data, "liquidators")
    told = asked(data, "liquidations", "--account", long, "--venue", SPIN)
    assert "account_liquidated" in told["events"][-2] and told["insurance"]["fund_atoms"] == 146_734_000
    shown = page(data, "margin", "--account", liquidator, "--venue", SPIN)
    assert "BTC-PERP" in shown and "may open" in shown and "0.1561" in shown
    assert "no new exposure" in page(data, "margin", "--account", long, "--venue", SPIN)
    assert asked(data, "margin", "--account", short, "--venue", SPIN)["account"]["ratio"]["tier"] == 0
    spin_scene.move_mark(client, spin_scene.PRICE_TICKS)


def test_orders_of_a_spin_venue(data: Path, client: Client) -> None:
    account = spin_scene.funded(client)
    words = ("--account", account, "--venue", SPIN)
    placed = asked(data, "order", "buy", "0.5", *words, "--limit", "99000")
    assert placed["status"] == "RESTING"
    assert asked(data, "estimate", "buy", "0.1", *words, "--price", "99000")["refusal"] == "UNSPECIFIED"
    assert "99,000.0" in page(data, "book", "--venue", SPIN)
    assert "Open orders" in page(data, "margin", *words)
    asked(data, "amend", placed["order"], *words, "--size", "0.4")
    asked(data, "cancel", *words)
    assert "WRONG_RULEBOOK" in refused(data, "leverage", 5, *words)


def test_subaccounts_and_transfers(data: Path, client: Client) -> None:
    owner = spin_scene.funded(client)
    opened = asked(data, "subaccount", "--account", owner)
    assert (opened["owner"], opened["venue"]) == (owner, SPIN)
    moved = asked(data, "transfer", 5 * USDC, "--account", owner, "--to", opened["account"])
    settled(client, owner, moved["height"], SPIN)
    assert spin_scene.ratio(client, opened["account"]).cash_atoms == 5 * USDC
    assert str(opened["account"] + 1) in page(data, "subaccount", "--account", owner)
    stranger = spin_scene.funded(client)
    assert f"NOT_SAME_OWNER: required {owner}, actual {stranger}" in refused(
        data, "transfer", 5, "--account", owner, "--to", stranger
    )


def test_a_position_at_versions(data: Path, client: Client) -> None:
    versions_scene.settle_at(client, versions_scene.PRICE_TICKS)
    maker, long = versions_scene.funded(client), versions_scene.funded(client)
    asked(data, "position", "--account", maker, "--maker", "50", "--collateral", "50000")
    versions_scene.settle_at(client, versions_scene.PRICE_TICKS)
    pinned = asked(data, "position", "--account", long, "--long", "1", "--collateral", "250")
    assert (pinned["status"], pinned["version_ms"]) == ("PENDING", pinned["reference"])
    status = asked(data, "version", "--account", long)
    assert status["pending"][0]["long_lots"] == versions_scene.LOTS
    shown = page(data, "version", "--account", long)
    assert "ETH-PERP" in shown and "Pending" in shown and "1,000" in shown
    assert "Pending" in page(data, "margin", "--account", long, "--venue", PERENNIAL)
    versions_scene.settle_at(client, versions_scene.PRICE_TICKS)
    shown = page(data, "margin", "--account", long, "--venue", PERENNIAL)
    assert "long 1" in shown and "Pending" not in shown
    followed = asked(data, "version", "--follow", "--from-height", 1, "--count", 2)
    assert [one["version"]["valid"] for one in followed["versions"]] == [True, True]
    assert "price_ticks 1000000000" in page(data, "version", "--follow", "--from-height", 1, "--count", 1)
    assert "NOT_LIQUIDATABLE" in refused(data, "liquidate", long, "--account", maker, "--venue", PERENNIAL)
    versions_scene.settle_at(client, 930 * 10**6)
    closed = asked(data, "liquidate", long, "--account", maker, "--venue", PERENNIAL, "--reward", "10")
    assert (closed["status"], closed["amount_atoms"]) == ("PENDING", 10 * USDC)
    assert "LIQUIDATION_PENDING" in page(data, "quote-liquidation", "--account", long, "--venue", PERENNIAL)
    assert "POSITION_LOCKED" in refused(data, "position", "--account", long, "--long", "2")
    versions_scene.settle_at(client, 930 * 10**6)
    assert asked(data, "liquidations", "--venue", PERENNIAL)["insurance"] == {}
    assert "NOTHING_TO_REPAY: required 0, actual 7" in refused(data, "repay", 7, "--account", maker, "--debtor", long)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("position", "--account", 1), "give --maker, --long, --short, --collateral"),
        (("version", "--follow", "--json"), "needs --count or --seconds"),
    ],
)
def test_what_needs_more_words(data: Path, words: tuple[object, ...], sentence: str) -> None:
    result = breakwater(*words, "--data", data)
    assert result.exit_code == 2 and sentence in result.stderr
