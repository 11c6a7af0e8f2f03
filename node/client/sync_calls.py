"""How the sync client calls: the connection, and when a call is sent again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from breakwater.v1 import answers_pb2
from node.client.channel import OPTIONS, Stubs
from node.client.retry import Attempts, refused


class Calls(Stubs):
    """A connection to a node under one API key."""

    def __init__(self, address: str, api_key: str, timeout_s: float = 30.0) -> None:
        """`address` is host:port; the connection is made with the first call."""
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        super().__init__(self._channel, api_key)
        self.timeout_s = timeout_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; streams end."""
        self._channel.close()

    def _command(self, method: Any, request: Any) -> answers_pb2.CommandOutcome:
        outcome: answers_pb2.CommandOutcome = self._call(method, request).outcome
        return outcome

    def _call(self, method: Any, request: Any) -> Any:
        attempts = Attempts(self.timeout_s)
        while True:
            try:
                return method(request, timeout=attempts.remaining_s)
            except grpc.RpcError as error:
                pause_s = attempts.pause_after(error)
            time.sleep(pause_s)

    def _stream(self, method: Any, request: Any) -> Iterator[Any]:
        call = method(request)
        try:
            yield from call
        except grpc.RpcError as error:
            raise refused(error) from error
        finally:
            call.cancel()
