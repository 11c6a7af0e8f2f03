"""The scan of isolated positions nobody of whom is below: the liquidation index against reading every threshold."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from actors.risk.liquidation_index import EMPTY_SHORT, LiquidationIndex
from actors.units import LONG, SHORT
from node.bench.table import Row
from node.bench.timing import percentile, times_ms

MARK_TICKS = 100_000
FAR_TICKS = 40_000
REACH_MS = 1.0
_SEED = 7


def rows(quick: bool) -> Iterator[Row]:
    """100,000 and ten million positions; a quick run takes one million, which are built sooner."""
    for positions in (100_000, 1_000_000 if quick else 10_000_000):
        yield scan_row(positions, repeats=10 if quick else 30)


def scan_row(positions: int, repeats: int) -> Row:
    """Median time of one scan; the peer compares every threshold of the same arrays with the mark."""
    index, longs, shorts = _book(positions)
    ours = times_ms(lambda: _expect_nobody(index.scan(MARK_TICKS)), repeats, warm=2)

    def read_all() -> None:
        _expect_nobody(np.concatenate([np.flatnonzero(longs >= MARK_TICKS), np.flatnonzero(shorts <= MARK_TICKS)]))

    peer = times_ms(read_all, min(repeats, 10), warm=1)
    name = f"scan of {positions:,} isolated positions, nobody below"
    return Row(name, percentile(ours, 50), "ms", REACH_MS, "NumPy, every threshold", percentile(peer, 50))


def _book(positions: int) -> tuple[LiquidationIndex, np.ndarray, np.ndarray]:
    """Longs and shorts in turn, their thresholds spread over the ticks on the far side of the mark."""
    draw = np.random.default_rng(_SEED)
    slots = np.arange(positions, dtype=np.int64)
    sides = np.where(slots % 2 == 0, LONG, SHORT).astype(np.int64)
    away = draw.integers(1, FAR_TICKS, positions, dtype=np.int64)
    thresholds = np.where(sides == LONG, MARK_TICKS - away, MARK_TICKS + away)
    index = LiquidationIndex(positions)
    index.set_many(slots, sides, thresholds)
    longs = np.where(sides == LONG, thresholds, 0)
    shorts = np.where(sides == SHORT, thresholds, EMPTY_SHORT)
    return index, longs, shorts


def _expect_nobody(found: np.ndarray) -> None:
    assert found.size == 0, f"{found.size} positions are below, the book was made so that none is"
