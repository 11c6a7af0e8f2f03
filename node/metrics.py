"""Prometheus metrics of a node: counters kept at the door, gauges read from the host when somebody scrapes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

import prometheus_client
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from breakwater.v1 import admin_pb2

# States in which commands are taken.
TAKING: Final = (admin_pb2.NODE_STATE_READY, admin_pb2.NODE_STATE_DEGRADED)
LOOPBACK: Final = "127.0.0.1"
_BLOCK_SECONDS: Final = (0.002, 0.004, 0.006, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class Metrics:
    """The metrics of one node, in a registry of their own so that two nodes of a process do not mix."""

    def __init__(self) -> None:
        """Nothing is served yet."""
        self.registry = CollectorRegistry()
        self._refusals = prometheus_client.Counter(
            "breakwater_refusals", "Refusals answered, by name", ["refusal"], registry=self.registry
        )
        self._rows = prometheus_client.Counter(
            "breakwater_commands", "Commands answered, by what came of them", ["status"], registry=self.registry
        )
        self._answer = prometheus_client.Histogram(
            "breakwater_answer_seconds",
            "From a batch at the door to its answer, durable",
            buckets=_BLOCK_SECONDS,
            registry=self.registry,
        )
        self._interval = prometheus_client.Histogram(
            "breakwater_block_interval_seconds", "Between two blocks", buckets=_BLOCK_SECONDS, registry=self.registry
        )
        self._journal_lag = prometheus_client.Histogram(
            "breakwater_journal_lag_seconds",
            "From the time of a block to its being durable",
            buckets=_BLOCK_SECONDS,
            registry=self.registry,
        )
        self._events = prometheus_client.Counter(
            "breakwater_events", "Events of committed blocks", registry=self.registry
        )
        self._dropped = prometheus_client.Counter(
            "breakwater_dropped_readers", "Readers of streams dropped for being slow", registry=self.registry
        )
        self._last_block_s: float | None = None

    def refused(self, refusal: str) -> None:
        """Counts an error the door answered."""
        self._refusals.labels(refusal).inc()

    def answered(self, accepted: int, refused: int, seconds: float) -> None:
        """Counts the rows of a batch and how long its answer took."""
        self._answer.observe(seconds)
        if accepted:
            self._rows.labels("accepted").inc(accepted)
        if refused:
            self._rows.labels("refused").inc(refused)

    def committed(self, events: int, journal_lag_s: float | None) -> None:
        """Counts a durable block; the lag is from its block time, None where a driver brings the time."""
        if journal_lag_s is not None:
            self._journal_lag.observe(journal_lag_s)
        now_s = time.monotonic()
        if self._last_block_s is not None:
            self._interval.observe(now_s - self._last_block_s)
        self._last_block_s = now_s
        self._events.inc(events)

    def reader_dropped(self) -> None:
        """Counts a reader that fell too far behind."""
        self._dropped.inc()

    def watch(self, status: Callable[[], admin_pb2.GetStatusResponse], door: Callable[[], dict[str, int]]) -> None:
        """Gauges of the host's status and of the door (name -> value), read at every scrape."""
        self.registry.register(_Gauges(status, door))

    def serve(self, port: int) -> tuple[str, Callable[[], None]]:
        """Serves the text format on loopback; returns its address and what stops it."""
        return serve_registry(self.registry, port)


def serve_registry(registry: CollectorRegistry, port: int) -> tuple[str, Callable[[], None]]:
    """Serves the metrics of a registry in the text format on loopback; returns the address and what stops it."""
    server, thread = prometheus_client.start_http_server(port, addr=LOOPBACK, registry=registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return f"{LOOPBACK}:{server.server_port}", stop


class _Gauges(Collector):
    def __init__(self, status: Callable[[], admin_pb2.GetStatusResponse], door: Callable[[], dict[str, int]]) -> None:
        self._status = status
        self._door = door

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        status = self._status()
        yield GaugeMetricFamily("breakwater_height", "Last durable block", status.height)
        yield GaugeMetricFamily("breakwater_validated_height", "Last signed block", status.validated_height)
        yield GaugeMetricFamily(
            "breakwater_validator_lag_blocks", "Blocks not yet signed", status.height - status.validated_height
        )
        yield GaugeMetricFamily("breakwater_queued_batches", "Batches waiting for a block", status.queued_batches)
        yield GaugeMetricFamily(
            "breakwater_snapshot_age_blocks", "Blocks since the last snapshot", status.height - status.snapshot_height
        )
        yield GaugeMetricFamily("breakwater_block_time_ms", "Block time of the last block", status.block_time_ms)
        states = GaugeMetricFamily("breakwater_state", "1 for the state the node is in", labels=["state"])
        for name, number in admin_pb2.NodeState.items():
            if number:
                states.add_metric([name.removeprefix("NODE_STATE_").lower()], float(status.state == number))
        yield states
        yield GaugeMetricFamily("breakwater_rebuilds", "Actors made again since the start", status.rebuilds)
        yield GaugeMetricFamily(
            "breakwater_voided_commands", "Commands no block could be made with", status.voided_commands
        )
        yield GaugeMetricFamily("breakwater_epoch", "Epoch of the journal's lease", status.epoch)
        yield GaugeMetricFamily("breakwater_serving", "1 while blocks are taken", float(status.state in TAKING))
        for name, value in self._door().items():
            yield GaugeMetricFamily(f"breakwater_door_{name}", f"Door: {name.replace('_', ' ')}", value)
