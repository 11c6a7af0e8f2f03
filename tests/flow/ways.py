"""A way to a node that can be cut: a TCP relay on loopback, in a loop of its own."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from types import TracebackType
from typing import Self


class Way:
    """Passes bytes on to a port; `hold` keeps answers back, `cut` breaks every connection and takes no new one."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._writers: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._is_open = True
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self.port = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def hold(self) -> None:
        """Answers go no further from now on."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def cut(self) -> None:
        """Breaks everything and refuses what comes."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(30)

    def mend(self) -> None:
        """Takes connections again, and lets answers through."""

        def open_again() -> None:
            self._is_open = True
            self._flows.set()

        self._loop.call_soon_threadsafe(open_again)

    async def _listen(self) -> int:
        self._flows.set()
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def _close(self) -> None:
        self._server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        self._is_open = False
        for writer in list(self._writers):
            writer.transport.abort()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_open:
            writer.transport.abort()
            return
        onward, back = await asyncio.open_connection("127.0.0.1", self._to)
        ours = {writer, back}
        self._writers |= ours
        there, here = self._pump(reader, back, is_answer=False), self._pump(onward, writer, is_answer=True)
        with contextlib.suppress(asyncio.CancelledError):  # at the end of a test
            await asyncio.gather(there, here, return_exceptions=True)
        self._writers -= ours

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_answer: bool) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                if is_answer:
                    await self._flows.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
