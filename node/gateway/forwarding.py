"""How a call passes: raw bytes in, raw bytes out, with key, deadline, status and refusal as they are.

A call that a node did not answer is sent again, within its deadline, to whoever sequences then: a read, or a command
under a request key, which has at most one effect however often it arrives. Everything else, and every stream, ends with
UNAVAILABLE and a sentence, and the caller decides.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import grpc

from breakwater.v1 import admin_pb2, refusals_pb2
from node.client.errors import refused_of
from node.gateway.meters import GatewayMeters
from node.gateway.methods import STATUS, Method
from node.gateway.nodes import NodeLink, Nodes, NoNode
from node.guards.bounds import Limits
from node.guards.limits import CallLimits
from node.guards.refusals import Refused, answer_of, refusal_name

Metadata = tuple[tuple[str, str | bytes], ...]

_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 0.5
# Kept of a call's time, so that the caller hears a sentence and not only that its deadline is over.
_MARGIN_S: Final = 0.1
# Metadata that belongs to a connection and not to a call.
_OF_THE_CONNECTION: Final = frozenset({"user-agent", "content-type", "te"})
_OF_GRPC: Final = ("grpc-", ":")


class Broken(Exception):
    """A node did not answer a call; what it said instead, the refusal it gave, if any, and what a caller may do."""

    def __init__(self, link: NodeLink, error: grpc.aio.AioRpcError | None, advice: str) -> None:
        self.link = link
        self.error = error
        self.refusal = refused_of(error) if error is not None else None
        said = (error.details() if error is not None else "") or "another node sequences now"
        super().__init__(f"the node at {link.address} went away ({said}); {advice}")


class Forwarder:
    """Handlers of every method. Used from the event loop only."""

    def __init__(self, nodes: Nodes, limits: Limits, meters: GatewayMeters, wait_s: float, address: str) -> None:
        """`wait_s` is how long a call waits for a node at most, whatever its deadline."""
        self._nodes = nodes
        self._calls = CallLimits(limits)
        self._meters = meters
        self._wait_s = wait_s
        self._address = address

    @property
    def in_flight(self) -> tuple[int, int]:
        """Single calls and streams."""
        return self._calls.in_flight, self._calls.streams

    def handler(self, method: Method) -> grpc.RpcMethodHandler:
        """What the server calls for a method."""
        if not method.streams_in and not method.streams_out:
            return grpc.unary_unary_rpc_method_handler(self._guarded(method, self._single))
        if not method.streams_out:
            return grpc.stream_unary_rpc_method_handler(self._guarded(method, self._collected))
        make = grpc.stream_stream_rpc_method_handler if method.streams_in else grpc.unary_stream_rpc_method_handler
        return make(self._stream(method))

    def _guarded(self, method: Method, answer: Callable[..., Awaitable[bytes]]) -> Callable[..., Awaitable[bytes]]:
        async def call(raw: Any, context: Any) -> bytes:
            metadata = _passed_on(context.invocation_metadata())
            try:
                with self._calls.call(_caller(metadata)):
                    return await answer(method, raw, metadata, context)
            except (Refused, NoNode, Broken) as error:
                await self._abort(context, error)
            raise AssertionError("abort does not return")

        return call

    async def _single(self, method: Method, raw: bytes, metadata: Metadata, context: Any) -> bytes:
        end_s = _deadline_of(context)
        until_s = self._patience(end_s)
        pause_s, sent = _FIRST_PAUSE_S, False
        while True:
            try:
                link = await self._nodes.sequencing(until_s)
            except NoNode as nobody:
                raise (NoNode(f"{nobody}; {_advice(method)}") if sent else nobody) from None
            sent = True
            try:
                response = await self._once(link, method, raw, metadata, end_s, context)
                return response + self._own_status() if method.path == STATUS else response
            except Broken as broken:
                await self._decide(broken, method, raw, until_s - pause_s)
            self._meters.sent_again.inc()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    async def _decide(self, broken: Broken, method: Method, raw: bytes, latest_s: float) -> None:
        """Returns where the call may be sent again; raises what is to be said otherwise."""
        still_sequences = await self._nodes.suspect(broken.link)
        if broken.refusal is not None and still_sequences:
            raise broken  # it serves, and refuses this call: it knows why
        if time.monotonic() >= latest_s or not method.may_be_repeated(raw):
            raise broken

    async def _once(
        self, link: NodeLink, method: Method, raw: Any, metadata: Metadata, end_s: float | None, context: Any
    ) -> bytes:
        """Sends the call. Raises Broken where it has no answer; every other end is passed on."""
        timeout_s = None if end_s is None else max(0.001, end_s - time.monotonic())
        call = link.callable(method.path, method.streams_in, False)(raw, metadata=metadata, timeout=timeout_s)
        link.calls.add(call)
        try:
            response: bytes = await call
            if trailing := await call.trailing_metadata():
                context.set_trailing_metadata(tuple(trailing))
            return response
        except grpc.aio.AioRpcError as error:
            await self._pass_on(context, link, method, error)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise  # the caller went away, and the call with it
            raise Broken(link, None, _advice(method)) from None
        finally:
            link.calls.discard(call)
        raise AssertionError("abort does not return")

    async def _collected(self, method: Method, raw: AsyncIterator[bytes], metadata: Metadata, context: Any) -> bytes:
        """Many requests, one response: sent once, because requests cannot be had again."""
        end_s = _deadline_of(context)
        link = await self._nodes.sequencing(self._patience(end_s))
        return await self._once(link, method, raw, metadata, end_s, context)

    def _stream(self, method: Method) -> Callable[..., AsyncIterator[bytes]]:
        async def answers(raw: Any, context: Any) -> AsyncIterator[bytes]:
            metadata = _passed_on(context.invocation_metadata())
            try:
                with self._calls.stream(_caller(metadata)):
                    async for response in self._responses(method, raw, metadata, context):
                        yield response
            except Broken as broken:
                await self._nodes.suspect(broken.link)
                await self._abort(context, broken)
            except (Refused, NoNode) as error:
                await self._abort(context, error)

        return answers

    async def _responses(self, method: Method, raw: Any, metadata: Metadata, context: Any) -> AsyncIterator[bytes]:
        end_s = _deadline_of(context)
        link = await self._nodes.sequencing(self._patience(end_s))
        timeout_s = None if end_s is None else max(0.001, end_s - time.monotonic())
        begin = link.callable(method.path, method.streams_in, True)
        options = {"metadata": metadata, "timeout": timeout_s}
        call = begin(**options) if method.streams_in else begin(raw, **options)
        writing = asyncio.create_task(_write(raw, call)) if method.streams_in else None
        link.calls.add(call)
        try:
            async for response in call:
                yield response
            context.set_trailing_metadata(tuple(await call.trailing_metadata()))
        except grpc.aio.AioRpcError as error:
            await self._pass_on(context, link, method, error)
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            raise Broken(link, None, _advice(method)) from None
        finally:
            link.calls.discard(call)
            call.cancel()
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)

    async def _pass_on(self, context: Any, link: NodeLink, method: Method, error: grpc.aio.AioRpcError) -> None:
        """Ends the call as the node ended it; raises Broken where no node answered or one that does not sequence."""
        refusal = refused_of(error)
        if refusal is None:
            unanswered = error.code() == grpc.StatusCode.UNAVAILABLE
        else:
            unanswered = refusal.refusal in ("UNAVAILABLE", "FENCED")
            if refusal.refusal == "FENCED":
                link.fenced()
        if unanswered:
            raise Broken(link, error, _advice(method))
        self._meters.ended(error.code().name)
        await context.abort(error.code(), error.details() or "", tuple(error.trailing_metadata() or ()))

    async def _abort(self, context: Any, error: Refused | NoNode | Broken) -> None:
        """Ends the call with a refusal of the gateway's own, or with the one a node gave."""
        if isinstance(error, Broken) and error.refusal is not None and error.error is not None:
            self._meters.ended(error.error.code().name)
            await context.abort(
                error.error.code(), error.error.details() or "", tuple(error.error.trailing_metadata() or ())
            )
        refused = error if isinstance(error, Refused) else self._unavailable()
        code, text, trailing = answer_of(refused)
        said = text if isinstance(error, Refused) else f"{refusal_name(refused.refusal)}: {error}"
        self._meters.ended(code.name)
        await context.abort(code, said, trailing)

    def _unavailable(self) -> Refused:
        sequencing = sum(link.serves for link in self._nodes.links)
        return Refused(refusals_pb2.REFUSAL_UNAVAILABLE, 1, sequencing, "node")

    def _patience(self, end_s: float | None) -> float:
        """Until when a call waits for a node, by the monotonic clock."""
        patient_s = time.monotonic() + self._wait_s
        return patient_s if end_s is None else min(patient_s, end_s - _MARGIN_S)

    def _own_status(self) -> bytes:
        """The gateway's part of a status; messages merge by putting their bytes behind each other."""
        calls, streams = self.in_flight
        current = self._nodes.current
        gateway = admin_pb2.GatewayStatus(
            address=self._address,
            node=current.address if current is not None else "",
            nodes=[f"{link.address} {link.state}" for link in self._nodes.links],
            calls_in_flight=calls,
            streams=streams,
        )
        return admin_pb2.GetStatusResponse(gateway=gateway).SerializeToString()


async def _write(requests: AsyncIterator[bytes], call: Any) -> None:
    """Passes requests on as long as the node takes them; how the stream ends its responses tell."""
    call._cython_call = _FirstStatus(call._cython_call)
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        async for request in requests:
            await call.write(request)
        await call.done_writing()


class _FirstStatus:
    """A call of grpc.aio that keeps the status its server gave.

    grpc.aio (1.85) notes INTERNAL as a call's end where a request cannot be written. To a stream that the node just
    ended none can, and the refusal it ended with, on its way, would be lost.
    """

    def __init__(self, call: Any) -> None:
        self._call = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def set_internal_error(self, text: str) -> None:
        """Not noted."""


def _advice(method: Method) -> str:
    if method.streams_out:
        return "ask again from the height after the last one this stream brought"
    return "ask again" if method.reads else "whether it was done is unknown: ask again under the same request key"


def _deadline_of(context: Any) -> float | None:
    """The end of a call's time by the monotonic clock; None where its caller set none."""
    remaining_s = context.time_remaining()
    return None if remaining_s is None else time.monotonic() + remaining_s


def _passed_on(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    return tuple(
        (name, value)
        for name, value in metadata or ()
        if name not in _OF_THE_CONNECTION and not name.startswith(_OF_GRPC)
    )


def _caller(metadata: Metadata) -> int:
    """A number for the key of a call, as limits count by it. Whether the key is known the node says."""
    return hash(next((value for name, value in metadata if name == "authorization"), ""))


def _is_cancelled() -> bool:
    """Whether this task itself was cancelled, and not only the call it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
