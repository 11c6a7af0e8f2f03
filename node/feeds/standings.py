"""What bots follow on venues whose liquidations are left to them: accounts, marks and versions, block by block.

One bounded ring for all venues and readers; the archive does not hold standings. A reader that asks for a height the
ring does not reach back to lists everybody again (NOT_FOUND); one that falls behind it is dropped (SLOW_CONSUMER).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from actors.columns import row_count, sort_rows, split_by
from breakwater.v1 import batches_pb2, liquidation_pb2, refusals_pb2
from cluster.host import CommittedBlock, Host
from node.config import Limits
from node.guards.refusals import Refused

_ORDER: Final = ("account", "market", "kind")


class _Block:
    """One block, divided by venue when the first reader of a venue looks."""

    def __init__(self, block: CommittedBlock) -> None:
        self.height = block.height
        self.rows = row_count(block.standings)
        self._block = block
        self._by_venue: dict[tuple[int, ...], batches_pb2.StandingRows] | None = None
        self._messages: dict[int, liquidation_pb2.StreamStandingsResponse] = {}

    def of_venue(self, venue: int) -> liquidation_pb2.StreamStandingsResponse:
        """The venue's part, rows by (account, market, kind): nothing of it names a shard."""
        if self._by_venue is None:
            self._by_venue = split_by(self._block.standings, "venue")
        message = self._messages.get(venue)
        if message is None:
            rows = self._by_venue.get((venue,), batches_pb2.StandingRows())
            message = self._messages[venue] = liquidation_pb2.StreamStandingsResponse(
                height=self.height,
                block_time_ms=self._block.block_time_ms,
                rows=sort_rows(rows, *_ORDER),
                marks=[mark for mark in self._block.marks if mark.venue == venue],
                versions=[record for record in self._block.versions if record.venue == venue],
            )
        return message


class StandingsFeed:
    """All readers of one node. Lives in the event loop; only the host's listener runs in another thread."""

    def __init__(self, host: Host, limits: Limits) -> None:
        """Nothing arrives before `start`."""
        self._host = host
        self._limits = limits
        self._ring: deque[_Block] = deque()
        self._rows = 0
        self._latest = 0
        self._wakeup: asyncio.Event = asyncio.Event()
        self._stop: Callable[[], None] | None = None
        self._closed = False

    @property
    def oldest(self) -> int:
        """Lowest height that is kept, or the next one where nothing has arrived yet."""
        return self._ring[0].height if self._ring else self._latest + 1

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to listen: what was committed before is in nobody's memory."""

        def arrived(block: CommittedBlock) -> None:
            loop.call_soon_threadsafe(self._block_arrived, block)

        self._stop = self._host.subscribe(arrived)
        self._latest = self._host.archive.tip() or 0

    def close(self) -> None:
        """Ends every reader with UNAVAILABLE."""
        if self._stop is not None:
            self._stop()
        self._closed = True
        self._wakeup.set()

    async def blocks(self, venue: int, from_height: int) -> AsyncIterator[liquidation_pb2.StreamStandingsResponse]:
        """Every block of a venue from a height on (0: the next one), also those that change nothing of it.

        Raises NOT_FOUND with the oldest height there is, SLOW_CONSUMER, UNAVAILABLE.
        """
        height = from_height or self._latest + 1
        if height < self.oldest:
            raise Refused(refusals_pb2.REFUSAL_NOT_FOUND, self.oldest, height, "from_height")
        while True:
            if height > self._latest:
                await self._wait(self._wakeup)
            elif height < self.oldest:
                behind = self._latest - height + 1
                raise Refused(refusals_pb2.REFUSAL_SLOW_CONSUMER, len(self._ring), behind, "stream")
            else:
                yield self._ring[height - self.oldest].of_venue(venue)
                height += 1

    async def _wait(self, wakeup: asyncio.Event) -> None:
        if self._closed:
            raise Refused(refusals_pb2.REFUSAL_UNAVAILABLE, field="stream")
        await wakeup.wait()

    def _block_arrived(self, block: CommittedBlock) -> None:
        if self._ring and block.height <= self._latest:
            return
        self._latest = max(self._latest, block.height)
        kept = _Block(block)
        self._ring.append(kept)
        self._rows += kept.rows
        while len(self._ring) > 1 and (
            len(self._ring) > self._limits.standing_blocks or self._rows > self._limits.standing_rows
        ):
            self._rows -= self._ring.popleft().rows
        self._wakeup.set()
        self._wakeup = asyncio.Event()
