"""How the asyncio client calls: the connection, and when a call is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import grpc

from breakwater.v1 import answers_pb2
from node.client.channel import OPTIONS, Stubs
from node.client.retry import Attempts, refused


class AsyncCalls(Stubs):
    """A connection to a node under one API key."""

    def __init__(self, address: str, api_key: str, timeout_s: float = 30.0) -> None:
        """`address` is host:port; the connection is made with the first call."""
        self._channel = grpc.aio.insecure_channel(address, options=OPTIONS)
        super().__init__(self._channel, api_key)
        self.timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; streams end."""
        await self._channel.close(None)

    async def _command(self, method: Any, request: Any) -> answers_pb2.CommandOutcome:
        outcome: answers_pb2.CommandOutcome = (await self._call(method, request)).outcome
        return outcome

    async def _call(self, method: Any, request: Any) -> Any:
        attempts = Attempts(self.timeout_s)
        while True:
            try:
                return await method(request, timeout=attempts.remaining_s)
            except grpc.aio.AioRpcError as error:
                pause_s = attempts.pause_after(error)
            await asyncio.sleep(pause_s)

    async def _stream(self, method: Any, request: Any) -> AsyncIterator[Any]:
        call = method(request)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            raise refused(error) from error
        finally:
            call.cancel()
