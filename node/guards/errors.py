"""The outermost interceptor: messages are read and written inside it, so whatever goes wrong leaves as a refusal.

A call is answered in this order: key and role, limits, message, service. An exception nobody expected becomes INTERNAL
with an incident number; its text stays in the log.
"""

from __future__ import annotations

import asyncio
import inspect
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, aclosing
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError

from breakwater.v1 import refusals_pb2
from cluster.refused import Refused as HostRefused
from node.guards.refusals import Refused, answer_of, refusal_name
from node.logs import logger
from node.metrics import Metrics

Admit = Callable[[str, Any, bool], AbstractContextManager[None]]

_log = logger("door")
_INCIDENT_BITS: Final = 48


class ErrorGuard(grpc.aio.ServerInterceptor):
    """Wraps every method of the server. `admit(method, metadata, is_stream)` holds a call's place while it runs."""

    def __init__(self, admit: Admit, metrics: Metrics) -> None:
        """`admit` raises a refusal for who may not call."""
        self._admit = admit
        self._metrics = metrics
        self._wrapped: dict[str, grpc.RpcMethodHandler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of a method, wrapped once; an unknown method stays unknown."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Any) -> grpc.RpcMethodHandler:
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(self._stream(method, handler, handler.stream_stream))
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(self._single(method, handler, handler.stream_unary))
        if not handler.response_streaming:
            return grpc.unary_unary_rpc_method_handler(self._single(method, handler, handler.unary_unary))
        if inspect.isasyncgenfunction(handler.unary_stream):
            return grpc.unary_stream_rpc_method_handler(self._stream(method, handler, handler.unary_stream))
        return grpc.unary_stream_rpc_method_handler(
            self._writer(method, handler), response_serializer=handler.response_serializer
        )

    def _single(self, method: str, handler: Any, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        async def answer(raw: Any, context: grpc.aio.ServicerContext) -> bytes:
            try:
                with self._admit(method, context.invocation_metadata(), False):
                    return _encoded(handler, await behaviour(_request(handler, raw), context))
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception as error:
                return await self._abort(method, context, error)

        return answer

    def _stream(
        self, method: str, handler: Any, behaviour: Callable[..., AsyncGenerator[Any, None]]
    ) -> Callable[..., Any]:
        async def answers(raw: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
            try:
                with self._admit(method, context.invocation_metadata(), True):
                    async with aclosing(behaviour(_request(handler, raw), context)) as responses:
                        async for response in responses:
                            yield _encoded(handler, response)
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception as error:
                await self._abort(method, context, error)

        return answers

    def _writer(self, method: str, handler: Any) -> Callable[..., Any]:
        """For a service that writes to its context instead of yielding, as the health service does."""

        async def write(raw: bytes, context: grpc.aio.ServicerContext) -> None:
            try:
                with self._admit(method, context.invocation_metadata(), True):
                    await handler.unary_stream(_request(handler, raw), context)
            except (asyncio.CancelledError, grpc.aio.AbortError):
                raise
            except Exception as error:
                await self._abort(method, context, error)

        return write

    async def _abort(self, method: str, context: grpc.aio.ServicerContext, error: Exception) -> bytes:
        if not isinstance(error, HostRefused):
            incident = secrets.randbits(_INCIDENT_BITS)
            _log.error("incident", incident=incident, method=method, exc_info=error)
            error = Refused(refusals_pb2.REFUSAL_INTERNAL, 0, incident)
        self._metrics.refused(refusal_name(error.refusal))
        code, text, trailing = answer_of(error)
        await context.abort(code, text, trailing)
        raise AssertionError("abort does not return")


def _encoded(handler: Any, response: Any) -> bytes:
    """The bytes of a response; long columns come as bytes already."""
    return response if isinstance(response, bytes) else bytes(handler.response_serializer(response))


def _request(handler: Any, raw: Any) -> Any:
    """The message, or the messages, of a call."""
    if handler.request_streaming:
        return _requests(handler, raw)
    return _decoded(handler, raw)


async def _requests(handler: Any, raw: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for one in raw:
        yield _decoded(handler, one)


def _decoded(handler: Any, raw: bytes) -> Any:
    try:
        return handler.request_deserializer(raw)
    except DecodeError:
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, field="message") from None
