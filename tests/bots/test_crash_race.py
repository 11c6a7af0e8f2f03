"""Five bots race through a fall of a fifth: what SP-06 to SP-09 promise holds for every takeover and for the end."""

from collections.abc import Iterator

import pytest

from actors.rulebooks import spin
from breakwater.v1 import events_pb2
from cluster.audit import audit
from node.bots.making import BotSettings
from node.bots.spin_mind import SpinSettings
from node.client import Client
from node.server import NodeServer
from node.spin_presets import COLLATERAL_RATIO_E9, QUOTE_ATOMS_PER_TICK_LOT
from tests.api import spin_scene
from tests.api.conftest import config_of
from tests.api.margin_scene import USDC
from tests.api.spin_scene import PRICE_TICKS, VENUE
from tests.bots.racing import PATIENCE_S, Racers
from tests.waiting import wait

pytestmark = pytest.mark.slow

BOTS, THIN = 5, 24
# Whom a fall of 20,000 leaves with less than 70% of the 8,000 of collateral that one unit needs at 80,000.
DOOMED = 21
# Enough for one bot to win everything and keep it to the bottom: who wins is the machine's.
BOT_ATOMS = 1_000_000 * USDC
PENALTY_E9 = 25_000_000
FUND_ATOMS = 30_000 * USDC


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    directory = tmp_path_factory.mktemp("crash")
    server = NodeServer(config_of(directory))
    server.start()
    yield server
    server.stop()
    # Races have no root to compare with: the journal must say the same again, every invariant kept.
    report = audit(directory)
    assert (report.ok, report.violations) == (True, [])


@pytest.fixture
def dev(node: NodeServer) -> Iterator[Client]:
    client = Client(node.address, node.dev_keys["dev"], PATIENCE_S)
    yield client
    client.close()


def test_five_bots_race_through_a_crash(node: NodeServer, dev: Client) -> None:
    spin_scene.steady_mark(dev)
    dev.deposit_insurance(FUND_ATOMS, VENUE)
    thin = [spin_scene.pair(dev, (11_000 + 700 * number) * USDC).long for number in range(THIN)]
    bots = [spin_scene.funded(dev, BOT_ATOMS) for _ in range(BOTS)]
    settings = BotSettings(SpinSettings(unwind=False))
    with Racers(node, VENUE, bots, settings) as racers:
        for ticks in range(PRICE_TICKS, PRICE_TICKS * 8 // 10 - 1, -20_000):
            spin_scene.move_mark(dev, ticks)
        wait(lambda: not dev.liquidatable().total)
        wait(lambda: not any(session.calls for session in racers.sessions))
    tallies = [session.tally for session in racers.sessions]
    assert sum(sum(tally.refusals.values()) for tally in tallies) > 0, "nobody raced anybody"
    events = list(dev.list_liquidations(venue=VENUE))
    done = [event for event in events if event.WhichOneof("body") == "account_liquidated"]
    assert len(done) == sum(tally.wins for tally in tallies)
    assert {event.account for event in done} >= set(thin[:DOOMED])
    for event in done:
        _took_what_the_calculator_allows(event.account_liquidated)
    for event in events:
        if event.WhichOneof("body") == "takeover_reserved":
            # Told rounded against the liquidator, so above 1 shows as no less (SP-07).
            assert event.takeover_reserved.equity_atoms >= event.takeover_reserved.collateral_atoms
    _all_end_well(dev, thin, bots)
    _liquidators_have_their_rewards_and_no_more(dev, bots, events)
    moved = [event.insurance_moved for event in events if event.WhichOneof("body") == "insurance_moved"]
    assert dev.insurance(VENUE).fund_atoms == sum(one.amount_atoms for one in moved)


def _took_what_the_calculator_allows(done: events_pb2.AccountLiquidated) -> None:
    """At most the calculator's: a step (a lot) less would have left the account below 0.7 (SP-06)."""
    size = abs(done.lots) + done.remaining_lots
    lot_atoms = done.mark.mark_ticks * QUOTE_ATOMS_PER_TICK_LOT
    collateral_e9 = size * lot_atoms * COLLATERAL_RATIO_E9
    assert 0 < abs(done.lots) <= done.liquidatable_lots <= size
    assert done.tier == spin.tier_of(done.equity_atoms, collateral_e9)
    if done.tier == spin.Tier.COMPLETE:
        assert done.liquidatable_lots == size
        return
    left = done.liquidatable_lots - 1
    paid = -(-left * lot_atoms * PENALTY_E9 // 10**9)
    left_e9 = collateral_e9 - left * lot_atoms * COLLATERAL_RATIO_E9
    assert not spin.reaches(done.equity_atoms - paid - 1, left_e9, spin.TARGET_TENTHS)


def _all_end_well(dev: Client, thin: list[int], bots: list[int]) -> None:
    for account in thin:
        view = spin_scene.ratio(dev, account)
        assert view.ratio_without_orders_e9 >= 700_000_000 if view.positions else view.cash_atoms >= 0
    for bot in bots:
        assert spin_scene.ratio(dev, bot).ratio_e9 > 10**9


def _liquidators_have_their_rewards_and_no_more(dev: Client, bots: list[int], events: list[events_pb2.Event]) -> None:
    """Every takeover pays once: cash is what was deposited, the rewards, and what the fund added (SP-08, SP-09)."""
    earned = dict.fromkeys(bots, 0)
    for event in events:
        body = event.WhichOneof("body")
        if body == "account_liquidated":
            earned[event.account_liquidated.liquidator] += event.account_liquidated.reward_atoms
        elif body == "liquidator_paid":
            earned[event.account] += event.liquidator_paid.fund_atoms
    for bot, atoms in earned.items():
        assert spin_scene.ratio(dev, bot).cash_atoms == BOT_ATOMS + atoms
