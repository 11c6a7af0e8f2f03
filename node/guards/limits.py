"""How much a key may ask for: calls in a second, calls in flight, streams. Beyond it a call is RATE_LIMITED."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from breakwater.v1 import refusals_pb2
from node.guards.bounds import Limits
from node.guards.refusals import Refused

_KEYS_KEPT: Final = 10_000


@dataclass
class _Usage:
    second: int = 0
    calls: int = 0
    in_flight: int = 0
    streams: int = 0


class CallLimits:
    """Counts calls by key. Used from the event loop only."""

    def __init__(self, limits: Limits) -> None:
        """Counting begins at zero."""
        self._limits = limits
        self._usage: dict[int, _Usage] = {}
        self._swept_second = 0
        self.in_flight = 0
        self.streams = 0

    @contextmanager
    def call(self, principal: int) -> Iterator[None]:
        """Counts a call while it runs; raises RATE_LIMITED."""
        usage = self._arrived(principal)
        _require(usage.in_flight, self._limits.calls_in_flight_per_key, "calls_in_flight_per_key")
        _require(self.in_flight, self._limits.calls_in_flight, "calls_in_flight")
        usage.in_flight += 1
        self.in_flight += 1
        try:
            yield
        finally:
            usage.in_flight -= 1
            self.in_flight -= 1

    @contextmanager
    def stream(self, principal: int) -> Iterator[None]:
        """Counts a stream while it is open; raises RATE_LIMITED."""
        usage = self._arrived(principal)
        _require(usage.streams, self._limits.streams_per_key, "streams_per_key")
        usage.streams += 1
        self.streams += 1
        try:
            yield
        finally:
            usage.streams -= 1
            self.streams -= 1

    def _arrived(self, principal: int) -> _Usage:
        usage = self._usage.get(principal)
        second = int(time.monotonic())
        if usage is None:
            usage = self._usage[principal] = self._new(second)
        if usage.second != second:
            usage.second, usage.calls = second, 0
        _require(usage.calls, self._limits.calls_per_s, "calls_per_s")
        usage.calls += 1
        return usage

    def _new(self, second: int) -> _Usage:
        """A key's first counts. Behind a gateway anybody may make up keys: now and then the idle ones are forgotten."""
        if len(self._usage) >= _KEYS_KEPT and self._swept_second != second:
            self._swept_second = second
            self._usage = {
                key: usage
                for key, usage in self._usage.items()
                if usage.in_flight or usage.streams or usage.second == second
            }
        return _Usage(second)


def _require(running: int, most: int, field: str) -> None:
    if running >= most:
        raise Refused(refusals_pb2.REFUSAL_RATE_LIMITED, required=most, actual=running + 1, field=field)
