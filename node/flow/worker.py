"""One process of a load: makes its batches, sends them when they are due, counts the answers, says so in JSON lines.

Run as `python -m node.flow.worker`: the part comes in a line on standard input, then one with the start; the end of the
input ends it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any, Final, NamedTuple

import grpc
import numpy as np

from breakwater.v1 import common_pb2
from node.client import AsyncClient, RefusedError
from node.flow.cast import cast_of, kind_of
from node.flow.link import CallLink, Flight, Link, StreamLink
from node.flow.pace import Pace
from node.flow.settings import Part
from node.flow.single_calls import Terms, rows_of
from node.flow.stream import FlowStream, Made, Parcel
from node.flow.tally import Tally
from node.flow.telling import client_of, end, work

# A batch holds what arrives in a window of time, between these bounds however few that is.
_LEAST_WINDOW_S, _MOST_WINDOW_S = 0.001, 0.05
# Sent so much after it was due, a batch counts as late.
LATE_S: Final = 0.01
_CALL_S: Final = 30.0
# As fast as it goes there is no window, only a number of rows.
_AS_FAST_S: Final = 3_600.0
_LAST_ANSWERS_S: Final = 10.0
_LOOK_S: Final = 0.5
_WITH_STREAMS: Final = (common_pb2.RULEBOOK_MARGIN_TRADE, common_pb2.RULEBOOK_SPIN)


class Prepared(NamedTuple):
    """What was made, and its orders as a batch where they go as one."""

    made: Made
    orders: list[tuple[Flight, bytes]]


class Worker:
    """One process's work, from its part to its last line."""

    def __init__(self, part: Part, client: AsyncClient, ticks: np.ndarray) -> None:
        """Compiles what is to be compiled, and prepares what is to be prepared."""
        self._part, self._client = part, client
        self.stream, self.tally = FlowStream(part, ticks), Tally()
        settings = part.settings
        self._singles = settings.mode == "orders"
        self._link = self._link_of(part)
        self._window_s = min(_MOST_WINDOW_S, max(_LEAST_WINDOW_S, settings.batch / self.stream.rate))
        self._keys = 0
        self._model_s = 0.0
        self._prepared: deque[Prepared] = deque()
        self._prepare(settings.prepare)
        # Processor time that is none of the load's: imports, compiling, what was prepared.
        self._idle_s = time.process_time()

    def _link_of(self, part: Part) -> Link:
        client, most, venue = self._client, part.settings.in_flight, part.settings.venue
        if self._singles:
            terms = Terms(venue, {one.market: one for one in part.markets}, 10 ** (9 - part.asset_decimals))
            return CallLink(client, self.stream, self.tally, most, terms)
        if part.rulebook in _WITH_STREAMS:
            return StreamLink(client, self.stream, self.tally, most, venue)
        return CallLink(client, self.stream, self.tally, most)

    async def run(self, start_s: float) -> None:
        """From the start for as long as the settings say. Raises LinkFailed."""
        settings = self._part.settings
        pace = Pace(start_s, settings.rate_of_one, settings.patience_s)
        end_s = start_s + settings.seconds
        await asyncio.sleep(max(0.0, start_s - time.monotonic()))
        learning = asyncio.create_task(self._learn()) if self._learns() else None
        try:
            while (now_s := time.monotonic()) < end_s:
                flights, reached_s = self._next(pace, now_s)
                for flight, batch in flights:
                    if not await self._send(pace, flight, batch, end_s):
                        break
                if not flights:
                    await asyncio.sleep(max(0.0, pace.due_s(reached_s, now_s) - time.monotonic()))
                self.tally.counts["unsent"] = pace.unsent
        finally:
            if learning is not None:
                learning.cancel()
            await self._link.finish(_LAST_ANSWERS_S)

    async def _send(self, pace: Pace, flight: Flight, batch: bytes, end_s: float) -> bool:
        """Sends one when it is due and there is room; False where the run is over before."""
        due_s = pace.due_s(flight.due_s, time.monotonic())
        if due_s >= end_s:
            await asyncio.sleep(max(0.0, end_s - time.monotonic()))
            return False
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        try:
            async with asyncio.timeout(max(0.0, end_s - time.monotonic())):
                await self._link.room()
        except TimeoutError:
            pace.give_up(due_s, end_s)
            return False
        now_s = time.monotonic()
        flight.due_s = pace.settle(due_s, now_s)
        self.tally.sent(flight.parcel.rows, now_s - flight.due_s, LATE_S)
        await self._link.send(flight, batch)
        return True

    def _next(self, pace: Pace, now_s: float) -> tuple[list[tuple[Flight, bytes]], float]:
        """The next batches, cancels first, and the model's time they reach, at which they are due.

        Orders may be prepared. Cancels never are: their orders' numbers are known only now.
        """
        prepared = self._prepared.popleft() if self._prepared else self._make(pace.price_s(self._model_s, now_s))
        reached_s = prepared.made.reached_s
        ends = [self._flight(parcel, reached_s) for parcel in self.stream.ended(prepared.made.ends)]
        if not self._singles:
            return [*ends, *prepared.orders], reached_s
        parcels = [*(flight.parcel for flight, _ in ends), prepared.made.orders]
        rows = sorted((row for one in parcels for row in rows_of(one)), key=lambda row: float(row.arrived_s[0]))
        return [self._flight(row, float(row.arrived_s[0])) for row in rows], reached_s

    def _make(self, price_s: float) -> Prepared:
        settings = self._part.settings
        if self._singles:
            until_s, most = self._model_s + _MOST_WINDOW_S, settings.batch
        elif settings.rate:
            until_s, most = self._model_s + self._window_s, 8 * settings.batch
        else:
            until_s, most = self._model_s + _AS_FAST_S, settings.batch
        made = self.stream.next(until_s, min(most, self.stream.most_rows), price_s)
        self._model_s = made.reached_s
        is_batch = made.orders.rows and not self._singles
        return Prepared(made, [self._flight(made.orders, made.reached_s)] if is_batch else [])

    def _flight(self, parcel: Parcel, due_s: float) -> tuple[Flight, bytes]:
        """With a key of its own, encoded where it goes as a batch. The due time is the model's until it is sent."""
        self._keys += 1
        key = f"load/{self._part.run}/{self._part.worker}/{self._keys}".encode()
        batch = b"" if self._singles else parcel.encoded(key, self._part.settings.venue)
        return Flight(key, parcel, due_s), batch

    def _prepare(self, rows: int) -> None:
        made = 0
        while made < rows:
            self._prepared.append(self._make(self._model_s))
            made += self._prepared[-1].made.orders.rows
        if not rows:
            self.stream.compile()

    def _learns(self) -> bool:
        part = self._part
        return kind_of(part.rulebook) == "book" and not part.settings.blind

    async def _learn(self) -> None:
        """What makers really hold, one after the other: their beliefs are only that."""
        part, inventory = self._part, self.stream.inventory()
        makers = cast_of(part.accounts).accounts[: len(inventory)].tolist()
        columns = {one.market: column for column, one in enumerate(part.markets)}
        while True:
            for maker, account in enumerate(makers):
                await asyncio.sleep(_LOOK_S)
                try:
                    view = (await self._client.margin(account, part.settings.venue)).account
                except (RefusedError, grpc.aio.AioRpcError):
                    continue
                held = np.zeros(len(part.markets), dtype=np.int64)
                for position in view.ratio.positions if view.HasField("ratio") else view.cross.positions:
                    if position.market in columns:
                        held[columns[position.market]] = position.lots
                inventory[maker] = held

    def facts(self) -> dict[str, Any]:
        """What was counted so far."""
        by_archetype, forgotten = self.stream.made()
        self.tally.counts["spared"] = self.stream.spared
        self.tally.counts["forgotten"] = forgotten
        return {**self.tally.facts(), "made": by_archetype, "cpu_s": time.process_time() - self._idle_s}


async def _main() -> None:
    part = Part.of(sys.stdin.buffer.readline())
    async with client_of(part.settings, _CALL_S) as client:
        await work(lambda: Worker(part, client, np.load(Path(part.prices))))


if __name__ == "__main__":
    asyncio.run(_main())
    end()
