"""The nodes behind a gateway: who of them sequences. Each is asked for its health several times a second.

Of a primary and its standbys one says SERVING. The gateway stays with it while it does; when another serves instead,
the calls that wait for the old one are given up, because a node that was stopped or cut off may never answer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from node.logs import logger

LOOK_S: Final = 0.25
LOOK_TIMEOUT_S: Final = 2.0
_SERVING: Final = health_pb2.HealthCheckResponse.SERVING

_log = logger("gateway")


class NoNode(Exception):
    """Nobody sequences; the message says what each node does instead."""


class NodeLink:
    """One node: a channel, what its health said last, and the calls that wait for it."""

    def __init__(self, address: str, options: list[tuple[str, Any]]) -> None:
        """`address` is host:port; nothing is connected yet."""
        self.address = address
        self.state = "not asked yet"
        self.serves = False
        self.calls: set[Any] = set()
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._health = health_pb2_grpc.HealthStub(self._channel)
        self._callables: dict[str, Any] = {}
        # Set where it answered FENCED: whatever its health says, until it was gone or said otherwise once.
        self._fenced = False

    def callable(self, path: str, streams_in: bool, streams_out: bool) -> Any:
        """What calls a method with raw bytes."""
        found = self._callables.get(path)
        if found is None:
            kind = ("stream" if streams_in else "unary") + "_" + ("stream" if streams_out else "unary")
            found = self._callables[path] = getattr(self._channel, kind)(path)
        return found

    async def look(self) -> None:
        """Asks for the node's health."""
        try:
            answer = await self._health.Check(health_pb2.HealthCheckRequest(), timeout=LOOK_TIMEOUT_S)
        except grpc.aio.AioRpcError as error:
            slow = error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
            self._learnt(False, f"did not answer within {LOOK_TIMEOUT_S:g} s" if slow else "does not answer")
            return
        if answer.status == _SERVING:
            self._learnt(not self._fenced, "fenced" if self._fenced else "serves")
        else:
            self._learnt(False, "does not sequence")

    def _learnt(self, serves: bool, state: str) -> None:
        self._fenced = self._fenced and state == "fenced"
        if state != self.state:
            _log.info("node", address=self.address, state=state)
        self.serves, self.state = serves, state

    def fenced(self) -> None:
        """It said FENCED: another node holds the journal."""
        self._fenced = True
        self._learnt(False, "fenced")

    def give_up(self) -> None:
        """Cancels the calls that wait for it."""
        for call in list(self.calls):
            call.cancel()

    async def close(self) -> None:
        """Ends the calls and the connection."""
        await self._channel.close(None)


class Nodes:
    """Primary and standbys of one journal. Used from the event loop only."""

    def __init__(self, addresses: list[str], options: list[tuple[str, Any]], changed: Callable[[str], None]) -> None:
        """`changed` is told the address of whoever sequences from now on."""
        self.links = [NodeLink(address, options) for address in addresses]
        self.current: NodeLink | None = None
        self._changed = changed
        self._news = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Looks at every node once, and again and again from now on."""
        await asyncio.gather(*(link.look() for link in self.links))
        self._choose()
        self._tasks = [asyncio.create_task(self._watch(link)) for link in self.links]

    async def close(self) -> None:
        """Ends the watching and the connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self.links:
            await link.close()

    async def sequencing(self, until_s: float) -> NodeLink:
        """The node that sequences, waited for until a moment of the monotonic clock. Raises NoNode."""
        while self.current is None or not self.current.serves:
            remaining_s = until_s - time.monotonic()
            news = self._news
            if remaining_s <= 0:
                raise NoNode(self.sentence())
            try:
                await asyncio.wait_for(news.wait(), remaining_s)
            except TimeoutError:
                raise NoNode(self.sentence()) from None
        return self.current

    async def suspect(self, link: NodeLink) -> bool:
        """After a call to it failed: looks at it at once; whether it still sequences."""
        await self._look(link)
        return link.serves

    def sentence(self) -> str:
        """Why nobody can be asked, for whoever called."""
        told = "; ".join(f"{link.address} {link.state}" for link in self.links)
        return f"no node sequences: {told}"

    async def _watch(self, link: NodeLink) -> None:
        while True:
            await asyncio.sleep(LOOK_S)
            await self._look(link)

    async def _look(self, link: NodeLink) -> None:
        await link.look()
        self._choose()

    def _choose(self) -> None:
        """Stays with the node that serves, or else takes the first that does, in the order they were named."""
        current = self.current
        if current is not None and current.serves:
            self._tell()
            return
        found = next((one for one in self.links if one.serves), None)
        if found is None:
            return
        if found is not current:
            self.current = found
            _log.warning("sequencing", address=found.address, before=current.address if current else "")
            self._changed(found.address)
            if current is not None:
                current.give_up()
        self._tell()

    def _tell(self) -> None:
        """Wakes whoever waits for a node."""
        news, self._news = self._news, asyncio.Event()
        news.set()
