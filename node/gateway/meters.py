"""Prometheus metrics of a gateway: how calls ended, which were sent again, who sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import prometheus_client
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry


class GatewayMeters:
    """The metrics of one gateway, in a registry of their own."""

    def __init__(self) -> None:
        """Nothing is served yet."""
        self.registry = CollectorRegistry()
        self._ended = prometheus_client.Counter(
            "breakwater_gateway_errors",
            "Calls and streams ended by an error, by its gRPC status",
            ["status"],
            registry=self.registry,
        )
        self.sent_again = prometheus_client.Counter(
            "breakwater_gateway_sent_again", "Calls sent to a node a second time or more", registry=self.registry
        )
        self.changes = prometheus_client.Counter(
            "breakwater_gateway_node_changes",
            "Times another node became the one that sequences",
            registry=self.registry,
        )

    def ended(self, status: str) -> None:
        """Counts a call that ended by an error."""
        self._ended.labels(status).inc()

    def watch(self, in_flight: Callable[[], tuple[int, int]], serving: Callable[[], dict[str, bool]]) -> None:
        """Gauges read at every scrape: calls and streams in flight, and whether each node sequences."""
        self.registry.register(_Gauges(in_flight, serving))


class _Gauges(Collector):
    def __init__(self, in_flight: Callable[[], tuple[int, int]], serving: Callable[[], dict[str, bool]]) -> None:
        self._in_flight = in_flight
        self._serving = serving

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        calls, streams = self._in_flight()
        yield GaugeMetricFamily("breakwater_gateway_calls_in_flight", "Single calls on their way", calls)
        yield GaugeMetricFamily("breakwater_gateway_streams", "Streams that are open", streams)
        nodes = GaugeMetricFamily("breakwater_gateway_node_serves", "1 for the node that sequences", labels=["node"])
        for address, serves in self._serving().items():
            nodes.add_metric([address], float(serves))
        yield nodes
