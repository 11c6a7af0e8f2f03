"""The feeding program: the mixed flow down one stream of columns, as fast as it is answered, a few steps on their way.

`python -m node.bench.feeder` reads one JSON object (`Orders`) from standard input. It says `warm` when it begins to
measure and writes one object (`Fed`) when it is done. The door's key is not among its arguments, which any user of a
machine may see.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import count
from typing import Any, Final

import grpc
import numpy as np
import orjson

from breakwater.v1 import commands_pb2 as cmd
from breakwater.v1 import orders_pb2, trading_pb2
from cluster.garbage import collect_rarely
from node.bench.mixed_flow import LAG, MARK_TICKS, STEP_ROWS, Int64Array, MixedFlow, Wire
from node.bench.timing import percentile
from node.client.channel import OPTIONS
from node.client.requests import tick_columns
from node.margin_presets import MARGIN_TRADE_VENUE, PERP_SOURCES, SPOT_SOURCES

STREAM: Final = "/breakwater.v1.OrderService/StreamOrders"
_SUBMIT: Final = "/breakwater.v1.TradingService/SubmitBatch"
_TICK_S: Final = 0.5
PUBLISHERS: Final = [publisher for publisher, _ in (*SPOT_SOURCES, *PERP_SOURCES)]
_SPARE_S: Final = 120.0
_WARM: Final = b"warm"
_END: Final[Any] = vars(grpc.aio)["EOF"]  # its types do not know it


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What a feeder is to do: for `seconds`, after `warm_s` and the first steps, which only fill the books."""

    address: str
    key: str
    first_account: int = 1
    accounts: int = 1_000
    markets: int = 1
    rows: int = STEP_ROWS
    in_flight: int = 4
    warm_s: float = 1.0
    seconds: float = 5.0
    publish: bool = True


@dataclass(frozen=True)
class Fed:
    """Commands answered in `seconds`, how many of them were refused, and the round trip of a step's orders.

    `cpu_ns` is the feeder's own processor time a command.
    """

    commands: int
    seconds: float
    refused: int
    p50_ms: float
    p99_ms: float
    cpu_ns: float

    @property
    def per_s(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds


def feed(orders: Orders) -> Fed:
    """Runs a feeder as a process of its own, to its end. Raises ChildProcessError with what it complained of."""
    with begin(orders) as process:
        return finish(process, orders)


def begin(orders: Orders) -> subprocess.Popen[bytes]:
    """Starts a feeder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node.bench.feeder"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(asdict(orders)))
    process.stdin.close()
    process.stdin = None
    return process


def finish(process: subprocess.Popen[bytes], orders: Orders) -> Fed:
    """Waits for a feeder. Raises ChildProcessError."""
    try:
        output, errors = process.communicate(timeout=orders.warm_s + orders.seconds + _SPARE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise ChildProcessError("the feeder did not end: the node no longer answers its stream") from None
    if process.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        raise ChildProcessError(f"the feeder ended with {process.returncode}: {' '.join(last)}")
    fed = output.splitlines()[-1:]
    if not fed or not fed[0].startswith(b"{"):
        raise ChildProcessError(f"the feeder ended before it was done, with {output[-300:]!r}")
    return Fed(**orjson.loads(fed[0]))


def wait_until_warm(process: subprocess.Popen[bytes], orders: Orders) -> None:
    """Waits until a feeder begins to measure. Raises ChildProcessError where it ends before."""
    assert process.stdout is not None
    if process.stdout.readline().strip() != _WARM:
        finish(process, orders)


class Feeder:
    """One stream. The answers to a step are known before the step that cancels its orders is due."""

    def __init__(self, orders: Orders) -> None:
        """Draws the flow; `in_flight` must be below LAG."""
        assert orders.in_flight < LAG, f"{orders.in_flight} steps in flight: cancels need answers {LAG} steps old"
        self._orders = orders
        accounts = range(orders.first_account, orders.first_account + orders.accounts)
        self._wire = Wire(MixedFlow(accounts, range(1, orders.markets + 1), orders.rows))
        self._metadata = (("authorization", f"Bearer {orders.key}"),)
        self._waiting = asyncio.Semaphore(orders.in_flight)
        # What is on its way: the step whose orders it places, or none; and when it was sent.
        self._sent: deque[tuple[int | None, float]] = deque()
        self._references: dict[int, Int64Array] = {}
        self._tally = _Tally(orders)

    async def run(self) -> Fed:
        """Feeds until it was measured for long enough."""
        async with grpc.aio.insecure_channel(self._orders.address, options=OPTIONS) as channel:
            method: Any = channel.stream_stream(STREAM, None, orders_pb2.StreamOrdersResponse.FromString)
            call = method(metadata=self._metadata)
            publishing = asyncio.create_task(self._publish(channel))
            writing = asyncio.create_task(self._write(call))
            while (answer := await call.read()) is not _END:
                self._take(answer.outcome)
            await writing
            if publishing.done():
                publishing.result()
            publishing.cancel()
            return self._tally.fed()

    async def _write(self, call: Any) -> None:
        with suppress(grpc.RpcError):  # the reader is told the same
            for step in count():
                await self._waiting.acquire()
                if self._tally.is_over:
                    break
                self._sent.append((step, time.perf_counter()))
                await call.write(self._wire.place_orders(step))
                if step >= LAG:
                    cancels = self._wire.cancels(step, self._references.pop(step - LAG))
                    self._sent.append((None, time.perf_counter()))
                    await call.write(cancels)
            await call.done_writing()

    def _take(self, outcome: Any) -> None:
        step, sent_s = self._sent.popleft()
        now_s = time.perf_counter()
        refused = int(np.count_nonzero(np.asarray(outcome.refusal)))
        if step is None:
            self._tally.add(now_s, len(outcome.refusal), refused)
            return
        assert refused < len(outcome.refusal), f"all orders refused, the first by {outcome.refusal[0]}"
        self._references[step] = np.asarray(outcome.reference, dtype=np.int64)
        self._waiting.release()
        if step >= LAG:
            self._tally.add(now_s, len(outcome.refusal), refused, (now_s - sent_s) * 1_000)

    async def _publish(self, channel: Any) -> None:
        """Prices as publishers send them, also when orders take long."""
        method = channel.unary_unary(_SUBMIT, request_serializer=trading_pb2.SubmitBatchRequest.SerializeToString)
        while self._orders.publish:
            now_ms = time.time_ns() // 1_000_000
            markets = range(1, self._orders.markets + 1)
            ticks = tick_columns((one, source, MARK_TICKS, now_ms) for one in markets for source in PUBLISHERS)
            batch = cmd.CommandBatch(venue=MARGIN_TRADE_VENUE, ticks=ticks)
            await method(trading_pb2.SubmitBatchRequest(batch=batch), metadata=self._metadata)
            await asyncio.sleep(_TICK_S)


class _Tally:
    """Counts answers between the end of the warm part and that of the measured one."""

    def __init__(self, orders: Orders) -> None:
        self._warm_s, self._seconds = orders.warm_s, orders.seconds
        self._warm_until_s = self._since_s = self._last_s = self._cpu_s = 0.0
        self._commands = self._refused = 0
        self._trips_ms: list[float] = []
        self.is_over = False

    def add(self, now_s: float, commands: int, refused: int, trip_ms: float | None = None) -> None:
        """An answer; `trip_ms` where it is to a step's orders."""
        if not self._warm_until_s:
            self._warm_until_s = now_s + self._warm_s
        elif not self._since_s:
            if now_s >= self._warm_until_s:
                self._since_s, self._cpu_s = now_s, time.process_time()
                sys.stdout.buffer.write(_WARM + b"\n")
                sys.stdout.buffer.flush()
        elif not self.is_over:
            self._last_s = now_s
            self._commands += commands
            self._refused += refused
            if trip_ms is not None:
                self._trips_ms.append(trip_ms)
            if self._trips_ms and now_s >= self._since_s + self._seconds:
                self.is_over = True
                self._cpu_s = time.process_time() - self._cpu_s

    def fed(self) -> Fed:
        """The sum."""
        taken_s = self._last_s - self._since_s
        p50_ms, p99_ms = (percentile(self._trips_ms, percent) for percent in (50, 99))
        cpu_ns = self._cpu_s / self._commands * 1e9
        return Fed(self._commands, taken_s, self._refused, p50_ms, p99_ms, cpu_ns)


def main() -> None:
    """Feeds as standard input says; what went wrong is the last line of standard error."""
    orders = Orders(**orjson.loads(sys.stdin.buffer.read()))
    collect_rarely()  # answers are large pieces of bytes, as they are in a node
    try:
        fed = asyncio.run(Feeder(orders).run())
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
    sys.stdout.buffer.write(orjson.dumps(asdict(fed)))


if __name__ == "__main__":
    main()
