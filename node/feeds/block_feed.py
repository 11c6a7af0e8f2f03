"""Fan-out of committed blocks. A reader has a height and nothing else: blocks are kept once, in one bounded ring.

A reader begins in the archive, page by page, and goes over to the ring where the ring begins, so there is no gap and
nothing twice. A live reader that falls behind the ring is dropped: SLOW_CONSUMER, and may ask again from its height.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Final

from breakwater.v1 import refusals_pb2
from cluster.archive import Archive
from cluster.host import CommittedBlock, Host
from node.config import NodeConfig
from node.feeds.block_events import BlockEvents
from node.guards.refusals import Refused
from node.metrics import Metrics

_PAGE_BLOCKS: Final = 64
_ARCHIVE_LAG_S: Final = 0.02


class BlockFeed:
    """All readers of one node. Lives in the event loop; only `_arrived` is called from the pipeline's thread."""

    def __init__(self, host: Host, config: NodeConfig, metrics: Metrics) -> None:
        """Nothing arrives before `start`."""
        self._host = host
        self._limits = config.limits
        self._is_driven = config.driver_mode
        self._metrics = metrics
        self._ring: deque[BlockEvents] = deque()
        self._ring_events = 0
        self._signatures: dict[int, bytes] = {}
        self._latest = 0
        self._wakeup: asyncio.Event = asyncio.Event()
        self._stop: list[Callable[[], None]] = []
        self._closed = False
        self.readers = 0

    @property
    def latest(self) -> int:
        """Height of the last block that arrived here."""
        return self._latest

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to listen; blocks committed before are in the archive."""

        def arrived(block: CommittedBlock) -> None:
            lag_s = time.time() - block.block_time_ms / 1_000
            self._metrics.committed(len(block.events), None if self._is_driven else lag_s)
            loop.call_soon_threadsafe(self._block_arrived, block)

        def signed(height: int, signature: bytes) -> None:
            loop.call_soon_threadsafe(self._signature_arrived, height, signature)

        self._stop = [self._host.subscribe(arrived), self._host.subscribe_signed(signed)]
        self._latest = self._host.archive.tip() or 0

    def close(self) -> None:
        """Ends every reader with UNAVAILABLE."""
        for stop in self._stop:
            stop()
        self._closed = True
        self._wakeup.set()

    async def blocks(self, from_height: int) -> AsyncIterator[BlockEvents]:
        """Every block from a height on (0 counts as 1), then those to come. Raises SLOW_CONSUMER, UNAVAILABLE."""
        height = max(1, from_height)
        live = False
        self.readers += 1
        try:
            while True:
                if height > self._latest:
                    live = True
                    await self._wait(self._wakeup)
                elif self._ring and height >= self._ring[0].height:
                    live = True
                    yield self._ring[height - self._ring[0].height]
                    height += 1
                elif live:
                    self._metrics.reader_dropped()
                    raise Refused(
                        refusals_pb2.REFUSAL_SLOW_CONSUMER, len(self._ring), self._latest - height + 1, "stream"
                    )
                else:
                    page = await self._page(height)
                    if not page:
                        await asyncio.sleep(_ARCHIVE_LAG_S)
                    for block in page:
                        yield block
                        height = block.height + 1
        finally:
            self.readers -= 1

    async def block(self, height: int) -> BlockEvents:
        """One block, as soon as it is there. Raises UNAVAILABLE."""
        while height > self._latest:
            await self._wait(self._wakeup)
        if self._ring and height >= self._ring[0].height:
            return self._ring[height - self._ring[0].height]
        return (await asyncio.to_thread(_read, self._host.archive, height, height))[0]

    def known_signature(self, height: int) -> bytes:
        """The signature of a recent block if it is there, else empty."""
        return self._signatures.get(height, b"")

    async def signature(self, height: int) -> bytes:
        """The validator's signature of a block, as soon as it is there. Raises UNAVAILABLE."""
        while True:
            wakeup = self._wakeup
            known = self._signatures.get(height) or await asyncio.to_thread(_signature, self._host.archive, height)
            if known:
                return known
            await self._wait(wakeup)

    async def reach(self, height: int) -> None:
        """Waits until a committed block is archived too. Raises UNAVAILABLE."""
        while self._latest < height <= self._host.height():
            await self._wait(self._wakeup)

    async def _wait(self, wakeup: asyncio.Event) -> None:
        if self._closed:
            raise Refused(refusals_pb2.REFUSAL_UNAVAILABLE, field="stream")
        await wakeup.wait()

    async def _page(self, height: int) -> list[BlockEvents]:
        """Blocks from the archive, up to a page or to where the ring begins."""
        before = self._ring[0].height if self._ring else self._latest + 1
        last = min(height + _PAGE_BLOCKS, before) - 1
        return await asyncio.to_thread(_read, self._host.archive, height, last)

    def _block_arrived(self, block: CommittedBlock) -> None:
        if self._ring and block.height <= self._ring[-1].height:
            return
        self._latest = max(self._latest, block.height)
        self._ring.append(BlockEvents(block.height, block.block_time_ms, block.header, block.events, list(block.marks)))
        self._ring_events += len(block.events)
        while len(self._ring) > 1 and (
            len(self._ring) > self._limits.feed_blocks or self._ring_events > self._limits.feed_events
        ):
            self._ring_events -= len(self._ring.popleft().raw_events)
        self._wake()

    def _signature_arrived(self, height: int, signature: bytes) -> None:
        self._signatures[height] = signature
        while len(self._signatures) > self._limits.feed_blocks:
            self._signatures.pop(next(iter(self._signatures)))
        self._wake()

    def _wake(self) -> None:
        self._wakeup.set()
        self._wakeup = asyncio.Event()


def _signature(archive: Archive, height: int) -> bytes:
    header = archive.header(height)
    return (header.signature if header is not None else None) or b""


def _read(archive: Archive, first: int, last: int) -> list[BlockEvents]:
    return [
        BlockEvents(
            header.height,
            header.block_time_ms,
            header.header,
            archive.block_events(header.height),
            None,
        )
        for header in archive.headers(first, last)
    ]
