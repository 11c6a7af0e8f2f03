"""A Perennial venue over a real channel: positions at versions, quotes, a liquidation, standings, histories."""

import asyncio
from collections.abc import Iterator
from itertools import islice

import pytest

from breakwater.v1 import common_pb2, events_pb2
from node.client import AsyncClient, Client
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S
from tests.api.margin_scene import settled
from tests.api.refusing import Refusal, refusal_of
from tests.api.versions_scene import (
    FUNDS,
    LOTS,
    PRICE_TICKS,
    USDC,
    VENUE,
    config_of,
    funded,
    next_version,
    settle_at,
    versioned,
)

LOW_TICKS = 930 * 10**6
PENDING = common_pb2.OUTCOME_STATUS_PENDING


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(config_of(tmp_path_factory.mktemp("versions")))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def maker(dev: Client) -> int:
    """Who stands against every taker of this module."""
    settle_at(dev, PRICE_TICKS)
    account = funded(dev)
    dev.change_position(account, maker="50", collateral="50000")
    settle_at(dev, PRICE_TICKS)
    return account


@pytest.fixture
def long(dev: Client, maker: int) -> int:
    """A long of one unit with hardly more than it needs."""
    settle_at(dev, PRICE_TICKS)
    account = funded(dev)
    assert dev.change_position(account, long="1", collateral="250").status == PENDING
    settle_at(dev, PRICE_TICKS)
    return account


def test_a_change_waits_for_its_version(dev: Client, maker: int) -> None:
    settle_at(dev, PRICE_TICKS)
    account = funded(dev)
    moved = dev.change_position(account, collateral="100.5")
    assert (moved.status, moved.reference) == (common_pb2.OUTCOME_STATUS_DONE, 0)
    pinned = dev.change_position(account, long="0.25", collateral="1")
    view = versioned(dev, account)
    (order,) = view.pending
    assert pinned.status == PENDING and order.version_ms == pinned.reference
    assert (order.long_lots, order.fee_atoms + order.settlement_fee_atoms) == (LOTS // 4, pinned.amount_atoms)
    assert (view.lots, view.collateral_atoms) == (0, 101_500_000)
    assert dev.account(account, VENUE).free_atoms == FUNDS - 101_500_000
    settle_at(dev, PRICE_TICKS)
    view = versioned(dev, account)
    assert (view.kind, view.lots, list(view.pending)) == (events_pb2.POSITION_KIND_LONG, LOTS // 4, [])
    assert view.collateral_atoms == 101_500_000 - pinned.amount_atoms
    dev.change_position(account, long="0")
    settle_at(dev, PRICE_TICKS)
    assert dev.change_position(account, collateral="all").status == common_pb2.OUTCOME_STATUS_DONE
    assert dev.margin(account, VENUE).height
    statement = dev.statement(account, venue=VENUE)
    assert FUNDS + statement.transferred_atoms == dev.account(account, VENUE).free_atoms
    assert statement.change_atoms == statement.deposited_atoms + statement.transferred_atoms
    assert statement.fee_atoms > 0


def test_a_market_shows_its_version_and_what_waits_for_the_next(dev: Client, maker: int) -> None:
    record = settle_at(dev, PRICE_TICKS)
    height = dev.margin(maker, VENUE).height
    account = funded(dev)
    outcome = dev.change_position(account, short="0.1", collateral="100")
    view = dev.version_status(accounts=[account, maker])
    assert list(view.requested_ms) == [outcome.reference] and [one.account for one in view.pending] == [account]
    assert view.pending_short_lots - view.sums.short_lots == LOTS // 10
    assert view.record.version_ms >= record.version_ms
    assert list(dev.version_status().pending) == []
    settle_at(dev, PRICE_TICKS)
    found = next_version(dev, height)
    assert (found.version.valid, found.version.price_ticks, found.market) == (True, PRICE_TICKS, 1)


def test_a_quote_says_what_the_node_then_does(dev: Client, long: int) -> None:
    (healthy,) = dev.quote_liquidation(long, venue=VENUE).quotes
    liquidator = funded(dev)
    refused = refusal_of(lambda: dev.liquidate(liquidator, long, venue=VENUE))
    assert refused == Refusal("NOT_LIQUIDATABLE", healthy.required, healthy.actual, "")
    assert (healthy.liquidatable_lots, healthy.reward_atoms) == (0, 0)
    settle_at(dev, LOW_TICKS)
    (quote,) = dev.quote_liquidation(long, venue=VENUE).quotes
    assert (quote.lots, quote.liquidatable_lots, quote.refusal) == (LOTS, LOTS, 0)
    assert quote.equity_atoms < quote.required_atoms == 186 * USDC
    # 20% of the requirement is less than the floor (PE-09).
    assert quote.reward_atoms == 50 * USDC
    (listed,) = dev.liquidatable(venue=VENUE).accounts
    (told,) = listed.quotes
    assert told.next_version_ms >= quote.next_version_ms
    told.next_version_ms = quote.next_version_ms
    assert (listed.account, told) == (long, quote)
    height = dev.standings(VENUE).height
    outcome = dev.liquidate(liquidator, long, venue=VENUE)
    assert (outcome.status, outcome.amount_atoms) == (PENDING, quote.reward_atoms)
    assert dev.margin(liquidator, VENUE).height >= outcome.height
    settled(dev, liquidator, outcome.height, VENUE)
    (locked,) = dev.quote_liquidation(long, venue=VENUE).quotes
    assert locked.locked_version_ms == outcome.reference == versioned(dev, long).locked_version_ms
    assert locked.refusal and not dev.liquidatable(venue=VENUE).total
    settle_at(dev, LOW_TICKS)
    assert versioned(dev, long).lots == 0
    assert dev.account(liquidator, VENUE).free_atoms == FUNDS + outcome.amount_atoms
    rows = _told(dev, height, outcome.height + 1)
    assert rows[long, 1, -1][1] == outcome.reference
    assert rows[long, 1, events_pb2.POSITION_KIND_LONG][0] < quote.equity_atoms
    assert rows[liquidator, 0, 0][0] == FUNDS + outcome.amount_atoms
    _history_of(dev, long, liquidator, outcome.amount_atoms)


def _told(client: Client, height: int, last: int) -> dict[tuple[int, int, int], tuple[int, int]]:
    """Cost and basis by (account, market, kind) as the stream told them after a listing, up to a height."""
    found: dict[tuple[int, int, int], tuple[int, int]] = {}
    for block in islice(client.stream_standings(height + 1, VENUE), last - height):
        rows = block.rows
        keys = zip(rows.account, rows.market, rows.kind, strict=True)
        found.update(dict(zip(keys, zip(rows.cost_atoms, rows.basis, strict=True), strict=True)))
    return found


def _history_of(client: Client, target: int, liquidator: int, reward_atoms: int) -> None:
    """Feed, statistics and both statements tell the same liquidation."""
    kinds = [event.WhichOneof("body") for event in client.list_liquidations(target, venue=VENUE)]
    assert kinds[0] == "position_locked" and kinds[-1] == "position_settled"
    assert [event.account for event in client.list_liquidations(liquidator, venue=VENUE)][:1] == [target]
    (won,) = client.liquidators(liquidator, venue=VENUE).liquidators
    assert (won.liquidations, won.targets, won.reward_atoms, won.fund_atoms) == (1, 1, reward_atoms, 0)
    assert won.value_atoms == 930 * USDC
    # Its first call met a healthy account: a refusal is told of who asked.
    assert [one.count for one in won.refusals] == [1]
    assert not client.liquidators(target, venue=VENUE).liquidators
    assert client.statement(liquidator, venue=VENUE).transferred_atoms == reward_atoms
    lost = [entry for entry in client.account_history(target, ["pnl"], venue=VENUE) if entry.reference == liquidator]
    assert [entry.realised_atoms for entry in lost] == [-reward_atoms]


def test_a_liquidator_may_ask_for_less_down_to_nothing(dev: Client, long: int) -> None:
    settle_at(dev, LOW_TICKS)
    own = dev.liquidate(long, long, venue=VENUE, reward="0")
    assert (own.status, own.amount_atoms) == (PENDING, 0)
    settle_at(dev, LOW_TICKS)
    assert versioned(dev, long).lots == 0


def test_the_stream_of_standings_is_kept_so_far_and_no_further(dev: Client, maker: int) -> None:
    settle_at(dev, PRICE_TICKS)
    listed = dev.standings(VENUE)
    blocks = list(islice(dev.stream_standings(listed.height, VENUE), 3))
    assert [block.height for block in blocks] == [listed.height, listed.height + 1, listed.height + 2]
    assert all(mark.venue == VENUE for block in blocks for mark in block.marks)
    assert [record.market for record in listed.versions] == [1] and [mark.market for mark in listed.marks] == [1]
    assert next(iter(dev.stream_standings(venue=VENUE))).height > listed.height


def test_the_asyncio_client_does_the_same(node: NodeServer, dev: Client, maker: int) -> None:
    async def run() -> tuple[int, int, int]:
        async with AsyncClient(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
            status = await client.version_status()
            quotes = (await client.quote_liquidation(maker, venue=VENUE)).quotes
            async for block in client.stream_standings((await client.standings(VENUE)).height, VENUE):
                return status.market, len(quotes), block.height
        raise AssertionError("the stream ended")

    settle_at(dev, PRICE_TICKS)
    market, quotes, height = asyncio.run(run())
    assert (market, quotes) == (1, 1) and height > 0
