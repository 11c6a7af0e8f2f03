"""The node while it is loaded, as its API and its metrics tell: height, queue, NAV, liquidations."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Final

import grpc
from prometheus_client.parser import text_string_to_metric_families

from breakwater.v1 import admin_pb2, common_pb2
from node.client import Client, RefusedError
from node.flow.settings import LoadError

_LOOK_S: Final = 0.5
_AGAIN_S: Final = 0.5
_METRICS_S: Final = 5.0


class Watch:
    """Looks from two threads, one for the numbers and one for the stream of liquidations, until it is ended."""

    def __init__(self, client: Client, venue: int, rulebook: int) -> None:
        """Begins to look."""
        self._client, self._venue, self._rulebook = client, venue, rulebook
        self._stop = threading.Event()
        self.first: admin_pb2.GetStatusResponse | None = None
        self.last: admin_pb2.GetStatusResponse | None = None
        self.most_queued = 0
        self.nav_atoms: int | None = None
        self.away_s = 0.0
        # When (monotonic clock, s), height and queue.
        self.looks: list[tuple[float, int, int]] = []
        self.liquidations: Counter[str] = Counter()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._look, self._follow)]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Looks no more; the connection is closed by whoever opened it, which ends the stream."""
        self._stop.set()
        self._threads[0].join(2 * _LOOK_S)

    def facts(self) -> dict[str, Any]:
        """What was seen, for a report."""
        if self.first is None or self.last is None:
            return {"answered": False}
        first, last = self.first, self.last
        return {
            "answered": True,
            "version": last.version,
            "transport": last.transport,
            "shards": last.shards,
            "journal": last.journal,
            "state": admin_pb2.NodeState.Name(last.state).removeprefix("NODE_STATE_"),
            "first_height": first.height,
            "last_height": last.height,
            "blocks": last.height - first.height,
            "validator_behind": last.height - last.validated_height,
            "most_queued_batches": self.most_queued,
            "rebuilds": last.rebuilds - first.rebuilds,
            "away_s": round(self.away_s, 1),
            "nav_atoms": self.nav_atoms,
            "liquidations": dict(self.liquidations),
        }

    def _look(self) -> None:
        while not self._stop.is_set():
            try:
                status = self._client.status()
                self.nav_atoms = self._nav()
            except (RefusedError, grpc.RpcError):
                self.away_s += _LOOK_S
            else:
                if self.first is None or status.height < self.first.height:
                    self.first = status
                self.last = status
                self.most_queued = max(self.most_queued, status.queued_batches)
                self.looks.append((time.monotonic(), status.height, status.queued_batches))
            self._stop.wait(_LOOK_S)

    def _nav(self) -> int | None:
        if self._rulebook == common_pb2.RULEBOOK_TWILIGHT:
            return self._client.pool(self._venue).nav_marked_atoms
        if self._rulebook == common_pb2.RULEBOOK_MARGIN_TRADE:
            return self._client.vault(venue=self._venue).nav_marked_atoms
        return None

    def _follow(self) -> None:
        while not self._stop.is_set():
            with suppress(RefusedError, grpc.RpcError, ValueError):  # ValueError: the channel was closed
                for event in self._client.stream_liquidations(self._venue):
                    self.liquidations[event.WhichOneof("body") or "unknown"] += 1
            self._stop.wait(_AGAIN_S)


def scraped(url: str) -> dict[str, float]:
    """Counters and sums of a node's metrics by name with labels. Raises LoadError where there are none."""
    try:
        with urllib.request.urlopen(url, timeout=_METRICS_S) as response:
            return dict(_samples(response.read().decode()))
    except (OSError, ValueError) as error:
        raise LoadError(f"the metrics of {url} cannot be read: {error}") from error


def _samples(text: str) -> Iterator[tuple[str, float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name.startswith("breakwater_") and not sample.name.endswith(("_bucket", "_created")):
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                yield sample.name + (f"{{{labels}}}" if labels else ""), sample.value
