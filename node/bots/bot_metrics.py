"""Prometheus metrics of a bot, on loopback; what `breakwater bot --metrics-port` and the house bot show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import prometheus_client
from prometheus_client.registry import CollectorRegistry

from breakwater.v1 import answers_pb2
from node.bots.intents import Intent
from node.bots.tally import is_win
from node.client.errors import refusal_name

LOOPBACK: Final = "127.0.0.1"
_ANSWER_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class BotMetrics:
    """The metrics of one process's bots, in a registry of their own or in one that is given; labels name the venue."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Nothing is served yet."""
        self.registry = registry or CollectorRegistry()
        self._wins = self._counter("wins", "Liquidations won")
        self._rewards = self._counter("rewards_atoms", "Rewards won, in atoms")
        self._refusals = prometheus_client.Counter(
            "breakwater_bot_refusals", "Calls refused, by reason", ["venue", "refusal"], registry=self.registry
        )
        self._lists = self._counter("lists", "Times all accounts were listed")
        self._breaks = self._counter("breaks", "Times the way to the node broke")
        self._answer = prometheus_client.Histogram(
            "breakwater_bot_answer_seconds",
            "From the feed a call was decided on to its answer",
            ["venue"],
            buckets=_ANSWER_SECONDS,
            registry=self.registry,
        )
        self._gauges = {
            name: prometheus_client.Gauge(f"breakwater_bot_{name}", text, ["venue"], registry=self.registry)
            for name, text in (
                ("height", "Newest block known"),
                ("below", "Accounts or positions that may be liquidated now"),
                ("calls", "Calls without an answer"),
            )
        }

    def answered(self, venue: int, intent: Intent, outcome: answers_pb2.CommandOutcome, latency_ms: float) -> None:
        """Counts an answer."""
        self._answer.labels(venue).observe(latency_ms / 1_000)
        if is_win(intent, outcome):
            self._wins.labels(venue).inc()
            self._rewards.labels(venue).inc(outcome.amount_atoms)
        elif outcome.refusal:
            self._refusals.labels(venue, refusal_name(outcome.refusal)).inc()

    def listed(self, venue: int) -> None:
        """Counts a listing."""
        self._lists.labels(venue).inc()

    def broken(self, venue: int) -> None:
        """Counts a break of the way."""
        self._breaks.labels(venue).inc()

    def watch(self, venue: int, values: dict[str, Callable[[], float]]) -> None:
        """Gauges `height`, `below` and `calls`, read at every scrape."""
        for name, value in values.items():
            self._gauges[name].labels(venue).set_function(value)

    def serve(self, port: int) -> tuple[str, Callable[[], None]]:
        """Serves the text format on loopback; returns its address and what stops it."""
        server, thread = prometheus_client.start_http_server(port, addr=LOOPBACK, registry=self.registry)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return f"{LOOPBACK}:{server.server_port}", stop

    def _counter(self, name: str, text: str) -> prometheus_client.Counter:
        return prometheus_client.Counter(f"breakwater_bot_{name}", text, ["venue"], registry=self.registry)
