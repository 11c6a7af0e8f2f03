"""Streams of a Margin Trade venue: orders as columns, cancel on disconnect, depth with its numbers, trades."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, closing
from pathlib import Path

import grpc
import pytest

from breakwater.v1 import (
    batches_pb2,
    commands_pb2,
    common_pb2,
    events_pb2,
    markets_pb2,
    markets_pb2_grpc,
    orders_pb2,
    refusals_pb2,
)
from node.client import AsyncClient, Client
from node.client.depth import DepthBook, DepthGap
from node.config import Limits
from node.feeds.block_events import BlockEvents
from node.feeds.depth import Depth
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, ClientOf, config_of
from tests.api.margin_scene import (
    BTC,
    ETH,
    ETH_TICKS,
    FUNDS,
    PRICE_TICKS,
    VENUE,
    clear_book,
    funded,
    move_marks,
    settled,
    steady_marks,
)
from tests.api.refusing import Refusal, refusal_of
from tests.api.test_margin_trade_orders import place_batch


@pytest.fixture
async def live(node: NodeServer) -> AsyncIterator[AsyncClient]:
    """The asyncio client that may do everything."""
    async with AsyncClient(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="module")
def market(dev: Client) -> int:
    """Two markets with marks."""
    steady_marks(dev, {BTC: PRICE_TICKS, ETH: ETH_TICKS})
    return BTC


@pytest.fixture
def account(dev: Client, market: int) -> int:
    """A funded account."""
    return funded(dev)


async def sent(*batches: commands_pb2.CommandBatch) -> AsyncIterator[commands_pb2.CommandBatch]:
    for batch in batches:
        yield batch


async def test_batches_are_answered_in_order_several_at_once(live: AsyncClient, account: int) -> None:
    batches = [place_batch(account=[account] * 5, limit_ticks=[900_000 + number] * 5) for number in range(40)]
    answers = [answer async for answer in live.order_stream(sent(*batches))]
    assert [answer.sequence for answer in answers] == list(range(1, 41))
    heights = [answer.outcome.height for answer in answers]
    assert heights == sorted(heights) and heights[0] > 0
    limits = {order.order: order.limit_ticks for order in await live.open_orders(account)}
    for number, answer in enumerate(answers):
        assert [limits[order] for order in answer.outcome.reference] == [900_000 + number] * 5
    assert len(limits) == 200
    await live.cancel_orders(account)


async def test_a_batch_that_may_not_be_sent_does_not_end_the_stream(live: AsyncClient, account: int) -> None:
    deposit = commands_pb2.CommandBatch(
        venue=VENUE, deposits=commands_pb2.Deposits(account=[account, account], amount_atoms=[5, 5])
    )
    ragged = place_batch(account=[account])
    ragged.place_orders.side.append(1)
    unknown = place_batch(account=[account])
    unknown.venue = 77
    good = place_batch(account=[account])
    answers = [answer.outcome async for answer in live.order_stream(sent(deposit, ragged, unknown, good))]
    assert [answer.height > 0 for answer in answers] == [False, False, False, True]
    assert [list(answer.refusal) for answer in answers] == [
        [refusals_pb2.REFUSAL_MALFORMED] * 2,
        [refusals_pb2.REFUSAL_RAGGED_COLUMNS] * 2,
        [refusals_pb2.REFUSAL_UNKNOWN_VENUE],
        [0],
    ]
    assert list(answers[1].required) == [1, 1] and list(answers[1].actual) == [2, 2]
    await live.cancel_orders(account)


async def test_orders_are_cancelled_when_the_stream_is_closed(live: AsyncClient, dev: Client, account: int) -> None:
    kept = funded(dev)
    batches = sent(place_batch(account=[account] * 3), place_batch(account=[kept]))
    answers = [answer async for answer in live.order_stream(batches, cancel_on_disconnect=[account])]
    assert [set(answer.outcome.status) for answer in answers] == [{common_pb2.OUTCOME_STATUS_RESTING}] * 2
    await until_gone(live, account)
    assert len(await live.open_orders(kept)) == 1
    await live.cancel_orders(kept)


async def test_orders_are_cancelled_when_the_connection_breaks(
    node: NodeServer, live: AsyncClient, dev: Client, account: int
) -> None:
    second = funded(dev)
    armed = place_batch(account=[second], trigger=[1], trigger_ticks=[1_200_000])

    async def silent() -> AsyncIterator[commands_pb2.CommandBatch]:
        yield place_batch(account=[account, second])
        yield armed
        yield place_batch(account=[account] * 100)
        await asyncio.sleep(TIMEOUT_S)

    broken = AsyncClient(node.address, node.dev_keys["dev"], TIMEOUT_S)
    stream = broken.order_stream(silent(), cancel_on_disconnect=[second, account])
    async with aclosing(stream):
        assert (await anext(stream)).sequence == 1
        assert len(await live.open_orders(account)) >= 1
        # The third batch is on its way: what it places goes, too.
        await broken.close()
    await until_gone(live, account)
    await until_gone(live, second)


async def until_gone(live: AsyncClient, account: int) -> None:
    """No order of the account is left, and none comes back."""
    deadline = time.monotonic() + TIMEOUT_S
    for _ in range(3):
        while await live.open_orders(account):
            assert time.monotonic() < deadline, f"account {account} still has orders"
            await asyncio.sleep(0.05)


def test_a_stream_begins_with_its_start_only(dev: Client, client_of: ClientOf, account: int) -> None:
    batch = orders_pb2.StreamOrdersRequest(batch=place_batch(account=[account]))
    start = orders_pb2.StreamOrdersRequest(
        start=orders_pb2.StreamOrdersStart(venue=VENUE, cancel_on_disconnect=[account])
    )
    assert refusal_of(lambda: run(dev, [batch, start])) == Refusal("MALFORMED", 0, 0, "start")
    assert refusal_of(lambda: run(client_of("trader"), [start])) == Refusal("NOT_ALLOWED", 0, 0, "account")
    start.start.venue = 1
    assert refusal_of(lambda: run(dev, [start])).name == "WRONG_RULEBOOK"
    dev.cancel_orders(account)


def run(client: Client, requests: Iterable[orders_pb2.StreamOrdersRequest]) -> list[orders_pb2.StreamOrdersResponse]:
    return list(client.orders.StreamOrders(iter(requests), timeout=TIMEOUT_S))


def test_an_auditor_may_not_stream_orders(client_of: ClientOf) -> None:
    with pytest.raises(grpc.RpcError):
        run(client_of("auditor"), [])


async def test_depth_is_a_snapshot_then_every_change(live: AsyncClient, dev: Client, account: int) -> None:
    other = funded(dev)
    await live.place_order(account, "short", "0.5", "4010", ETH)

    async def trade() -> None:
        bid = await live.place_order(account, "long", "1", "3990", ETH)
        await live.place_order(other, "long", "2", "3990", ETH)
        await live.place_order(other, "long", "0.2", "4010", ETH)
        await live.amend_order(account, bid.reference, size="0.5")
        await live.amend_order(account, bid.reference, limit_price="3995.5")
        await live.amend_order(account, bid.reference, limit_price="4000")
        await live.place_order(other, "short", "0.1", "3980", ETH, time_in_force="ioc")
        await live.cancel_orders(other)
        await live.place_order(other, "short", "0.01", "4300", ETH)

    book = DepthBook()
    work = asyncio.create_task(trade())
    async with asyncio.timeout(TIMEOUT_S), aclosing(live.stream_depth(ETH)) as stream:
        async for message in stream:
            book.apply(message)
            if 430_000 in [ticks for ticks, _, _ in book.asks()]:
                break
    await work
    view = await live.depth(ETH, levels=1_000)
    assert book.bids() == list(zip(view.bids.price_ticks, view.bids.lots, view.bids.orders, strict=True))
    assert book.asks() == list(zip(view.asks.price_ticks, view.asks.lots, view.asks.orders, strict=True))
    assert book.bids() == [(400_000, 4_000, 1)]
    assert [ticks for ticks, _, _ in book.asks()] == [401_000, 430_000]
    clear_book(dev, [account, other])


def test_a_gap_in_the_depth_is_seen() -> None:
    book = DepthBook()
    first = markets_pb2.StreamDepthResponse(sequence=1, height=5)
    first.snapshot.bids.price_ticks.append(10)
    first.snapshot.bids.lots.append(3)
    first.snapshot.bids.orders.append(1)
    book.apply(first)
    gone = markets_pb2.StreamDepthResponse(sequence=2, height=7)
    gone.bids.price_ticks.append(10)
    gone.bids.lots.append(0)
    gone.bids.orders.append(0)
    with pytest.raises(DepthGap, match="message 3 follows message 1"):
        book.apply(markets_pb2.StreamDepthResponse(sequence=3, height=8))
    assert book.bids() == [(10, 3, 1)]
    book.apply(gone)
    assert (book.bids(), book.height, book.sequence) == ([], 7, 2)
    with pytest.raises(DepthGap):
        DepthBook().apply(gone)


def test_a_reader_of_depth_that_falls_behind_is_dropped(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, limits=Limits(feed_blocks=4)))
    server.start()
    narrow = [("grpc.http2.lookahead_bytes", 1 << 16), ("grpc.http2.bdp_probe", 0)]
    key = (("authorization", f"Bearer {server.dev_keys['dev']}"),)
    prices = list(range(600_000, 601_000))
    try:
        with (
            Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client,
            grpc.insecure_channel(server.address, options=narrow) as channel,
        ):
            steady_marks(client, {BTC: PRICE_TICKS})
            account = funded(client, 10 * FUNDS)
            stub = markets_pb2_grpc.MarketServiceStub(channel)
            request = markets_pb2.StreamDepthRequest(venue=VENUE, market=BTC)
            stream = stub.StreamDepth(request, metadata=key, timeout=3 * TIMEOUT_S)
            assert next(stream).sequence == 1
            for _ in range(30):
                client.submit_batch(place_batch(account=[account] * 1_000, limit_ticks=prices))
                client.cancel_orders(account)
            refused = refusal_of(lambda: deque(stream, maxlen=0))
            assert (refused.name, refused.required) == ("SLOW_CONSUMER", 4)
            client.place_order(account, "long", "0.01", "60000")
            with closing(client.stream_depth()) as again:
                assert list(next(again).snapshot.bids.price_ticks) == [600_000]
    finally:
        server.stop()


async def test_an_account_is_followed_order_by_order(live: AsyncClient, dev: Client, account: int) -> None:
    other = funded(dev)
    await live.place_order(account, "long", "0.5", "99000")

    async def trade() -> None:
        for number in range(12):
            await live.place_order(other, "short", "0.01", "99000", time_in_force="ioc")
            placed = await live.place_order(account, "long", "0.02", f"{95_000 + number}")
            if number % 3 == 0:
                await live.amend_order(account, placed.reference, size="0.03")
            elif number % 3 == 1:
                await live.cancel_orders(account, placed.reference)
        await live.place_order(account, "short", "0.01", "98000")
        await live.place_order(account, "long", "0.01", trigger="stop", trigger_price="120000")

    work = asyncio.create_task(trade())
    known: dict[int, int] = {}
    async with asyncio.timeout(TIMEOUT_S), aclosing(live.stream_account(account, VENUE)) as stream:
        async for message in stream:
            if message.HasField("snapshot"):
                known = {order.order: order.remaining_lots for order in message.snapshot.cross.orders}
            for event in message.events:
                follow(known, event)
            if any(event.HasField("order_armed") for event in message.events):
                break
    await work
    settled(dev, account, (await live.margin(account)).height)
    assert known == {order.order: order.remaining_lots for order in await live.open_orders(account)}
    assert len(known) >= 9
    clear_book(dev, [account, other])


def follow(known: dict[int, int], event: events_pb2.Event) -> None:
    """Carries the open lots of an account's orders on by one event."""
    if event.HasField("order_placed"):
        known[event.order_placed.order] = event.order_placed.remaining_lots
    elif event.HasField("order_armed"):
        known[event.order_armed.order] = event.order_armed.size_lots
    elif event.HasField("order_amended"):
        known[event.order_amended.order] = event.order_amended.remaining_lots
    elif event.HasField("order_filled"):
        known[event.order_filled.order] = event.order_filled.remaining_lots
        if not event.order_filled.remaining_lots:
            del known[event.order_filled.order]
    elif event.HasField("order_done"):
        known.pop(event.order_done.order, None)


def test_what_a_reading_lacks_is_told_beside_it() -> None:
    filled = events_pb2.OrderFilled(order=1, lots=5)
    expired = events_pb2.OrderDone(order=2, refusal=refusals_pb2.REFUSAL_SELF_TRADE)
    cancelled = events_pb2.OrderDone(order=3)
    events = [
        events_pb2.Event(venue=VENUE, account=9, order_filled=filled),
        events_pb2.Event(venue=VENUE, account=9, order_done=expired),
        events_pb2.Event(venue=VENUE, account=9, order_done=cancelled),
        events_pb2.Event(venue=VENUE, account=8, order_filled=filled),
    ]
    block = BlockEvents(1, 0, b"", [event.SerializeToString() for event in events], [])
    assert block.unsettled_of_account(VENUE, 9) == events[:2]


async def test_a_node_that_stops_cancels_first(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path))
    await asyncio.to_thread(server.start)
    dev = Client(server.address, server.dev_keys["dev"], TIMEOUT_S)
    await asyncio.to_thread(move_marks, dev, {BTC: PRICE_TICKS})
    account = await asyncio.to_thread(funded, dev)

    async def silent() -> AsyncIterator[commands_pb2.CommandBatch]:
        yield place_batch(account=[account] * 3)
        await asyncio.sleep(TIMEOUT_S)

    client = AsyncClient(server.address, server.dev_keys["dev"], TIMEOUT_S)
    stream = client.order_stream(silent(), cancel_on_disconnect=[account])
    assert list((await anext(stream)).outcome.status) == [common_pb2.OUTCOME_STATUS_RESTING] * 3
    dev.close()
    await asyncio.to_thread(server.stop)
    await client.close()
    again = NodeServer(config_of(tmp_path))
    await asyncio.to_thread(again.start)
    try:
        async with AsyncClient(again.address, again.dev_keys["dev"], TIMEOUT_S) as reader:
            assert await reader.open_orders(account) == []
            done = [row async for row in reader.account_history(account)]
            assert [row.event for row in done] == ["deposited"]
    finally:
        await asyncio.to_thread(again.stop)


async def test_trades_are_listed_and_followed_without_names(live: AsyncClient, dev: Client, account: int) -> None:
    other = funded(dev)
    height = (await live.depth()).height
    await live.place_order(account, "short", "0.03", "100100")

    async def trade() -> None:
        for _ in range(3):
            await live.place_order(other, "long", "0.01")

    work = asyncio.create_task(trade())
    followed: list[markets_pb2.Trade] = []
    async with asyncio.timeout(TIMEOUT_S), aclosing(live.stream_trades(BTC, from_height=height)) as stream:
        async for one in stream:
            followed.append(one)
            if len(followed) == 3:
                break
    await work
    listed = [one async for one in live.trades(BTC, from_height=height)]
    assert listed == followed
    assert [one.trade - listed[0].trade for one in listed] == [0, 1, 2]
    assert {(one.price_ticks, one.lots, one.side, one.is_liquidation) for one in listed} == {
        (1_001_000, 1_000, common_pb2.SIDE_LONG, False)
    }
    assert not {"account", "order"} & set(markets_pb2.Trade.DESCRIPTOR.fields_by_name)
    page = dev.markets.ListTrades(
        markets_pb2.ListTradesRequest(venue=VENUE, market=BTC, from_height=height, page_size=2)
    )
    assert list(page.trades) == listed[:2]
    rest = dev.markets.ListTrades(
        markets_pb2.ListTradesRequest(
            venue=VENUE, market=BTC, from_height=height, page_size=2, page_token=page.next_page_token
        )
    )
    assert (list(rest.trades), rest.next_page_token) == (listed[2:], "")
    settled(dev, account, listed[-1].height)


def test_a_level_that_would_be_below_zero_is_a_fault() -> None:
    depth = Depth(batches_pb2.BookView(venue=VENUE, market=BTC))
    done = events_pb2.OrderDone(order=1, side=common_pb2.SIDE_LONG, price_ticks=5, remaining_lots=1, was_resting=True)
    event = events_pb2.Event(venue=VENUE, market=BTC, order_done=done)
    with pytest.raises(AssertionError):
        depth.apply(BlockEvents(1, 0, b"", [event.SerializeToString()], []))
