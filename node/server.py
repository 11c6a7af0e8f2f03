"""The node as a process serves it: the host, the services in front of it, and the loop they run in."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, TypeVar

import grpc
import orjson
from grpc_reflection.v1alpha import reflection

from cluster.host import Following, Host, HostConfig
from node.config import NodeConfig
from node.feeds.block_feed import BlockFeed
from node.feeds.standings import StandingsFeed
from node.genesis import create_venues
from node.guards.auth import KeyRing
from node.guards.bounds import server_options
from node.guards.dev_keys import ensure_dev_keys
from node.guards.errors import ErrorGuard
from node.guards.key_file import write_private
from node.guards.limits import CallLimits
from node.guards.opened import keeping_up
from node.logs import logger
from node.metrics import Metrics
from node.services.door import Door
from node.services.health import SERVICE_NAME as HEALTH_NAME
from node.services.health import HealthKeeper
from node.services.registration import SERVICE_NAMES, add_services
from node.shortfall_gauges import UnrealisedShortfall
from node.standby_door import StandbyDoor

NODE_FILE: Final = "node.json"
_OPEN_METHODS: Final = ("/grpc.health.", "/grpc.reflection.")
_GRACE_S: Final = 1.0
_START_TIMEOUT_S: Final = 60.0

_log = logger("server")
T = TypeVar("T")


class NodeServer:
    """A node: `start` returns when it serves, `stop` when everything is closed."""

    def __init__(self, config: NodeConfig) -> None:
        """Nothing is opened yet."""
        self.config = config
        self.address = ""
        self.metrics_address = ""
        self.dev_keys: dict[str, str] = {}
        self.host: Host
        self.metrics = Metrics()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="door", daemon=True)
        self._stopping = threading.Lock()
        self._stopped = threading.Event()
        self._giving_up = threading.Event()
        self._port = config.port
        self._server: grpc.aio.Server
        self._feed: BlockFeed
        self._standings: StandingsFeed
        self._door: Door
        self._health: HealthKeeper
        self._stop_metrics: Callable[[], None] | None = None

    def start(self) -> None:
        """Recovers the host, lists the venues of a new node, and serves.

        Raises JournalCorrupted or LeaseHeld (cluster.journal), KeyFileBroken, GenesisRefused, RuntimeError
        when the port is taken.
        """
        config = self.config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        try:
            self.host = self._stand_by() if config.follow else Host.open(_host_config(config))
        except BaseException:
            self._end_loop()
            raise
        try:
            if config.dev:
                self.dev_keys = ensure_dev_keys(config.data_dir)
            if not config.driver_mode:
                create_venues(self.host, config.venues, time.time_ns() // 1_000_000 + config.limits.key_life_ms)
            self._run(self._serve())
            if config.metrics_port is not None:
                self.metrics_address, self._stop_metrics = self.metrics.serve(config.metrics_port)
        except BaseException:
            self.stop()
            raise
        content = {"address": self.address, "pid": os.getpid()}
        write_private(config.data_dir / NODE_FILE, orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))
        _log.info("serving", address=self.address, height=self.host.height(), dev=config.dev)

    def give_up(self) -> None:
        """Ends the wait of a node that stands by: `start` raises GaveUp."""
        self._giving_up.set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until the node was stopped; False when the time ran out before."""
        return self._stopped.wait(timeout_s)

    def stop(self) -> None:
        """Ends the streams, then the calls in flight, then the host. May be called twice and from any thread."""
        with self._stopping:
            if not self._stopped.is_set():
                self._stop()
                self._stopped.set()

    def _stop(self) -> None:
        (self.config.data_dir / NODE_FILE).unlink(missing_ok=True)
        if self._stop_metrics is not None:
            self._stop_metrics()
        self._run(self._close())
        self._end_loop()
        self.host.close()
        _log.info("stopped", address=self.address)

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _stand_by(self) -> Host:
        """Waits, its port open, for the node it follows to be gone. Raises GaveUp."""
        config = self.config
        door = StandbyDoor(node_version())
        self._port = self._run(door.open(f"{config.host}:{config.port}"))
        self.address = f"{config.host}:{self._port}"
        _log.info("standing by", address=self.address)
        try:
            return Host.open(_host_config(config), Following(self._giving_up, door.followed))
        finally:
            self._run(door.close())

    async def _serve(self) -> None:
        config, limits = self.config, self.config.limits
        keys = KeyRing(config.data_dir)
        calls = CallLimits(limits)
        self._feed = BlockFeed(self.host, config, self.metrics)
        self._standings = StandingsFeed(self.host, limits)
        for feed in (self._feed, self._standings):
            feed.start(asyncio.get_running_loop())
        self._door = door = Door(self.host, config, keys, self._feed, self._standings, self.metrics, node_version())
        self.metrics.watch(
            self.host.status,
            lambda: {"calls_in_flight": calls.in_flight, "streams": calls.streams, "readers": self._feed.readers},
        )
        self.metrics.registry.register(UnrealisedShortfall(self.host))
        self._server = grpc.aio.server(
            interceptors=[ErrorGuard(_admission(keys, calls), self.metrics)],
            options=server_options(limits),
            maximum_concurrent_rpcs=2 * limits.calls_in_flight,
        )
        add_services(self._server, door)
        self._health = HealthKeeper(self.host, SERVICE_NAMES)
        self._health.add_to(self._server)
        if config.dev:
            names = (*SERVICE_NAMES, HEALTH_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, self._server)
        port = self._server.add_insecure_port(f"{config.host}:{self._port}")
        self.address = f"{config.host}:{port}"
        await self._server.start()
        await self._health.start()

    async def _close(self) -> None:
        if hasattr(self, "_health"):
            await self._health.close()
        for name in ("_feed", "_standings"):
            if hasattr(self, name):
                getattr(self, name).close()
        if hasattr(self, "_server"):
            await self._server.stop(_GRACE_S)
        kept = self._door.unfinished if hasattr(self, "_door") else set()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task() and task not in kept]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        if hasattr(self, "_door"):
            # What ended streams leave behind: orders to be cancelled on disconnect.
            await self._door.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        done: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return done.result(_START_TIMEOUT_S)
        except TimeoutError as error:
            raise TimeoutError(f"the door was not opened or closed within {_START_TIMEOUT_S:.0f} s") from error


def node_version() -> str:
    """Version of the installed package."""
    try:
        return version("breakwater")
    except PackageNotFoundError:
        return "0"


def _admission(keys: KeyRing, calls: CallLimits) -> Callable[[str, Any, bool], Any]:
    """What a call passes before its message is read: key, role, limits. Health and reflection ask for no key."""

    @contextmanager
    def admit(method: str, metadata: Any, is_stream: bool) -> Iterator[None]:
        if method.startswith(_OPEN_METHODS):
            yield
            return
        caller = keys.admit(method, metadata)
        with calls.stream(caller.principal) if is_stream else calls.call(caller.principal):
            yield

    return admit


def _host_config(config: NodeConfig) -> HostConfig:
    return HostConfig(
        data_dir=config.data_dir,
        journal=config.journal,
        snapshots=config.snapshots,
        take_over=config.take_over,
        shards=config.shards,
        transport=config.transport,
        ray_address=config.ray_address,
        driver_mode=config.driver_mode,
        validator=config.validator,
        validator_process=config.validator_process,
        validate_rows_every=config.validate_rows_every,
        block_rows=config.block_rows,
        replayed=keeping_up(config.data_dir),
        notice=lambda text: _log.warning("engine", notice=text),
        heartbeat_ms=config.heartbeat_ms,
        snapshot_every=config.snapshot_every,
        journal_keep_blocks=config.journal_keep_blocks,
        max_queue_batches=config.max_queue_batches,
        actor_standbys=config.actor_standbys,
        stall_ms=config.stall_ms,
        place=tuple(config.place),
    )
