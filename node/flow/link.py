"""The way of a process's batches to the node and of their answers back, with a bound on what is on its way.

Whatever breaks, every batch sent is settled once: by its answer, by what the node says of its request key afterwards,
or as unknown when the run is over.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import grpc

from breakwater.v1 import accounts_pb2
from node.client import AsyncClient, RefusedError
from node.client.column_bytes import ColumnAnswer, answer_of
from node.client.column_stream import ColumnStream, StreamOver
from node.client.errors import may_ask_again
from node.client.retry import refused
from node.flow.single_calls import Terms, call
from node.flow.stream import FlowStream, Parcel
from node.flow.tally import Tally

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_CALL_S: Final = 30.0
_ASK_S: Final = 5.0
# A key the node does not know so long after it answered again reached no block: what it had queued is gone or sealed.
_SURE_S: Final = 2.0


class LinkFailed(Exception):
    """The node will never take what this process sends; the text says why."""


@dataclass
class Flight:
    """A batch on its way. Times are of the monotonic clock, seconds."""

    key: bytes
    parcel: Parcel
    due_s: float
    sent_s: float = 0.0


class Link:
    """Settles flights. `send` waits while as many as allowed are on their way, or the node is away."""

    def __init__(self, client: AsyncClient, stream: FlowStream, tally: Tally, in_flight: int) -> None:
        """Nothing is sent yet."""
        self._client, self._stream, self._tally = client, stream, tally
        self._room = asyncio.Semaphore(in_flight)
        self._there = asyncio.Event()
        self._there.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open: dict[bytes, Flight] = {}
        self._settled = asyncio.Event()
        self._failure: LinkFailed | None = None
        # When the node answered again last.
        self._back_s = 0.0

    async def room(self) -> None:
        """Waits until a batch may be sent, and keeps the place for it. Raises LinkFailed."""
        await self._room.acquire()
        await self._there.wait()
        if self._failure is not None:
            raise self._failure

    async def send(self, flight: Flight, batch: bytes) -> None:
        """Sends into the place kept by `room`."""
        flight.sent_s = time.monotonic()
        self._open[flight.key] = flight
        self._tally.counts["in_flight"] += flight.parcel.rows
        await self._carry(flight, batch)

    async def finish(self, patience_s: float) -> None:
        """Waits for what is on its way; what is not settled by then is counted as unknown."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                await self._all_settled()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._end()
        for flight in list(self._open.values()):
            self._tally.counts["unknown"] += flight.parcel.rows
            self._stream.lost(flight.parcel)
            self._landed(flight)

    async def _all_settled(self) -> None:
        while self._open and self._failure is None:
            self._settled.clear()
            await self._settled.wait()

    async def _carry(self, flight: Flight, batch: bytes) -> None:
        raise AssertionError("a link says how it carries")

    def _end(self) -> None:
        """Gives up what only this link has."""

    def _begin(self, work: asyncio.Task[None]) -> None:
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def _landed(self, flight: Flight) -> None:
        del self._open[flight.key]
        self._settled.set()
        self._tally.counts["in_flight"] -= flight.parcel.rows
        self._room.release()

    def _answered(self, flight: Flight, answer: ColumnAnswer) -> None:
        now_s = time.monotonic()
        self._tally.took(flight.parcel.rows, now_s - flight.due_s, now_s - flight.sent_s)
        self._tally.answered(answer)
        self._stream.answered(flight.parcel, answer)
        self._landed(flight)

    def _refused(self, flight: Flight, error: RefusedError) -> None:
        now_s = time.monotonic()
        self._tally.took(flight.parcel.rows, now_s - flight.due_s, now_s - flight.sent_s)
        self._tally.refuse(flight.parcel.rows, error.refusal, error.required, error.actual)
        self._stream.lost(flight.parcel)
        self._landed(flight)

    def _lost_sight(self, flights: list[Flight]) -> None:
        """The way broke with these on it: nothing is sent until the node answers; then it is asked about them."""
        if self._there.is_set():
            self._there.clear()
            self._begin(asyncio.create_task(self._find()))
        self._begin(asyncio.create_task(self._recover(deque(flights))))

    async def _find(self) -> None:
        """Asks something small until the node answers, each time a little later."""
        pause_s = _FIRST_PAUSE_S
        while not await self._answers():
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        self._tally.counts["reconnects"] += 1
        self._back_s = time.monotonic()
        self._there.set()

    async def _answers(self) -> bool:
        try:
            await self._client.accounts.GetOutcome(accounts_pb2.GetOutcomeRequest(request_key=b"load"), timeout=_ASK_S)
        except grpc.aio.AioRpcError as error:
            said = refused(error)
            if not isinstance(said, RefusedError) or may_ask_again(error):
                return False
            self._fail(said)
        return True

    async def _recover(self, left: deque[Flight]) -> None:
        await self._there.wait()
        while left:
            if await self._settled_by_key(left[0], time.monotonic() > self._back_s + _SURE_S):
                left.popleft()
            else:
                await asyncio.sleep(_FIRST_PAUSE_S)

    async def _settled_by_key(self, flight: Flight, is_sure: bool) -> bool:
        """Asks what became of a batch; False where that is not certain yet."""
        rows = flight.parcel.rows
        request = accounts_pb2.GetOutcomeRequest(request_key=flight.key)
        try:
            response = await self._client.accounts.GetOutcome(request, timeout=_ASK_S)
        except grpc.aio.AioRpcError:
            return False
        if response.known:
            self._tally.counts["asked_again"] += rows
            self._tally.counts["answered_late"] += rows
            self._answered(flight, answer_of(response.outcome))
            return True
        if is_sure:
            self._tally.counts["asked_again"] += rows
            self._tally.counts["never_sequenced"] += rows
            self._stream.lost(flight.parcel)
            self._landed(flight)
        return is_sure

    def _fail(self, error: Exception) -> None:
        self._failure = LinkFailed(str(error))
        self._settled.set()
        self._there.set()


class StreamLink(Link):
    """Batches over `StreamOrders`, one stream."""

    def __init__(self, client: AsyncClient, stream: FlowStream, tally: Tally, in_flight: int, venue: int) -> None:
        """Opens the stream with the first batch."""
        super().__init__(client, stream, tally, in_flight)
        self._venue = venue
        self._way: ColumnStream | None = None
        self._flights: deque[Flight] = deque()

    async def _carry(self, flight: Flight, batch: bytes) -> None:
        if self._way is None:
            self._way = self._client.column_stream(venue=self._venue)
            self._flights = deque()
            self._flights.append(flight)
            await self._write(self._way, batch)
            self._begin(asyncio.create_task(self._read(self._way, self._flights)))
            return
        self._flights.append(flight)
        await self._write(self._way, batch)

    async def _write(self, way: ColumnStream, batch: bytes) -> None:
        try:
            await way.send(batch)
        except (StreamOver, RefusedError, grpc.aio.AioRpcError):
            return  # the reader of the answers is told the same, and settles

    async def _read(self, way: ColumnStream, flights: deque[Flight]) -> None:
        try:
            while (answer := await way.answer()) is not None:
                self._answered(flights.popleft(), answer)
        except RefusedError as error:
            if error.refusal not in ("UNAVAILABLE", "FENCED", "RESUMING", "READ_ONLY"):
                self._fail(error)
        except grpc.aio.AioRpcError:
            pass  # what was on its way is asked for
        if self._way is way:
            self._way = None
        self._lost_sight(list(flights))
        flights.clear()

    def _end(self) -> None:
        if self._way is not None:
            self._way.cancel()


class CallLink(Link):
    """A call each: batches over `SubmitBatch`, or with `terms` single commands over the calls made for them."""

    def __init__(
        self, client: AsyncClient, stream: FlowStream, tally: Tally, in_flight: int, terms: Terms | None = None
    ) -> None:
        """Calls are made as flights come."""
        super().__init__(client, stream, tally, in_flight)
        self._terms = terms

    async def _carry(self, flight: Flight, batch: bytes) -> None:
        self._begin(asyncio.create_task(self._call(flight, batch)))

    async def _call(self, flight: Flight, batch: bytes) -> None:
        try:
            if self._terms is None:
                answer = await self._client.submit_columns(batch)
            else:
                answer = await call(self._client, flight.parcel, flight.key, self._terms, _CALL_S)
        except RefusedError as error:
            self._refused(flight, error)
        except grpc.aio.AioRpcError as error:
            said = refused(error)
            if isinstance(said, RefusedError):
                self._refused(flight, said)
            else:
                self._lost_sight([flight])
        else:
            self._answered(flight, answer)
