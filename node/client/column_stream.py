"""Batches of columns on their way as bytes: over one stream, or one call each; the asyncio client makes both."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import grpc

from node.client import column_bytes
from node.client.channel import Doors
from node.client.column_bytes import ColumnAnswer
from node.client.order_requests import order_stream_start
from node.client.retry import refused, turn_after

_AIO: Final[Any] = grpc.aio
_END: Final = _AIO.EOF
_STREAM: Final = "/breakwater.v1.OrderService/StreamOrders"
_SUBMIT: Final = "/breakwater.v1.TradingService/SubmitBatch"


class StreamOver(Exception):
    """The stream had ended before something was to be sent; who reads its answers is told why."""


class ColumnStream:
    """`OrderService.StreamOrders` in bytes. Answers come in the order of the batches.

    `send` and `answer`, for one writer and one reader, raise RefusedError for what the node says about the stream as a
    whole, grpc.aio.AioRpcError where it broke; `send` raises StreamOver where it was over before.
    """

    def __init__(self, doors: Doors, venue: int, cancel_on_disconnect: Sequence[int]) -> None:
        """Nothing is sent before the first `send`."""
        self._doors, self._door = doors, doors.at
        self._start = order_stream_start(venue, cancel_on_disconnect) if cancel_on_disconnect else None
        self._call: Any = None

    async def send(self, batch: bytes) -> None:
        """A batch as `column_bytes.batch_bytes` made it; waits while the connection takes no more."""
        if self._call is None:
            self._call = self._doors.stream_stream(_STREAM)()
            if self._start is not None:
                await self._guarded(self._call.write(self._start.SerializeToString()))
        await self._guarded(self._call.write(column_bytes.stream_request(batch)))

    async def answer(self) -> ColumnAnswer | None:
        """The next answer; None at the end of the stream."""
        response = await self._guarded(self._call.read())
        return None if response is _END else column_bytes.stream_answer(response)

    async def done(self) -> None:
        """Says that no batch follows; what is on its way is still answered."""
        if self._call is not None:
            await self._call.done_writing()

    def cancel(self) -> None:
        """Ends the stream at once."""
        if self._call is not None:
            self._call.cancel()

    async def _guarded(self, step: Any) -> Any:
        try:
            return await step
        except asyncio.InvalidStateError as error:
            raise StreamOver(str(error)) from error
        except grpc.aio.AioRpcError as error:
            turn_after(error, self._doors, self._door)
            raise refused(error) from error


async def submit_columns(doors: Doors, batch: bytes, timeout_s: float) -> ColumnAnswer:
    """One `TradingService.SubmitBatch` in bytes, not repeated. Raises RefusedError or grpc.aio.AioRpcError."""
    door = doors.at
    try:
        response = await doors.unary_unary(_SUBMIT)(column_bytes.submit_request(batch), timeout=timeout_s)
    except grpc.aio.AioRpcError as error:
        turn_after(error, doors, door)
        raise refused(error) from error
    return column_bytes.submit_answer(response)
