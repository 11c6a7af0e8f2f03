"""`python -m node.bench.scaling`: sweeps, fits the model, writes bench/scaling.json; `make scaling` prints the page."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson

from cluster.garbage import collect_rarely
from node.bench.scaling import page, sweep
from node.bench.scaling.model import Fit, fit_hops, fit_parts
from node.bench.scaling.sweep import Point


def swept(say: Callable[[str], object], scratch: Path) -> dict[str, Any]:
    """Everything that is measured and fitted, as it is kept."""
    points: list[Point] = []

    def take(found: Iterable[Point]) -> None:
        for point in found:
            points.append(point)
            say(
                f"{point.transport}, {point.shards} shards, {point.accounts:,} accounts, {point.markets} markets, "
                f"{point.venues} venues, {point.orders:,} orders: {point.block_ms:.3g} ms a block"
            )

    take(map(sweep.measured_inline, sweep.inline_points()))
    for transport, shards in sweep.remote_places():
        take(sweep.measured_remote(transport, shards))
    scans = [sweep.measured_positions(positions) for positions in sweep.POSITIONS]
    with tempfile.TemporaryDirectory(prefix="scaling-", dir=scratch) as folder:
        stream_us = sweep.measured_stream(Path(folder)) * 1_000
    say(f"through a whole node in one process: {stream_us:.3g} us an order")
    return kept(points, scans, stream_us)


def kept(points: list[Point], scans: list[dict[str, float]], stream_us: float) -> dict[str, Any]:
    """The figures with the fits. What a stream costs beyond its blocks is the door's, sequencer's and archive's."""
    parts = fit_parts(points)
    hops: list[Fit] = [fit_hops(points, transport) for transport in sorted({one[0] for one in sweep.remote_places()})]
    full = next(point for point in points if point.is_base)
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "processors": os.cpu_count(),
        "points": [asdict(point) for point in points],
        "positions": scans,
        "fits": [fit.to_json() for fit in (*parts, *hops)],
        "edge_us": float(f"{max(0.0, stream_us - full.block_ms * 1_000 / full.orders):.4g}"),
    }


def main() -> None:
    """Measures for some minutes; nothing else should run meanwhile."""
    collect_rarely()
    begun_s = time.monotonic()
    scratch = Path("runs")
    scratch.mkdir(exist_ok=True)
    facts = swept(lambda text: print(text, file=sys.stderr, flush=True), scratch)
    page.FIGURES.write_bytes(orjson.dumps(facts, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    print(f"{len(facts['points'])} points in {time.monotonic() - begun_s:.0f} s: {page.FIGURES.name}")


if __name__ == "__main__":
    main()
