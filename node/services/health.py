"""The standard health service: SERVING while this node is the one to ask, NOT_SERVING from the moment it is not.

A node that is read only or degraded is still the one to ask; one that stopped or was fenced is not, nor is a standby.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from cluster.host import Host
from node.logs import logger

SERVICE_NAME: Final[str] = health.SERVICE_NAME
_LOOK_S: Final = 1.0
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING: Final = health_pb2.HealthCheckResponse.NOT_SERVING

_log = logger("health")


class HealthKeeper:
    """Tells the health of the node as a whole (the empty name) and of every service."""

    def __init__(self, host: Host, names: tuple[str, ...]) -> None:
        """`names` are the services to answer for."""
        self._host = host
        self._names = ("", *names)
        aio: Any = vars(health)["aio"]  # public by its documentation, unknown to the type stubs
        self._servicer = aio.HealthServicer()
        self._task: asyncio.Task[None] | None = None

    def add_to(self, server: grpc.aio.Server) -> None:
        """Puts the service on a server."""
        health_pb2_grpc.add_HealthServicer_to_server(self._servicer, server)

    async def start(self) -> None:
        """Says SERVING, and looks at the host once a second from now on."""
        await self._say(_SERVING)
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Says NOT_SERVING for good."""
        if self._task is not None:
            self._task.cancel()
        await self._servicer.enter_graceful_shutdown()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            reason = self._host.stopped_because
            if reason:
                _log.error("not serving", reason=reason)
                await self._say(_NOT_SERVING)
                return

    async def _say(self, status: Any) -> None:
        for name in self._names:
            await self._servicer.set(name, status)
