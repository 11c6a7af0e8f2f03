"""What a venue has beside its traders, as one process of a load: publishers of prices, LPs, a liquidation bot.

Run as `python -m node.flow.scenery`, with a `Scene` in a line on standard input.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import numpy as np
import orjson

from node.bots.making import BotSettings
from node.bots.session import BotSession, NobodyListens
from node.client import AsyncClient, RefusedError
from node.client.errors import refusal_name
from node.client.requests import TickRow
from node.flow.settings import LoadSettings
from node.flow.telling import client_of, end, work

# A mark takes a new price every half second: often enough that none of its steps is missed.
_PUBLISH_S: Final = 0.25
_PROVIDE_S: Final = 0.5
_CALL_S: Final = 2.0
_PARALLEL: Final = 8


@dataclass(frozen=True)
class Scene:
    """What the process is told: publishers by place of the market, 0 for no bot, amounts in atoms."""

    settings: LoadSettings
    markets: tuple[int, ...]
    publishers: tuple[tuple[int, ...], ...]
    prices: str
    step_s: float
    bot: int
    providers: tuple[int, ...]
    provide_atoms: int

    def line(self) -> bytes:
        """The line."""
        return orjson.dumps(asdict(self), option=orjson.OPT_APPEND_NEWLINE)

    @classmethod
    def of(cls, line: bytes) -> Scene:
        """The other end of the line."""
        content = orjson.loads(line)
        settings = content["settings"]
        content["settings"] = LoadSettings(**{**settings, "addresses": tuple(settings["addresses"])})
        return cls(**content)


def tick_rows(markets: tuple[int, ...], publishers: tuple[tuple[int, ...], ...], ticks: np.ndarray) -> list[TickRow]:
    """One price of every publisher of every market, published now."""
    now_ms = time.time_ns() // 1_000_000
    return [
        (market, publisher, int(price), now_ms)
        for market, those, price in zip(markets, publishers, ticks, strict=True)
        for publisher in those
    ]


class Scenery:
    """Everybody of it, from the start to the end of a run."""

    def __init__(self, scene: Scene, client: AsyncClient, ticks: np.ndarray) -> None:
        """`ticks` are the prices of the scene's file."""
        self._scene, self._client, self._ticks = scene, client, ticks
        self._counts: Counter[str] = Counter()
        self._refusals: Counter[str] = Counter()
        self._session: BotSession | None = None

    async def run(self, start_s: float) -> None:
        """All of them beside each other."""
        scene, end_s = self._scene, start_s + self._scene.settings.seconds
        tasks: list[Coroutine[Any, Any, None]] = []
        if scene.publishers:
            tasks.append(self._publish(start_s, end_s))
        if scene.providers:
            tasks.append(self._provide(end_s))
        if scene.bot:
            tasks.append(self._liquidate(end_s))
        await asyncio.gather(*tasks)

    def facts(self) -> dict[str, Any]:
        """What was counted so far."""
        bot = self._session.tally.summary() if self._session is not None else {}
        return {"counts": dict(self._counts), "refusals": dict(self._refusals), "bot": bot}

    async def _publish(self, start_s: float, end_s: float) -> None:
        scene = self._scene
        while (now_s := time.monotonic()) < end_s:
            step = min(max(0, int((now_s - start_s) / scene.step_s)), self._ticks.shape[1] - 1)
            rows = tick_rows(scene.markets, scene.publishers, self._ticks[:, step])
            try:
                outcome = await self._client.publish(rows, scene.settings.venue)
                self._counts["ticks"] += len(rows)
                self._refusals.update(refusal_name(reason) for reason in outcome.refusal if reason)
            except (RefusedError, grpc.aio.AioRpcError):
                self._counts["publishing_failed"] += 1
            await asyncio.sleep(max(0.0, now_s + _PUBLISH_S - time.monotonic()))

    async def _provide(self, end_s: float) -> None:
        """LPs come and go: six times in ten one brings something, else one takes half of what it was given."""
        scene, client, venue = self._scene, self._client, self._scene.settings.venue
        rng = np.random.default_rng((scene.settings.seed, 0x1B))
        shares: Counter[int] = Counter()
        while time.monotonic() < end_s:
            await asyncio.sleep(_PROVIDE_S)
            account = scene.providers[int(rng.integers(len(scene.providers)))]
            amount = max(1, int(scene.provide_atoms * min(50.0, 1 + rng.pareto(1.7)) / 50))
            brings = rng.random() < 0.6 or shares[account] < 2
            try:
                if brings:
                    outcome = await client.deposit_liquidity(account, amount, venue)
                    shares[account] += outcome.reference
                    self._counts["liquidity_deposits"] += 1
                else:
                    half = shares[account] // 2
                    await client.withdraw_liquidity(account, half, venue)
                    shares[account] -= half
                    self._counts["liquidity_withdrawals"] += 1
            except RefusedError as error:
                self._refusals[error.refusal] += 1
            except grpc.aio.AioRpcError:
                self._counts["providing_failed"] += 1

    async def _liquidate(self, end_s: float) -> None:
        scene, stop = self._scene, asyncio.Event()
        venue = scene.settings.venue
        self._session = BotSession(self._client, venue, scene.bot, BotSettings(), _PARALLEL, NobodyListens())
        asyncio.get_running_loop().call_later(max(0.0, end_s - time.monotonic()), stop.set)
        await self._session.run(stop)


async def _main() -> None:
    scene = Scene.of(sys.stdin.buffer.readline())
    async with client_of(scene.settings, _CALL_S) as client:
        await work(lambda: Scenery(scene, client, np.load(Path(scene.prices))))


if __name__ == "__main__":
    asyncio.run(_main())
    end()
