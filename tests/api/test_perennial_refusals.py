"""What a Perennial venue refuses over a real channel, each with its own reason and numbers."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from breakwater.v1 import admin_pb2, commands_pb2, versions_pb2
from node.client import Client
from node.guards.key_file import KEYS_NAME, update_keys
from node.guards.roles import Role
from node.perennial_presets import perennial_market
from node.server import NodeServer
from tests.api.conftest import LIMITS, TIMEOUT_S, ClientOf
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import until_key_is
from tests.api.versions_scene import (
    FUNDS,
    LOTS,
    PRICE_TICKS,
    SLOT_MS,
    USDC,
    VENUE,
    config_of,
    funded,
    settle_at,
    versioned,
)

LOW_TICKS = 930 * 10**6
# A running node looks at its keys once a second.


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    limits = replace(LIMITS, standing_blocks=100)  # ten seconds of an idle node
    server = NodeServer(config_of(tmp_path_factory.mktemp("versions"), limits=limits))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def maker(dev: Client) -> int:
    """The only maker, with takers against it."""
    settle_at(dev, PRICE_TICKS)
    account, taker = funded(dev), funded(dev)
    dev.change_position(account, maker="5", collateral="50000")
    settle_at(dev, PRICE_TICKS)
    dev.change_position(taker, long="4", collateral="50000")
    settle_at(dev, PRICE_TICKS)
    return account


def change_rules(client: Client, **rules: object) -> None:
    """Changes parameters of the market."""
    (market,) = client.list_markets(VENUE)
    for name, value in rules.items():
        setattr(market.perennial, name, value)
    client.admin.ChangeParameters(admin_pb2.ChangeParametersRequest(market=market, expected_version=market.version))


def test_while_locked_everything_but_a_deposit_is_refused(dev: Client, maker: int) -> None:
    settle_at(dev, PRICE_TICKS)
    account, liquidator = funded(dev), funded(dev)
    dev.change_position(account, long="0.5", collateral="125")
    settle_at(dev, PRICE_TICKS)
    settle_at(dev, LOW_TICKS)
    (quote,) = dev.quote_liquidation(account, venue=VENUE).quotes
    # More than there is was asked for: under the newest logic that is paid as far as it goes.
    taken = dev.liquidate(liquidator, account, venue=VENUE, reward="50.000001")
    assert taken.amount_atoms == quote.reward_atoms == 50 * USDC
    locked_ms = taken.reference
    calls: dict[str, Callable[[], object]] = {
        "POSITION_LOCKED": lambda: dev.change_position(account, long="0"),
        "LIQUIDATION_PENDING": lambda: dev.liquidate(liquidator, account, venue=VENUE),
        "COLLATERAL_LOCKED": lambda: dev.change_position(account, collateral="-1"),
    }
    for name, call in calls.items():
        refusal = refusal_of(call)
        # The version moves on where no price came in time for it.
        assert (
            refusal.name == name and refusal.required >= locked_ms and refusal.required - refusal.actual < 9 * SLOT_MS
        )
    dev.change_position(account, collateral="5")
    settle_at(dev, LOW_TICKS)
    assert versioned(dev, account).lots == 0
    dev.change_position(account, collateral="all")


def test_sizes_and_requirement(dev: Client, maker: int) -> None:
    settle_at(dev, PRICE_TICKS)
    account = funded(dev)
    assert refusal_of(lambda: dev.change_position(account, maker="1", long="1", collateral="1000")) == Refusal(
        "NOT_SINGLE_SIDED", 1, 2, ""
    )
    below = refusal_of(lambda: dev.change_position(account, short="1", collateral="200"))
    assert (below.name, below.required) == ("BELOW_REQUIREMENT", 200 * USDC) and below.actual < 200 * USDC
    efficiency = refusal_of(lambda: dev.change_position(account, long="10", collateral="50000"))
    assert (efficiency.name, efficiency.required) == ("EFFICIENCY_LIMIT", 500_000) and efficiency.actual < 500_000
    limit = refusal_of(lambda: dev.change_position(account, maker="1000000", collateral="50000"))
    assert limit.name == "MAKER_LIMIT" and limit.actual == 1_000_005 * LOTS
    poor = refusal_of(lambda: dev.change_position(account, collateral="100001"))
    assert poor == Refusal("INSUFFICIENT_BALANCE", FUNDS + USDC, FUNDS, "")
    change_rules(dev, taker_close_always=False)
    assert refusal_of(lambda: dev.change_position(maker, maker="0")) == Refusal("EFFICIENCY_LIMIT", 500_000, 0, "")
    change_rules(dev, efficiency_limit_ppm=200_000)
    alone = refusal_of(lambda: dev.change_position(account, long="1.5", collateral="50000"))
    assert alone == Refusal("MARKET_SOCIALISED", 5_500_000, 5_000_000, "")
    change_rules(dev, taker_close_always=True, efficiency_limit_ppm=500_000)


def test_debts(dev: Client, maker: int) -> None:
    account = funded(dev)
    assert refusal_of(lambda: dev.repay_shortfall(account, maker, 5)) == Refusal("NOTHING_TO_REPAY", 0, 5, "")
    assert refusal_of(lambda: dev.repay_shortfall(account, maker, 0)) == Refusal("NOT_POSITIVE", 1, 0, "amount_atoms")
    unknown = refusal_of(lambda: dev.repay_shortfall(account, 1 << 40, 5))
    assert (unknown.name, unknown.actual) == ("UNKNOWN_ACCOUNT", 1 << 40)


def test_an_old_version_and_a_closed_market(dev: Client, maker: int) -> None:
    settle_at(dev, PRICE_TICKS)
    account = funded(dev)
    change_rules(dev, stale_after_ms=1)
    stale = refusal_of(lambda: dev.change_position(account, long="0.1", collateral="100"))
    assert (stale.name, stale.required) == ("STALE_VERSION", 1) and stale.actual >= SLOT_MS
    (quote,) = dev.quote_liquidation(maker, venue=VENUE).quotes
    assert (quote.liquidatable_lots, quote.required) == (0, 1) and quote.actual >= SLOT_MS
    change_rules(dev, stale_after_ms=3_600_000, closed=True)
    settle_at(dev, PRICE_TICKS)
    closed = refusal_of(lambda: dev.change_position(account, long="0.1", collateral="100"))
    assert closed == Refusal("MARKET_CLOSED", 0, LOTS // 10, "")
    change_rules(dev, closed=False)


def test_a_market_with_its_floor_above_its_cap_is_not_listed(dev: Client) -> None:
    market = perennial_market(2, "BTC")
    market.perennial.max_liquidation_fee_atoms = market.perennial.min_liquidation_fee_atoms - 1
    refusal = refusal_of(lambda: dev.admin.CreateMarket(admin_pb2.CreateMarketRequest(parameters=market)))
    cap = market.perennial.max_liquidation_fee_atoms
    assert refusal == Refusal("FEE_FLOOR_ABOVE_CAP", cap, cap + 1, "")


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"maker": "ten"}, Refusal("MALFORMED", 0, 0, "maker")),
        ({"long": "-1"}, Refusal("NOT_POSITIVE", 1, -LOTS, "long")),
        ({"short": "0.0000001"}, Refusal("OFF_LOT", 1_000, 100, "short")),
        ({"maker": "9999999"}, Refusal("OVERFLOW", 1 << 40, 9_999_999 * LOTS, "maker")),
        ({"collateral": "0.0000001"}, Refusal("MALFORMED", 0, 0, "collateral")),
        ({"collateral": "-2000000000000"}, Refusal("OVERFLOW", 1 << 60, -2_000_000_000_000 * USDC, "collateral")),
        ({"venue": 1}, Refusal("WRONG_RULEBOOK", 3, 1, "venue")),
        ({"market": 9}, Refusal("UNKNOWN_MARKET", 1, 9, "market")),
    ],
)
def test_words_and_numbers_of_a_change(dev: Client, fields: dict[str, object], refusal: Refusal) -> None:
    words = {"venue": VENUE, "market": 1, "account": 1, **fields}
    request = versions_pb2.ChangePositionRequest(**words)
    assert refusal_of(lambda: dev.versions.ChangePosition(request)) == refusal


def test_words_and_numbers_of_a_liquidation(dev: Client, maker: int) -> None:
    account = funded(dev)
    liquidate = dev.liquidate
    assert refusal_of(lambda: liquidate(account, maker, "1", venue=VENUE)) == Refusal("MALFORMED", 0, 0, "size")
    negative = refusal_of(lambda: liquidate(account, maker, venue=VENUE, reward="-1"))
    assert negative == Refusal("NOT_POSITIVE", 0, -USDC, "reward")
    assert refusal_of(lambda: liquidate(account, maker, "1", venue=1)) == Refusal("WRONG_RULEBOOK", 3, 1, "venue")
    assert refusal_of(lambda: liquidate(account, 1 << 40, venue=VENUE)).name == "UNKNOWN_ACCOUNT"
    assert refusal_of(lambda: dev.quote_liquidation(1 << 40, venue=VENUE)).name == "UNKNOWN_ACCOUNT"
    assert refusal_of(lambda: dev.liquidatable(limit=1_001, venue=VENUE)) == Refusal(
        "MESSAGE_TOO_LARGE", 1_000, 1_001, "limit"
    )
    for read in (dev.standings, dev.liquidatable, dev.liquidators):
        assert refusal_of(lambda read=read: read(venue=1)) == Refusal("WRONG_RULEBOOK", 3, 1, "venue")
    assert refusal_of(lambda: next(iter(dev.stream_standings(venue=2)))).name == "WRONG_RULEBOOK"
    assert refusal_of(lambda: dev.open_subaccount(account, VENUE)) == Refusal("WRONG_RULEBOOK", 4, 3, "venue")
    assert refusal_of(lambda: dev.insurance(VENUE)).name == "WRONG_RULEBOOK"
    assert refusal_of(lambda: dev.place_order(account, "long", "1", venue=VENUE)).name == "WRONG_RULEBOOK"


def test_standings_older_than_the_node_keeps_are_not_found(node: NodeServer, dev: Client) -> None:
    deadline = time.monotonic() + 60
    while (oldest := node._standings.oldest) <= 1 and time.monotonic() < deadline:
        time.sleep(0.1)
    refusal = refusal_of(lambda: next(iter(dev.stream_standings(1, VENUE))))
    assert (refusal.name, refusal.actual, refusal.field) == ("NOT_FOUND", 1, "from_height")
    assert refusal.required >= oldest > 1
    assert next(iter(dev.stream_standings(dev.standings(VENUE).height, VENUE))).height


def test_only_for_accounts_and_roles_of_the_key(node: NodeServer, client_of: ClientOf, dev: Client) -> None:
    mine, other = funded(dev), funded(dev)
    denied = Refusal("NOT_ALLOWED", 0, 0, "account")
    texts: dict[str, str] = {}

    def add(table: object) -> None:
        texts["both"] = table.add("both", frozenset({Role.TRADER, Role.LIQUIDATOR}), False)
        table.by_name("both").accounts.add(VENUE, mine, mine)

    update_keys(node.config.data_dir / KEYS_NAME, add)
    with Client(node.address, texts["both"], TIMEOUT_S) as own:
        until_key_is(True, own)
        own.change_position(mine, collateral="1")
        assert refusal_of(lambda: own.change_position(other, collateral="1")) == denied
        assert refusal_of(lambda: own.liquidate(other, mine, venue=VENUE)) == denied
        assert refusal_of(lambda: own.repay_shortfall(other, mine, 1)) == denied
        assert refusal_of(lambda: own.version_status(accounts=[other])) == denied
        # Whom it liquidates and whose debt it pays may be anybody.
        assert refusal_of(lambda: own.liquidate(mine, other, venue=VENUE)).name == "NOT_LIQUIDATABLE"
        assert refusal_of(lambda: own.repay_shortfall(mine, other, 1)).name == "NOTHING_TO_REPAY"
        batch = commands_pb2.CommandBatch(venue=VENUE)
        rows = batch.change_positions
        for column, value in ((rows.account, other), (rows.market, 1), (rows.collateral_atoms, 1)):
            column.append(value)
        for column in (rows.maker_lots, rows.long_lots, rows.short_lots):
            column.append(-1)
        assert refusal_of(lambda: own.submit_batch(batch)) == denied
    trader = client_of("trader")
    assert refusal_of(lambda: trader.liquidate(mine, other, venue=VENUE)) == Refusal("NOT_ALLOWED", 0, 0, "role")
    assert refusal_of(lambda: trader.standings(VENUE)) == Refusal("NOT_ALLOWED", 0, 0, "role")
    assert client_of("auditor").standings(VENUE).height
