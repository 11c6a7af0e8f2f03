"""Batches that come in a stream and are answered in their order, several of them on their way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from typing import Any, Generic, TypeVar

from breakwater.v1 import commands_pb2
from cluster.answer import Answer
from cluster.host import Refused as HostRefused
from node.guards.batches import rows_of
from node.services.door import Door, unsequenced

Request = TypeVar("Request")
Told = TypeVar("Told")


class BatchStream(Generic[Request, Told]):
    """One stream. `work` begins with each request at once; the size of the queue holds back who is too fast."""

    def __init__(self, door: Door, work: Callable[[Request], Coroutine[Any, Any, Told]], most_in_flight: int) -> None:
        """Nothing is read before `answers`."""
        self._door = door
        self._work = work
        self._queue: asyncio.Queue[asyncio.Task[Told] | None] = asyncio.Queue(most_in_flight)
        self._running: set[asyncio.Task[Told]] = set()

    async def answers(self, requests: AsyncIterator[Request]) -> AsyncGenerator[Told, None]:
        """Answers in the order of the requests; raises what reading them raised."""
        reader = asyncio.create_task(self._read(requests))
        try:
            while (answer := await self._queue.get()) is not None:
                # Who leaves does not take back what is on its way: it may be in a block already.
                yield await asyncio.shield(answer)
            await reader
        finally:
            reader.cancel()

    async def sealed(self) -> None:
        """Waits until everything that was begun is answered, also when nobody reads the answers any more."""
        if self._running:
            await asyncio.wait(self._running)

    async def _read(self, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                task = self._door.begin(self._work(request))
                self._running.add(task)
                task.add_done_callback(self._running.discard)
                await self._queue.put(task)
        except Exception:
            await self._queue.put(None)
            raise
        await self._queue.put(None)


async def answer_of(door: Door, batch: commands_pb2.CommandBatch) -> Answer:
    """The answer to one batch of a stream; of one that reached no block every row says so at height 0."""
    try:
        return await door.submit(batch)
    except HostRefused as refused:
        return unsequenced(max(1, rows_of(batch)), refused)
