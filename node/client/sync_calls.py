"""How the sync client calls: the connection, and when a call is sent again."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import grpc

from breakwater.v1 import answers_pb2
from node.client.channel import OPTIONS, Doors, Stubs, addresses_of
from node.client.retry import Attempts, refused, turn_after


class Calls(Stubs):
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
            grpc.insecure_channel(one, options=OPTIONS)
            if credentials is None
            else grpc.secure_channel(one, credentials, options=OPTIONS)
            for one in addresses_of(address)
        ]
        self._doors = Doors(self._channels, api_key)
        super().__init__(self._doors)
        self.timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; streams end."""
        for channel in self._channels:
            channel.close()

    def _command(self, method: Any, request: Any) -> answers_pb2.CommandOutcome:
        outcome: answers_pb2.CommandOutcome = self._call(method, request).outcome
        return outcome

    def _call(self, method: Any, request: Any) -> Any:
        attempts = Attempts(self.timeout_s, self._doors)
        while True:
            try:
                return method(request, timeout=attempts.begin())
            except grpc.RpcError as error:
                pause_s = attempts.pause_after(error)
            time.sleep(pause_s)

    def _stream(self, method: Any, request: Any) -> Iterator[Any]:
        door = self._doors.at
        call = method(request)
        try:
            yield from call
        except grpc.RpcError as error:
            turn_after(error, self._doors, door)
            raise refused(error) from error
        finally:
            call.cancel()
