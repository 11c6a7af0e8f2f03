"""The tables of docs/scaling.md, printed from the figures that the last sweep left in bench/scaling.json."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from node.bench.scaling.model import Cluster, Fit, block_us

FIGURES: Final = Path(__file__).resolve().parents[3] / "bench" / "scaling.json"
# What is computed: machines for shards and for books, orders a block, accounts.
CLUSTERS: Final = (
    Cluster(1, 1, 10_000),
    Cluster(2, 1, 10_000),
    Cluster(4, 2, 20_000),
    Cluster(10, 5, 50_000),
    Cluster(10, 5, 50_000, 10_000_000),
    Cluster(10, 5, 1_000),
)


@cache
def _figures() -> dict[str, Any]:
    facts: dict[str, Any] = orjson.loads(FIGURES.read_bytes())
    return facts


def points() -> str:
    """Every point of the sweeps."""
    facts = _figures()
    lines = [f"Measured on {facts['date']}, {facts['processors']} processors.", ""]
    lines += ["| transport | shards | accounts | markets | venues | orders a block | ms a block | orders/s |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for one in facts["points"]:
        per_s = f"{one['orders'] / one['block_ms'] * 1_000:,.0f}" if one["orders"] else ""
        counts = " | ".join(f"{one[name]:,}" for name in ("shards", "accounts", "markets", "venues", "orders"))
        lines.append(f"| {one['transport']} | {counts} | {one['block_ms']:.3g} | {per_s} |")
    return "\n".join(lines)


def positions() -> str:
    """Scans against positions."""
    lines = ["| positions | isolated, ms | cross, all of them, ms | cross, a small tick, ms |", "|---|---|---|---|"]
    for one in _figures()["positions"]:
        times = " | ".join(f"{one[name]:.3g}" for name in ("isolated_ms", "cross_ms", "cross_small_tick_ms"))
        lines.append(f"| {one['positions']:,} | {times} |")
    return "\n".join(lines)


def fits() -> str:
    """The model's costs, with what is left unexplained."""
    lines = ["| part | us a term | residual, rms | largest |", "|---|---|---|---|"]
    for one in _figures()["fits"]:
        costs = ", ".join(f"{term} {cost:.3g}" for term, cost in one["cost_us"].items())
        lines.append(f"| {one['part']} | {costs} | {one['residual']:.0%} | {one['worst']:.0%} |")
    lines.append(f"| door, sequencer and archive | order {_figures()['edge_us']:.3g} | | |")
    return "\n".join(lines)


def clusters() -> str:
    """What clusters would carry by the model over lanes, and what takes most of a block: that breaks first."""
    facts = _figures()
    known = {one["part"]: Fit(**one) for one in facts["fits"]}
    lines = ["| machines | shards | books | accounts | orders a block | ms a block | orders/s | breaks first |"]
    lines += ["|---|---|---|---|---|---|---|---|"]
    for cluster in CLUSTERS:
        spent = block_us(known, known["lane"], facts["edge_us"], cluster)
        total, (first, most) = sum(spent.values()), max(spent.items(), key=lambda part: part[1])
        counts = f"{cluster.machines} | {cluster.shards} | {cluster.books} | {cluster.accounts:,} | {cluster.orders:,}"
        rate = cluster.orders / total * 1e6
        lines.append(f"| {counts} | {total / 1_000:.3g} | {rate:,.0f} | {first} ({most / total:.0%}) |")
    return "\n".join(lines)
