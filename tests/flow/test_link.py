"""The way to a real node and what is on it: answers, cuts, keys asked for again, what nobody ever knows."""

import asyncio
import time
import uuid
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from node.client import AsyncClient, Client
from node.flow.link import CallLink, Flight, Link, LinkFailed, StreamLink
from node.flow.settings import Part
from node.flow.single_calls import Terms, rows_of
from node.flow.stream import FlowStream, Parcel
from node.flow.tally import Tally
from node.server import NodeServer
from tests.api import margin_scene
from tests.api.conftest import config_of
from tests.flow.parts import part_of
from tests.flow.ways import Way

VENUE, PATIENCE_S = 2, 60.0
FUNDS = 10**15
Make = Callable[["Scene", AsyncClient], Link]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeServer]:
    server = NodeServer(config_of(tmp_path_factory.mktemp("link")))
    server.start()
    yield server
    server.stop()


class Scene:
    """A node with a price, a part with funded accounts, and parcels of its flow."""

    def __init__(self, node: NodeServer, client: Client) -> None:
        self.key, self.port = node.dev_keys["dev"], int(node.address.rpartition(":")[2])
        margin_scene.steady_marks(client, {1: margin_scene.PRICE_TICKS})
        accounts = client.open_accounts(16, VENUE)
        for account in accounts:
            client.deposit(account, FUNDS, VENUE)
        known = part_of(markets=1, accounts=16)
        self.part = Part(**{**known.__dict__, "accounts": tuple(accounts)})
        mark = client.mark(1, VENUE).mark.mark_ticks
        self.stream = FlowStream(self.part, np.full((1, 50), mark, dtype=np.int64))
        self.tally = Tally()
        self._window = 0
        self._name = uuid.uuid4().hex

    def parcel(self) -> Parcel:
        """Orders that arrived in a hundredth of a second."""
        while True:
            self._window += 1
            orders = self.stream.next(self._window * 0.01, 1_000, 0.0).orders
            if orders.rows:
                return orders

    def flight(self, parcel: Parcel, number: int, due_s: float | None = None) -> tuple[Flight, bytes]:
        key = f"{self._name}/{number}".encode()
        return Flight(key, parcel, due_s or time.monotonic()), parcel.encoded(key, VENUE)

    def terms(self) -> Terms:
        return Terms(VENUE, {one.market: one for one in self.part.markets}, 10**3)


@pytest.fixture
def scene(node: NodeServer) -> Iterator[Scene]:
    with Client(node.address, node.dev_keys["dev"], PATIENCE_S) as client:
        yield Scene(node, client)


def by_stream(scene: Scene, client: AsyncClient) -> StreamLink:
    return StreamLink(client, scene.stream, scene.tally, 8, VENUE)


def by_calls(scene: Scene, client: AsyncClient) -> Link:
    return CallLink(client, scene.stream, scene.tally, 8)


def singly(scene: Scene, client: AsyncClient) -> Link:
    return CallLink(client, scene.stream, scene.tally, 8, scene.terms())


async def until(true: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    for _ in iter(true, True):
        assert time.monotonic() < deadline_s, "it did not come to that"
        await asyncio.sleep(0.02)


async def send(scene: Scene, link: Link, number: int, parcel: Parcel | None = None) -> int:
    flight, batch = scene.flight(parcel or scene.parcel(), number)
    await link.room()
    await link.send(flight, batch)
    return flight.parcel.rows


@pytest.mark.parametrize("make", [by_stream, by_calls])
async def test_every_row_sent_is_answered_once_and_timed_from_when_it_was_due(scene: Scene, make: Make) -> None:
    async with AsyncClient(f"127.0.0.1:{scene.port}", scene.key) as client:
        link = make(scene, client)
        rows = [await send(scene, link, number) for number in range(5)]
        late, batch = scene.flight(scene.parcel(), 9, due_s=time.monotonic() - 300.0)
        await link.room()
        await link.send(late, batch)
        await link.finish(PATIENCE_S)
    counts = scene.tally.counts
    assert counts["answered"] == sum(rows) + late.parcel.rows == counts["accepted"] + counts["refused"]
    assert scene.tally.latency.get_total_count() == counts["answered"]
    assert scene.tally.latency.get_max_value() > 300_000_000 > scene.tally.service.get_max_value()
    assert (counts["in_flight"], counts["unknown"], counts["reconnects"]) == (0, 0, 0)
    assert scene.tally.statuses["RESTING"] > 0


async def test_single_calls_are_the_same_commands_and_refusals_are_counted_with_their_numbers(scene: Scene) -> None:
    parcel = scene.parcel()
    spoiled = Parcel(parcel.body, parcel.columns.copy(), parcel.ids, parcel.arrived_s)
    # A lot is worth less than the least notional; without client ids, of which the others live.
    spoiled.columns[4], spoiled.columns[11] = 1, 0
    async with AsyncClient(f"127.0.0.1:{scene.port}", scene.key) as client:
        link = singly(scene, client)
        for number, row in enumerate(rows_of(parcel)[:10] + rows_of(spoiled)[:3]):
            await send(scene, link, number, row)
        await link.finish(PATIENCE_S)
    assert scene.tally.counts["answered"] == 10 + 3
    assert scene.tally.refusals["MIN_NOTIONAL"] == 3
    required, actual = scene.tally.numbers["MIN_NOTIONAL"]
    assert required == 10_000_000 > actual > 0


@pytest.mark.parametrize("make", [by_stream, by_calls])
async def test_what_was_on_its_way_when_the_way_broke_is_asked_for_by_its_key(scene: Scene, make: Make) -> None:
    with Way(scene.port) as way:
        async with AsyncClient(way.address, scene.key) as client:
            link = make(scene, client)
            before = await send(scene, link, 0)
            await until(lambda: scene.tally.counts["answered"] == before)
            way.hold()
            lost = [await send(scene, link, number) for number in (1, 2)]
            with Client(f"127.0.0.1:{scene.port}", scene.key) as other:
                keys = [scene.flight(scene.parcel(), number)[0].key for number in (1, 2)]
                await until(lambda: all(other.outcome(key) is not None for key in keys))
            way.cut()
            await until(lambda: not link._there.is_set())
            waiting = asyncio.create_task(send(scene, link, 3))
            await asyncio.sleep(0.3)
            assert not waiting.done(), "nothing is sent while the node cannot be reached"
            way.mend()
            after = await asyncio.wait_for(waiting, PATIENCE_S)
            await link.finish(PATIENCE_S)
    counts = scene.tally.counts
    assert counts["answered_late"] == counts["asked_again"] == sum(lost)
    assert counts["answered"] == before + sum(lost) + after
    assert (counts["reconnects"], counts["never_sequenced"], counts["unknown"]) == (1, 0, 0)


async def test_what_never_reached_the_node_is_said_to_have_reached_no_block(scene: Scene) -> None:
    with Way(scene.port) as way:
        async with AsyncClient(way.address, scene.key) as client:
            link = by_stream(scene, client)
            await send(scene, link, 0)
            await until(lambda: scene.tally.counts["answered"] > 0)
            flight, _ = scene.flight(scene.parcel(), 1)
            # A key the node was never told: as if the batch had been lost between here and there.
            await link.room()
            link._open[flight.key] = flight
            link._flights.append(flight)
            way.cut()
            way.mend()
            await until(lambda: scene.tally.counts["never_sequenced"] > 0)
            await link.finish(PATIENCE_S)
    assert scene.tally.counts["never_sequenced"] == flight.parcel.rows
    assert scene.tally.counts["unknown"] == 0


async def test_what_cannot_be_asked_before_the_end_is_unknown(scene: Scene) -> None:
    with Way(scene.port) as way:
        async with AsyncClient(way.address, scene.key) as client:
            link = by_stream(scene, client)
            first = await send(scene, link, 0)
            await until(lambda: scene.tally.counts["answered"] == first)
            way.hold()
            rows = await send(scene, link, 1)
            way.cut()
            await link.finish(0.5)
    counts = scene.tally.counts
    assert (counts["unknown"], counts["answered"], counts["in_flight"]) == (rows, first, 0)


async def test_no_more_is_on_its_way_than_allowed(scene: Scene) -> None:
    with Way(scene.port) as way:
        async with AsyncClient(way.address, scene.key) as client:
            link = by_stream(scene, client)
            first = await send(scene, link, 0)
            await until(lambda: scene.tally.counts["answered"] == first)
            way.hold()
            for number in range(1, 9):
                await send(scene, link, number)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(link.room(), 0.3)
            way.mend()
            await asyncio.wait_for(link.room(), PATIENCE_S)
            await link.finish(PATIENCE_S)
    assert scene.tally.counts["unknown"] == 0


async def test_a_key_the_node_does_not_know_ends_it_with_the_reason(scene: Scene) -> None:
    async with AsyncClient(f"127.0.0.1:{scene.port}", "no such key") as client:
        link = by_stream(scene, client)
        rows = await send(scene, link, 0)
        with pytest.raises(LinkFailed, match="UNAUTHENTICATED"):
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await send(scene, link, 1)
                    await asyncio.sleep(0.05)
        await link.finish(PATIENCE_S)
    assert scene.tally.counts["unknown"] >= rows
    assert scene.tally.counts["answered"] == 0
