"""Streams over the channel: from a height, then live, nothing twice, nothing left out."""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any, TypeVar

import grpc
import pytest

from actors.chain.receipt import check_receipt
from actors.chain.roots import header_hash
from breakwater.v1 import (
    accounts_pb2,
    block_service_pb2,
    block_service_pb2_grpc,
    blocks_pb2,
    events_pb2,
    liquidation_pb2,
)
from cluster.signing import verify
from node.client import AsyncClient, Client, RefusedError
from node.config import Limits
from node.server import NodeServer
from tests.api.conftest import TIMEOUT_S, config_of
from tests.api.refusing import Refusal, refusal_of
from tests.api.scene import PRICE_TICKS, fill_pool, funded_account, move_mark
from tests.api.test_trading import wait_for_position

Item = TypeVar("Item")
LOW_TICKS = 90_000


@pytest.fixture
async def live(node: NodeServer) -> AsyncIterator[AsyncClient]:
    """The asyncio client that may do everything."""
    async with AsyncClient(node.address, node.dev_keys["dev"], TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="module")
def market(dev: Client) -> int:
    """A market with a price and a pool behind it."""
    move_mark(dev, PRICE_TICKS)
    fill_pool(dev)
    return 1


async def take_until(
    stream: AsyncIterator[Item], is_last: Callable[[Item], bool], during: Awaitable[Any] | None = None
) -> list[Item]:
    """Everything a stream brings up to the last wanted, while something else happens."""
    work = asyncio.ensure_future(during) if during is not None else None
    taken: list[Item] = []
    async with asyncio.timeout(TIMEOUT_S), aclosing(stream):
        async for item in stream:
            taken.append(item)
            if is_last(item):
                break
    if work is not None:
        await work
    return taken


async def once_read(node: NodeServer, work: Callable[[], Awaitable[Any]]) -> None:
    """Does something once the node has a reader: a stream `from now on` begins there, not when the client asks."""
    await readers_become(node, 1)
    await work()


async def readers_become(node: NodeServer, count: int) -> None:
    """Waits until so many streams of blocks are read; those of the test before end a moment after their clients."""
    async with asyncio.timeout(TIMEOUT_S):
        while node._feed.readers != count:  # noqa: ASYNC110  # a reader that comes or goes sets no event
            await asyncio.sleep(0.01)


async def test_events_from_the_first_block_then_live(node: NodeServer, live: AsyncClient) -> None:
    for _ in range(5):
        await live.open_accounts(3)

    async def more() -> None:
        for _ in range(20):
            await asyncio.gather(*(live.open_account() for _ in range(3)))
        await live.open_account(key=b"the last of it")

    final: list[int] = []

    def is_last(response: block_service_pb2.StreamEventsResponse) -> bool:
        return bool(final) and response.height >= final[0]

    async def work() -> None:
        await more()
        outcome = await live.outcome(b"the last of it")
        final.append(outcome.height)
        await live.open_account()

    taken = await take_until(live.stream_events(1), is_last, work())
    heights = [response.height for response in taken]
    assert heights == sorted(set(heights))
    assert all([event.index for event in response.events] == list(range(len(response.events))) for response in taken)
    for height in range(1, heights[-1] + 1):
        listed = await live.events(height)
        assert listed == [event for response in taken if response.height == height for event in response.events]


async def test_a_reading_from_the_middle_is_the_rest_of_one_from_the_start(live: AsyncClient) -> None:
    height = (await live.status()).height
    from_start = await take_until(live.stream_headers(1), lambda header: height_of(header) == height)
    from_middle = await take_until(live.stream_headers(height // 2), lambda header: height_of(header) == height)
    assert [height_of(header) for header in from_start] == list(range(1, height + 1))
    # A header is signed a moment after it is there: by the second reading, perhaps.
    assert [one.header for one in from_middle] == [one.header for one in from_start[height // 2 - 1 :]]


async def test_signed_headers_wait_for_their_signature(live: AsyncClient) -> None:
    key = await live.validator_key()
    height = (await live.deposit(await live.open_account(), 5)).height
    taken = await take_until(live.stream_headers(1, signed_only=True), lambda header: height_of(header) == height)
    assert [height_of(header) for header in taken] == list(range(1, height + 1))
    assert all(verify(key, header_hash(header.header), header.signature) for header in taken)
    assert all(header.validator_key == key for header in taken)


async def test_an_account_is_a_snapshot_then_every_event(dev: Client, live: AsyncClient, market: int) -> None:
    account = await asyncio.to_thread(funded_account, dev, 10_000_000)
    shown = asyncio.Event()

    async def trade() -> None:
        for number in range(6):
            opened = await live.open_position(account, "long", 100_000, "5")
            await live.set_stop_loss(account, opened.reference, "50000")
            if number % 2:
                await shown.wait()
                await live.close_position(account, opened.reference)
        await live.withdraw(account, 1)

    def is_last(response: accounts_pb2.StreamAccountResponse) -> bool:
        shown.set()
        return any(event.HasField("withdrawal_requested") for event in response.events)

    taken = await take_until(live.stream_account(account), is_last, trade())
    assert [response.sequence for response in taken] == list(range(1, len(taken) + 1))
    assert [response.HasField("snapshot") for response in taken] == [True] + [False] * (len(taken) - 1)
    numbers = [(event.height, event.index) for response in taken for event in response.events]
    assert numbers == sorted(set(numbers))
    assert all(event.account == account for response in taken for event in response.events)
    # The snapshot is taken while the account trades: what it holds already is not told again.
    assert kinds_of(taken).count("position_opened") + len(taken[0].snapshot.positions) == 6
    assert kinds_of(taken).count("position_closed") == 3


async def test_readings_that_start_amid_trading_miss_no_position(dev: Client, live: AsyncClient, market: int) -> None:
    account = await asyncio.to_thread(funded_account, dev, 10_000_000)
    opened: list[int] = []
    followers = asyncio.Barrier(9)

    async def trade() -> None:
        while len(opened) < 30:
            opened.append((await live.open_position(account, "long", 10_000, "5")).reference)
        await followers.wait()
        await live.withdraw(account, 1)

    async def follow(pause_s: float) -> set[int]:
        await asyncio.sleep(pause_s)
        begun: list[asyncio.Task[int]] = []

        def is_last(response: accounts_pb2.StreamAccountResponse) -> bool:
            if response.HasField("snapshot"):
                begun.append(asyncio.create_task(followers.wait()))
            return any(event.HasField("withdrawal_requested") for event in response.events)

        taken = await take_until(live.stream_account(account), is_last)
        await asyncio.gather(*begun)
        in_snapshot = [position.position for position in taken[0].snapshot.positions]
        in_events = [
            event.position_opened.position
            for response in taken
            for event in response.events
            if event.HasField("position_opened")
        ]
        assert len(in_snapshot + in_events) == len(set(in_snapshot + in_events))
        return set(in_snapshot + in_events)

    _, *seen = await asyncio.gather(trade(), *(follow(0.01 * number) for number in range(8)))
    assert all(positions == set(opened) for positions in seen)


async def test_liquidations_are_streamed_listed_and_proved(
    node: NodeServer, dev: Client, live: AsyncClient, market: int
) -> None:
    await asyncio.to_thread(move_mark, dev, PRICE_TICKS)
    accounts = [await asyncio.to_thread(funded_account, dev, 1_000_000) for _ in range(3)]
    for account in accounts:
        await live.open_position(account, "long", 100_000, "50")
        await asyncio.to_thread(wait_for_position, dev, account)
    found: list[events_pb2.Event] = []

    def is_last(event: events_pb2.Event) -> bool:
        found.append(event)
        return len(found) == 3

    await readers_become(node, 0)
    fall = once_read(node, lambda: asyncio.to_thread(move_mark, dev, LOW_TICKS))
    taken = await take_until(live.stream_liquidations(), is_last, fall)
    assert {event.account for event in taken} == set(accounts)
    assert all(event.position_liquidated.margin_held_atoms == 98_000 for event in taken)  # TW-11, the fee of TW-07 gone
    found.clear()
    replayed = await take_until(live.stream_liquidations(from_height=1), is_last)
    assert replayed == taken
    assert await listed(live, page_size=2) == taken
    assert await listed(live, page_size=1, account=accounts[0]) == [e for e in taken if e.account == accounts[0]]
    assert await listed(live, from_height=taken[-1].height + 1) == []
    for position in (await live.account(accounts[0])).positions:
        pytest.fail(f"a liquidated position is still there: {position.position}")
    await asyncio.to_thread(move_mark, dev, PRICE_TICKS)


async def test_a_receipt_comes_once_its_block_is_signed(dev: Client, live: AsyncClient) -> None:
    account = await live.open_account()
    height = (await live.deposit(account, 77)).height
    await take_until(live.stream_headers(height, signed_only=True), lambda header: height_of(header) == height)
    events = await live.events(height)
    index = next(event.index for event in events if event.HasField("deposited"))
    receipt = await live.receipt(height, index)
    assert events_pb2.Event.FromString(receipt.event) == events[index]
    assert check_receipt(receipt, await live.validator_key(), verify).ok
    missing = await asyncio.to_thread(refusal_of, lambda: dev.receipt(height, len(events)))
    assert missing == Refusal("NOT_FOUND", len(events), len(events), "index")
    assert (await asyncio.to_thread(refusal_of, lambda: dev.receipt(1 << 40, 0))).name == "NOT_FOUND"


async def test_withdrawals_are_released_with_a_signature(live: AsyncClient) -> None:
    account = await live.open_account()
    await live.deposit(account, 100)
    withdrawal = (await live.withdraw(account, 40)).reference

    def is_ours(response: Any) -> bool:
        return response.event.withdrawal_requested.withdrawal == withdrawal

    released = (await take_until(live.stream_releases(), is_ours))[-1]
    header = await live.header(released.event.height)
    assert verify(await live.validator_key(), header_hash(header.header), released.signature)
    assert released.event.withdrawal_requested.amount_atoms == 40
    await decided(live, account, withdrawal)
    view = await live.account(account)
    assert (view.free_atoms, view.pending_withdrawal_atoms, view.withdrawn_atoms) == (60, 0, 40)


async def decided(client: AsyncClient, account: int, withdrawal: int) -> None:
    """Confirms a withdrawal; the state hears of the validator's progress every so many blocks, so those are made."""
    async with asyncio.timeout(TIMEOUT_S):
        while True:
            try:
                await client.decide_withdrawal(account, withdrawal, confirm=True)
                return
            except RefusedError as refused:
                assert (refused.refusal, refused.required) == ("NOT_VALIDATED", withdrawal >> 20)
            await client.open_account()


async def test_marks_and_the_pool_are_streamed(node: NodeServer, dev: Client, live: AsyncClient, market: int) -> None:
    marks = await take_until(
        live.stream_marks(market=1),
        lambda response: response.marks[0].mark_ticks == PRICE_TICKS + 7,
        asyncio.to_thread(move_mark, dev, PRICE_TICKS + 7),
    )
    versions = [(mark.version, mark.state) for response in marks for mark in response.marks]
    assert versions == sorted(set(versions))
    account = await asyncio.to_thread(funded_account, dev, 5_000)
    before = (await live.pool()).nav_realised_atoms
    await readers_become(node, 0)
    pools = await take_until(
        live.stream_pool(),
        lambda response: response.pool.nav_realised_atoms == before + 5_000,
        once_read(node, lambda: live.deposit_liquidity(account, 5_000)),
    )
    assert pools[-1].pool.micro_shares == (await live.pool(accounts=[account])).micro_shares


def test_a_reader_that_does_not_read_is_dropped(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path, limits=Limits(feed_blocks=4)))
    server.start()
    narrow = [("grpc.http2.lookahead_bytes", 1 << 16), ("grpc.http2.bdp_probe", 0)]
    key = (("authorization", f"Bearer {server.dev_keys['dev']}"),)
    try:
        with (
            Client(server.address, server.dev_keys["dev"], TIMEOUT_S) as client,
            grpc.insecure_channel(server.address, options=narrow) as channel,
        ):
            stub = block_service_pb2_grpc.BlockServiceStub(channel)
            stream = stub.StreamEvents(block_service_pb2.StreamEventsRequest(from_height=1), metadata=key)
            next(stream)
            for _ in range(30):
                client.open_accounts(1_500)
            refused = refusal_of(lambda: deque(stream, maxlen=0))
            assert (refused.name, refused.required) == ("SLOW_CONSUMER", 4)
            assert refused.actual > 4
            assert next(client.stream_events(1)).height >= 1
    finally:
        server.stop()


async def test_streams_end_when_the_node_stops(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path))
    server.start()
    async with AsyncClient(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        stream = client.stream_liquidations()
        waiting = asyncio.ensure_future(anext(stream))
        await once_read(server, lambda: asyncio.to_thread(server.stop))
        with pytest.raises(RefusedError) as caught:
            await waiting
        assert caught.value.refusal == "UNAVAILABLE"


async def test_a_client_goes_on_when_the_node_comes_back(tmp_path: Path) -> None:
    server = NodeServer(config_of(tmp_path))
    server.start()
    port = int(server.address.rpartition(":")[2])
    async with AsyncClient(server.address, server.dev_keys["dev"], TIMEOUT_S) as client:
        account = await client.open_account()
        await asyncio.to_thread(server.stop)
        key = uuid.uuid4().bytes
        waiting = asyncio.ensure_future(client.deposit(account, 3, key=key))
        await asyncio.sleep(0.3)
        again = NodeServer(config_of(tmp_path, port=port))
        await asyncio.to_thread(again.start)
        try:
            outcome = await waiting
            assert outcome == await client.deposit(account, 3, key=key)
            assert (await client.account(account)).free_atoms == 3
        finally:
            await asyncio.to_thread(again.stop)


def height_of(header: blocks_pb2.SignedHeader) -> int:
    return blocks_pb2.BlockHeader.FromString(header.header).height


def kinds_of(responses: list[Any]) -> list[str]:
    return [event.WhichOneof("body") for response in responses for event in response.events]


async def listed(client: AsyncClient, **request: int) -> list[events_pb2.Event]:
    """Every page of the history."""
    found: list[events_pb2.Event] = []
    token = ""
    while True:
        page = await client.liquidations.ListLiquidations(
            liquidation_pb2.ListLiquidationsRequest(venue=1, page_token=token, **request)
        )
        found += page.events
        token = page.next_page_token
        if not token:
            return found
