"""The gateway as a process serves it: a server of raw bytes, the nodes behind it, health, metrics."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import grpc

from node.gateway.credentials import Tls, credentials_of
from node.gateway.forwarding import Forwarder
from node.gateway.health import GatewayHealth
from node.gateway.meters import GatewayMeters
from node.gateway.methods import methods
from node.gateway.nodes import Nodes
from node.guards.bounds import Limits, server_options
from node.logs import logger
from node.metrics import serve_registry
from node.settings import ConfigError, filled, read_settings

WAIT_S: Final = 10.0
_GRACE_S: Final = 1.0
_START_TIMEOUT_S: Final = 60.0
# A node takes a ping every 5 seconds without data (`server_options`); one that was stopped is found by its health.
_TO_NODES: Final[list[tuple[str, Any]]] = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    ("grpc.min_reconnect_backoff_ms", 1_000),  # as long may a connection take to come about
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Nodes answer what they answer: their own limits hold.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
]

_log = logger("gateway")


@dataclass(frozen=True)
class GatewayConfig:
    """What `breakwater gateway` needs to know: its nodes, primary and standbys, and where it listens."""

    nodes: list[str]
    listen: str = "127.0.0.1:0"
    metrics_port: int | None = None
    # How long a call waits for a node that sequences, at most.
    wait_s: float = WAIT_S
    # Several gateways of one machine on one port: the kernel shares the connections out.
    share_port: bool = False
    tls: Tls | None = None
    limits: Limits = field(default_factory=Limits)


def load_gateway_config(path: Path | None, **settings: Any) -> GatewayConfig:
    """The arguments, and of a node's configuration file the table `limits`. Raises ConfigError."""
    limits = filled(Limits(), read_settings(path).get("limits", {}) if path is not None else {}, "limits.")
    config = GatewayConfig(limits=limits, **{name: value for name, value in settings.items() if value is not None})
    if not config.nodes:
        raise ConfigError("a gateway needs at least one --node HOST:PORT")
    for address in (*config.nodes, config.listen):
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            raise ConfigError(f"{address!r} is no HOST:PORT")
    twice = next((address for address in config.nodes if config.nodes.count(address) > 1), None)
    if twice is not None:
        raise ConfigError(f"node {twice} is named twice")
    return config


class GatewayServer:
    """A gateway: `start` returns when it listens, with or without a node behind it."""

    def __init__(self, config: GatewayConfig) -> None:
        """Nothing is opened yet."""
        self.config = config
        self.address = ""
        self.metrics_address = ""
        self.meters = GatewayMeters()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="gateway", daemon=True)
        self._server: grpc.aio.Server
        self._nodes: Nodes
        self._health: GatewayHealth
        self._stop_metrics: Callable[[], None] | None = None

    def start(self) -> None:
        """Listens. Raises ConfigError for certificates that cannot be used, RuntimeError when the port is taken."""
        credentials = credentials_of(self.config.tls) if self.config.tls is not None else None
        self._thread.start()
        try:
            self._run(self._serve(credentials))
            if self.config.metrics_port is not None:
                self.metrics_address, self._stop_metrics = serve_registry(
                    self.meters.registry, self.config.metrics_port
                )
        except BaseException:
            self.stop()
            raise
        _log.info("serving", address=self.address, nodes=self.config.nodes)

    def stop(self) -> None:
        """Ends the calls in flight after a second, then everything. May be called twice."""
        if self._loop.is_closed():
            return
        if self._stop_metrics is not None:
            self._stop_metrics()
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        _log.info("stopped", address=self.address)

    @property
    def sequencing(self) -> str:
        """Address of the node calls are passed on to; empty while nobody sequences."""
        current = self._nodes.current
        return current.address if current is not None and current.serves else ""

    async def _serve(self, credentials: grpc.ServerCredentials | None) -> None:
        config = self.config
        self._nodes = Nodes(config.nodes, _TO_NODES, lambda _: self.meters.changes.inc())
        options = server_options(config.limits, share_port=config.share_port)
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=2 * config.limits.calls_in_flight)
        if credentials is None:
            port = self._server.add_insecure_port(config.listen)
        else:
            port = self._server.add_secure_port(config.listen, credentials)
        self.address = f"{config.listen.rpartition(':')[0]}:{port}"
        forwarder = Forwarder(self._nodes, config.limits, self.meters, config.wait_s, self.address)
        self._server.add_generic_rpc_handlers((_Everything(forwarder),))
        self._health = GatewayHealth(self._nodes)
        self._health.add_to(self._server)
        await self._nodes.start()
        await self._server.start()
        await self._health.start()
        self.meters.watch(
            lambda: forwarder.in_flight, lambda: {link.address: link.serves for link in self._nodes.links}
        )

    async def _close(self) -> None:
        if hasattr(self, "_health"):
            await self._health.close()
        if hasattr(self, "_server"):
            await self._server.stop(_GRACE_S)
        if hasattr(self, "_nodes"):
            await self._nodes.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _run(self, work: Any) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work, self._loop)
        done.result(_START_TIMEOUT_S)


class _Everything(grpc.GenericRpcHandler):
    """The handler of every method of the API; what is none of it stays unknown."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._handlers = {path: forwarder.handler(method) for path, method in methods().items()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method)
