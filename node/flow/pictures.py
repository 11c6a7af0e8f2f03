"""The pictures of a load: latencies by percentile, rate and latency over time, who made the orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.figure import Figure

from node.flow.kernels.rows import NAMES

_SIZE: Final = (9, 5)
_DPI: Final = 110
_NINES: Final = (0.0, 50.0, 90.0, 99.0, 99.9, 99.99, 99.999)


def draw_latency(path: Path, histograms: Mapping[str, Any]) -> None:
    """Milliseconds by percentile, each nine as wide as the one before."""
    figure = Figure(figsize=_SIZE)
    axes = figure.subplots()
    parts = np.concatenate([np.linspace(0, 90, 91), 100 - 10 ** np.linspace(1, -3, 81)])
    # Where the two are the same both are seen.
    for (name, histogram), style in zip(histograms.items(), ("-", "--"), strict=False):
        times = [max(0.001, histogram.get_value_at_percentile(float(part)) / 1_000) for part in parts]
        axes.plot(-np.log10(1 - parts / 100), times, style, label=name)
    axes.set_yscale("log")
    axes.set_xticks([-np.log10(1 - part / 100) for part in _NINES], [f"{part:g}%" for part in _NINES])
    axes.set_xlabel("part of the commands")
    axes.set_ylabel("milliseconds to the durable answer")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    _save(figure, path)


def draw_rate(path: Path, seconds: Sequence[Mapping[str, Any]]) -> None:
    """Commands sent, answered and not sent a second; below it p50 and p99 of each second."""
    figure = Figure(figsize=_SIZE)
    above, below = figure.subplots(2, 1, sharex=True)
    at = [one["second"] for one in seconds]
    for name in ("sent", "answered", "refused", "unsent"):
        above.plot(at, [one[name] for one in seconds], label=name)
    for name in ("p50_ms", "p99_ms"):
        below.plot(at, [max(0.001, one[name]) for one in seconds], label=name.replace("_ms", ""))
    below.set_yscale("log")
    above.set_ylabel("commands a second")
    below.set_ylabel("milliseconds")
    below.set_xlabel("seconds")
    for axes in (above, below):
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    _save(figure, path)


def draw_shares(path: Path, seconds: Sequence[Mapping[str, Any]]) -> None:
    """Commands made a second by each archetype, on top of each other."""
    figure = Figure(figsize=_SIZE)
    axes = figure.subplots()
    made = np.array([one["made"] for one in seconds]).reshape(len(seconds), len(NAMES)).T
    axes.stackplot([one["second"] for one in seconds], made, labels=NAMES)
    axes.set_xlabel("seconds")
    axes.set_ylabel("commands made a second")
    axes.legend(loc="upper left")
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI)
