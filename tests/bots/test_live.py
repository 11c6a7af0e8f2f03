"""Bots that race on a real node: one wins, the others are told so, nobody is taken below what the rules say."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.bots.making import BotSettings
from node.bots.spin_mind import SpinSettings
from node.client import Client
from node.server import NodeServer
from tests.api import spin_scene, versions_scene
from tests.api.conftest import config_of
from tests.api.margin_scene import USDC
from tests.bots.racing import PATIENCE_S, Racers
from tests.cli.running import breakwater, only_object
from tests.waiting import wait

PARTIAL_TICKS, COMPLETE_TICKS = 940_000, 900_000
THIN = 12_000 * USDC


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(versions_scene.config_of(tmp_path_factory.mktemp("race")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def dev(node: NodeServer) -> Iterator[Client]:
    client = Client(node.address, node.dev_keys["dev"], PATIENCE_S)
    yield client
    client.close()


def test_two_liquidators_race_and_every_account_ends_at_seven_tenths_or_closed(node: NodeServer, dev: Client) -> None:
    spin_scene.steady_mark(dev)
    thin = [spin_scene.pair(dev, THIN).long for _ in range(4)]
    bots = [spin_scene.funded(dev) for _ in range(2)]
    settings = BotSettings(SpinSettings(unwind=False))
    with Racers(node, spin_scene.VENUE, bots, settings) as racers:
        spin_scene.move_mark(dev, PARTIAL_TICKS)
        wait(lambda: not dev.liquidatable().total)
        wait(lambda: not any(session.calls for session in racers.sessions))
        spin_scene.move_mark(dev, COMPLETE_TICKS)
        wait(lambda: not dev.liquidatable().total)
        wait(lambda: not any(session.calls for session in racers.sessions))
    for account in thin:
        view = spin_scene.ratio(dev, account)
        assert not view.positions or view.ratio_without_orders_e9 >= 700_000_000
    won = [event for bot in bots for event in dev.list_liquidations(bot, venue=spin_scene.VENUE)]
    done = [event.account_liquidated for event in won if event.WhichOneof("body") == "account_liquidated"]
    tallies = [session.tally for session in racers.sessions]
    assert len(done) == sum(tally.wins for tally in tallies) >= 8
    assert sum(one.reward_atoms for one in done) == sum(tally.rewards_atoms for tally in tallies)
    for tally in tallies:
        assert tally.calls == tally.wins + sum(tally.refusals.values())
        assert tally.calls and 0 < tally.percentile_ms(50) <= tally.percentile_ms(99)
    for bot in bots:
        assert spin_scene.ratio(dev, bot).ratio_e9 > 10**9


def test_what_was_taken_over_is_sold_again(node: NodeServer, dev: Client) -> None:
    spin_scene.steady_mark(dev)
    thin, buyer, bot = spin_scene.pair(dev, THIN).long, spin_scene.funded(dev), spin_scene.funded(dev)
    with Racers(node, spin_scene.VENUE, [bot], BotSettings()) as racers:
        dev.place_order(buyer, "long", "2", "93900", venue=spin_scene.VENUE)
        spin_scene.move_mark(dev, PARTIAL_TICKS)
        wait(lambda: racers.sessions[0].tally.unwound_lots > 0)
        wait(lambda: not spin_scene.ratio(dev, bot).positions)
        wait(lambda: not racers.sessions[0].calls)
    tally = racers.sessions[0].tally
    assert tally.unwound_lots == tally.taken_lots == spin_scene.LOTS - spin_scene.ratio(dev, thin).positions[0].lots
    dev.cancel_orders(buyer, venue=spin_scene.VENUE)


def test_the_command_works_off_what_there_is_and_says_what_it_won(node: NodeServer, dev: Client) -> None:
    spin_scene.steady_mark(dev)
    thin, bot = spin_scene.pair(dev, THIN).long, spin_scene.funded(dev)
    spin_scene.move_mark(dev, PARTIAL_TICKS)
    words = ["--address", node.address, "--api-key", node.dev_keys["dev"], "--account", bot, "--once"]
    facts = only_object(breakwater("bot", *words, "--no-unwind", "--json"))
    assert (facts["wins"], facts["refusals"], facts["account"]) == (1, {}, bot)
    assert facts["rewards_atoms"] > 0
    assert spin_scene.ratio(dev, thin).tier == 1
    page = breakwater("bot", *words, "--metrics-port", 0)
    assert page.exit_code == 0, page.stderr
    assert "wins" in page.stdout and "metrics on http" in page.stderr
    refused = breakwater("bot", *words, "--venue", 1, "--json")
    assert (refused.exit_code, "twilight" in only_object(refused)["error"]) == (2, True)


def test_two_keepers_race_and_one_closes_the_position_for_the_reward(node: NodeServer, dev: Client) -> None:
    venue = versions_scene.VENUE
    versions_scene.settle_at(dev, versions_scene.PRICE_TICKS)
    maker, long = versions_scene.funded(dev), versions_scene.funded(dev)
    dev.change_position(maker, maker="50", collateral="50000")
    versions_scene.settle_at(dev, versions_scene.PRICE_TICKS)
    dev.change_position(long, long="1", collateral="250")
    versions_scene.settle_at(dev, versions_scene.PRICE_TICKS)
    keepers = [dev.open_account(venue) for _ in range(2)]
    with Racers(node, venue, keepers, BotSettings()) as racers:
        versions_scene.settle_at(dev, 930 * 10**6)
        wait(lambda: any(session.tally.wins for session in racers.sessions))
        versions_scene.settle_at(dev, 930 * 10**6)
        wait(lambda: not versions_scene.versioned(dev, long).lots)
    tallies = [session.tally for session in racers.sessions]
    assert sum(tally.wins for tally in tallies) == 1
    rewards = sum(tally.rewards_atoms for tally in tallies)
    assert rewards == sum(dev.account(keeper, venue).free_atoms for keeper in keepers) > 0
    assert {name for tally in tallies for name in tally.refusals} <= {"LIQUIDATION_PENDING", "NOT_LIQUIDATABLE"}


def test_a_bot_outlives_its_node(tmp_path: Path) -> None:
    first = NodeServer(config_of(tmp_path))
    first.start()
    port = int(first.address.rpartition(":")[2])
    client = Client(first.address, first.dev_keys["dev"], PATIENCE_S)
    spin_scene.steady_mark(client)
    spin_scene.pair(client, THIN)
    bot = spin_scene.funded(client)
    with Racers(first, spin_scene.VENUE, [bot], BotSettings(SpinSettings(unwind=False))) as racers:
        (session,) = racers.sessions
        first.stop()
        second = NodeServer(config_of(tmp_path, port=port))
        second.start()
        try:
            spin_scene.move_mark(client, PARTIAL_TICKS)
            wait(lambda: session.tally.wins == 1)
        finally:
            client.close()
            racers.stop()
            second.stop()
    assert session.tally.reconnects >= 1
    assert session.tally.relists >= 2
