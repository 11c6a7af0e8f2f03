"""The port of a node that stands by: not serving, and says so; whoever asks for more is sent elsewhere."""

from __future__ import annotations

from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from breakwater.v1 import admin_pb2, refusals_pb2
from node.guards.refusals import Refused, answer_of

_STATUS: Final = "/breakwater.v1.AdminService/GetStatus"
_OURS: Final = "/breakwater.v1."


class StandbyDoor:
    """Answers health (NOT_SERVING) and, without a key, how far the node has followed; all else is UNAVAILABLE."""

    def __init__(self, version: str) -> None:
        """`followed` may be called from any thread."""
        self._version = version
        self._height = 0
        self._server: grpc.aio.Server

    def followed(self, height: int) -> None:
        """The node has executed this block."""
        self._height = height

    async def open(self, address: str) -> int:
        """Listens; the port. Raises RuntimeError where it is taken."""
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        aio: Any = vars(health)["aio"]  # public by its documentation, unknown to the type stubs
        servicer = aio.HealthServicer()
        await servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(servicer, self._server)
        self._server.add_generic_rpc_handlers((_Elsewhere(self),))
        port: int = self._server.add_insecure_port(address)
        await self._server.start()
        return port

    async def close(self) -> None:
        """Lets the port go."""
        await self._server.stop(None)

    def status(self) -> admin_pb2.GetStatusResponse:
        """How far it is."""
        reason = "follows another node's journal and takes over when that one is gone"
        return admin_pb2.GetStatusResponse(
            version=self._version, height=self._height, state=admin_pb2.NODE_STATE_STANDBY, reasons=[reason]
        )


class _Elsewhere(grpc.GenericRpcHandler):
    """Every call of the API."""

    def __init__(self, door: StandbyDoor) -> None:
        self._door = door

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        method = handler_call_details.method
        if method == _STATUS:
            return grpc.unary_unary_rpc_method_handler(self._status)
        return grpc.stream_stream_rpc_method_handler(_refuse) if method.startswith(_OURS) else None

    async def _status(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return self._door.status().SerializeToString()


async def _refuse(requests: Any, context: grpc.aio.ServicerContext) -> None:
    code, _, trailing = answer_of(Refused(refusals_pb2.REFUSAL_UNAVAILABLE))
    await context.abort(code, "this node stands by: ask the one it follows", trailing)
