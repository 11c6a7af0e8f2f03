"""Bots in a loop of their own beside a node in the test's process."""

import asyncio
import threading

from node.bots.making import BotSettings
from node.bots.session import BotSession, NobodyListens
from node.client import AsyncClient
from node.server import NodeServer
from tests.waiting import wait

PATIENCE_S = 60.0


class Racers:
    """Bots in a loop of their own, each with its own connection, from `with` to its end."""

    def __init__(self, node: NodeServer, venue: int, accounts: list[int], settings: BotSettings) -> None:
        self.sessions: list[BotSession] = []
        self._node, self._venue, self._accounts, self._settings = node, venue, accounts, settings
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._race()])

    async def _race(self) -> None:
        await asyncio.gather(*(self._run(account) for account in self._accounts))

    async def _run(self, account: int) -> None:
        async with AsyncClient(self._node.address, self._node.dev_keys["dev"]) as client:
            session = BotSession(client, self._venue, account, self._settings, 8, NobodyListens())
            self.sessions.append(session)
            await session.run(self._stop)

    def __enter__(self) -> "Racers":
        self._thread.start()
        wait(lambda: len(self.sessions) == len(self._accounts) and all(one.height for one in self.sessions))
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Once or twice."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._loop.close()
