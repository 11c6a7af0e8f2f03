"""How the asyncio client calls: the connection, and when a call is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from breakwater.v1 import answers_pb2
from node.client.channel import OPTIONS, Doors, Stubs, addresses_of
from node.client.retry import Attempts, refused, turn_after


class AsyncCalls(Stubs):
    """A connection to a node under one API key."""

    def __init__(
        self,
        address: str | Sequence[str],
        api_key: str,
        timeout_s: float = 30.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """`address` is host:port, of the node or a gateway, or several of them: the next is asked where one does not
        answer. With `credentials` (grpc.ssl_channel_credentials) they speak TLS. Connections are made with calls."""
        self._channels = [
            grpc.aio.insecure_channel(one, options=OPTIONS)
            if credentials is None
            else grpc.aio.secure_channel(one, credentials, options=OPTIONS)
            for one in addresses_of(address)
        ]
        self._doors = Doors(self._channels, api_key)
        super().__init__(self._doors)
        self.timeout_s = timeout_s

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection; streams end."""
        for channel in self._channels:
            await channel.close(None)

    async def _command(self, method: Any, request: Any) -> answers_pb2.CommandOutcome:
        outcome: answers_pb2.CommandOutcome = (await self._call(method, request)).outcome
        return outcome

    async def _call(self, method: Any, request: Any) -> Any:
        attempts = Attempts(self.timeout_s, self._doors)
        while True:
            try:
                return await method(request, timeout=attempts.begin())
            except grpc.aio.AioRpcError as error:
                pause_s = attempts.pause_after(error)
            await asyncio.sleep(pause_s)

    async def _stream(self, method: Any, request: Any) -> AsyncIterator[Any]:
        door = self._doors.at
        call = method(request)
        try:
            async for response in call:
                yield response
        except grpc.aio.AioRpcError as error:
            turn_after(error, self._doors, door)
            raise refused(error) from error
        finally:
            call.cancel()
