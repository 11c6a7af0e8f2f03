"""The ring of standings alone: what it keeps, in which order it tells it, and when it lets a reader go."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from actors.columns import add_row
from breakwater.v1 import batches_pb2, common_pb2, liquidation_pb2, refusals_pb2
from cluster.host import CommittedBlock
from node.config import Limits
from node.feeds.standings import StandingsFeed
from node.guards.refusals import Refused

TIP = 10
Message = liquidation_pb2.StreamStandingsResponse


class Source:
    """Hands blocks to the one who listens."""

    def __init__(self) -> None:
        self.archive = SimpleNamespace(tip=lambda: TIP)
        self.tell: Callable[[CommittedBlock], None] = lambda block: None

    def subscribe(self, listener: Callable[[CommittedBlock], None]) -> Callable[[], None]:
        self.tell = listener
        return lambda: None


def block(height: int, *rows: tuple[int, ...]) -> CommittedBlock:
    standings = batches_pb2.StandingRows()
    for venue, account, market, lots in rows:
        add_row(standings, venue, account, market, 0, lots, 0, 0)
    marks = [common_pb2.Mark(venue=venue, market=1) for venue in (3, 4)]
    return CommittedBlock(height, height * 1_000, b"", [], marks, standings, [])


def run(work: Callable[[StandingsFeed, Source], object], **limits: int) -> None:
    """Runs a test's work beside a started feed."""

    async def main() -> None:
        source = Source()
        feed = StandingsFeed(source, Limits(**limits))
        feed.start(asyncio.get_running_loop())
        await work(feed, source)

    asyncio.run(main())


async def told(feed: StandingsFeed, venue: int, height: int, count: int) -> list[Message]:
    found = []
    async for message in feed.blocks(venue, height):
        found.append(message)
        if len(found) == count:
            return found
    return found


def test_every_block_is_told_by_venue_and_account_whatever_shards_said_first() -> None:
    async def work(feed: StandingsFeed, source: Source) -> None:
        source.tell(block(11, (3, 9, 1, 5), (4, 2, 1, 6), (3, 2, 1, 7), (3, 2, 0, 8)))
        source.tell(block(12))
        first, second = await told(feed, 3, 11, 2)
        assert list(zip(first.rows.account, first.rows.market, first.rows.lots, strict=True)) == [
            (2, 0, 8),
            (2, 1, 7),
            (9, 1, 5),
        ]
        assert [mark.venue for mark in first.marks] == [3] and first.block_time_ms == 11_000
        assert (second.height, list(second.rows.account)) == (12, [])
        (other,) = await told(feed, 4, 11, 1)
        assert list(other.rows.lots) == [6]

    run(work)


@pytest.mark.parametrize("limits", [{"standing_blocks": 2}, {"standing_rows": 2}])
def test_what_is_no_longer_kept_is_not_found(limits: dict[str, int]) -> None:
    async def work(feed: StandingsFeed, source: Source) -> None:
        with pytest.raises(Refused) as caught:
            await told(feed, 3, TIP, 1)
        assert (caught.value.refusal, caught.value.required) == (refusals_pb2.REFUSAL_NOT_FOUND, TIP + 1)
        for height in (11, 12, 13):
            source.tell(block(height, (3, height, 1, 1)))
        await asyncio.sleep(0)
        assert feed.oldest == 12
        with pytest.raises(Refused) as caught:
            await told(feed, 3, 11, 1)
        found = caught.value
        assert (found.refusal, found.required, found.actual) == (refusals_pb2.REFUSAL_NOT_FOUND, 12, 11)
        assert [message.height for message in await told(feed, 3, 12, 2)] == [12, 13]

    run(work, **limits)


def test_a_reader_that_falls_behind_the_ring_is_dropped() -> None:
    async def work(feed: StandingsFeed, source: Source) -> None:
        source.tell(block(11))
        await asyncio.sleep(0)
        reader = feed.blocks(3, 11)
        assert (await anext(reader)).height == 11
        for height in (12, 13, 14):
            source.tell(block(height))
        await asyncio.sleep(0)
        with pytest.raises(Refused) as caught:
            await anext(reader)
        assert (caught.value.refusal, caught.value.actual) == (refusals_pb2.REFUSAL_SLOW_CONSUMER, 3)

    run(work, standing_blocks=2)


def test_a_reader_from_now_waits_for_the_next_block_and_ends_with_the_node() -> None:
    async def work(feed: StandingsFeed, source: Source) -> None:
        source.tell(block(11))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(told(feed, 3, 0, 2))
        await asyncio.sleep(0)
        source.tell(block(12))
        await asyncio.sleep(0)
        feed.close()
        with pytest.raises(Refused) as caught:
            await waiting
        assert caught.value.refusal == refusals_pb2.REFUSAL_UNAVAILABLE

    run(work)
