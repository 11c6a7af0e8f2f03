"""Health of a gateway: SERVING while it knows a node that sequences."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from node.gateway.methods import SERVICES
from node.gateway.nodes import LOOK_S, Nodes

_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING
# Who only wants to know whether the process answers, a liveness probe say, asks for this name.
ALIVE: Final = "breakwater.Gateway"


class GatewayHealth:
    """Says the same of the whole (the empty name) and of every service."""

    def __init__(self, nodes: Nodes) -> None:
        """`nodes` are looked at as often as they look."""
        self._nodes = nodes
        aio: Any = vars(health)["aio"]  # public by its documentation, unknown to the type stubs
        self._servicer = aio.HealthServicer()
        self._said: Any = None
        self._task: asyncio.Task[None] | None = None

    def add_to(self, server: grpc.aio.Server) -> None:
        """Puts the service on a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Says how it is, from now on."""
        await self._servicer.set(ALIVE, _SERVING)
        await self._say()
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Says NOT_SERVING for good."""
        if self._task is not None:
            self._task.cancel()
        await self._servicer.enter_graceful_shutdown()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._say()

    async def _say(self) -> None:
        status = _SERVING if any(link.serves for link in self._nodes.links) else _NOT_SERVING
        if status == self._said:
            return
        self._said = status
        for name in ("", *SERVICES):
            await self._servicer.set(name, status)
