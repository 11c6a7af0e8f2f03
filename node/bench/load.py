"""Unary calls over a real channel with so many in flight, and what they took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple

from node.bench.timing import percentile


class Load(NamedTuple):
    """Calls a second over the whole run, and percentiles of single calls."""

    calls_per_s: float
    p50_ms: float
    p99_ms: float


async def run_load(call: Callable[[Any], Awaitable[object]], requests: Iterable[Any], in_flight: int) -> Load:
    """Makes every call, `in_flight` at a time: each worker sends its next when its last was answered."""
    source: Iterator[Any] = iter(requests)
    taken_ms: list[float] = []

    async def work() -> None:
        for request in source:
            begun_s = time.perf_counter()
            await call(request)
            taken_ms.append((time.perf_counter() - begun_s) * 1_000)

    begun_s = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    wall_s = time.perf_counter() - begun_s
    return Load(len(taken_ms) / wall_s, percentile(taken_ms, 50), percentile(taken_ms, 99))
