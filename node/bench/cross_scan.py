"""The scan of cross-margin accounts: everybody looked at, and a tick too small for anybody to cross."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from actors.risk.cross_scan import (
    Int64Array,
    MarketAtMark,
    MarketColumns,
    PositionColumns,
    market_columns,
)
from actors.risk.slack_zones import SlackZones
from actors.risk.tiers import BTC_TIER_ROWS, ETH_TIER_ROWS, OTHER_TIER_ROWS, SOL_TIER_ROWS, tiers_of
from node.bench.table import Row
from node.bench.timing import percentile, times_ms

FULL_REACH_NS = 8.0
SKIP_REACH_MS = 1.0
MARKETS = 8
_MARK_TICKS = 100_000
_ATOMS_PER_TICK_LOT = 10
_MOST_LOTS = 10_000
_MOST_POSITIONS = 5
_SEED = 7
_TIERS = [tiers_of(rows) for rows in (BTC_TIER_ROWS, ETH_TIER_ROWS, SOL_TIER_ROWS, OTHER_TIER_ROWS)]


class _Accounts(NamedTuple):
    cash: Int64Array
    positions: PositionColumns


def rows(quick: bool) -> Iterator[Row]:
    """A million accounts with one to five positions; a quick run takes a tenth of them."""
    yield from scan_rows(100_000 if quick else 1_000_000, repeats=5 if quick else 10)


def scan_rows(accounts: int, repeats: int) -> Iterator[Row]:
    """Median time a position of a full scan, rows by account as a restart leaves them and in any order; then a skip.

    The peer computes equity and maintenance of the rows by account with NumPy and adds them up with reduceat.
    """
    ordered = _accounts(accounts)
    positions = ordered.positions.lots.size
    begins = np.flatnonzero(np.diff(ordered.positions.owner, prepend=-1))
    peer_ms = times_ms(lambda: _expect_nobody(_peer(ordered, _markets(0), begins)), min(repeats, 3))
    peer_ns = percentile(peer_ms, 50) * 1e6 / positions
    shuffled = np.random.default_rng(_SEED).permutation(positions)
    scattered = _Accounts(ordered.cash, ordered.positions.rows(shuffled))
    for book, order, reach in ((ordered, "by account", FULL_REACH_NS), (scattered, "shuffled", None)):
        zones = SlackZones()
        # A market more or less makes every zone new, so that each scan is a full one.
        full_ms = times_ms(lambda: _scan(zones, book, [_markets(0, extra) for extra in (1, 0)]), repeats)  # noqa: B023
        name = f"scan of {accounts:,} cross accounts, rows {order}, a position"
        scan_ms = percentile(full_ms, 50) / 2
        yield Row(name, scan_ms * 1e6 / positions, "ns", reach, "NumPy, reduceat by account", peer_ns)
    marks = [_markets(move) for move in (1, -1)]
    skip_ms = times_ms(lambda: _scan(zones, ordered, marks), repeats)
    name = f"scan of {accounts:,} cross accounts, a small tick"
    yield Row(name, percentile(skip_ms, 50) / 2, "ms", SKIP_REACH_MS, "all of them, shuffled", scan_ms)


def _accounts(accounts: int) -> _Accounts:
    """Positions at cost, long and short, in markets at random; cash that bears a move of some per cent."""
    draw = np.random.default_rng(_SEED)
    owner = np.repeat(np.arange(accounts, dtype=np.int64), draw.integers(1, _MOST_POSITIONS + 1, accounts))
    market = draw.integers(1, MARKETS + 1, owner.size, dtype=np.int64)
    lots = draw.integers(1, _MOST_LOTS, owner.size, dtype=np.int64) * draw.choice((-1, 1), owner.size)
    cost = lots * _MARK_TICKS * _ATOMS_PER_TICK_LOT
    gross = np.zeros(accounts, dtype=np.int64)
    np.add.at(gross, owner, np.abs(cost))
    cash = gross // 10 + draw.integers(0, 10**10, accounts, dtype=np.int64)
    return _Accounts(cash, PositionColumns(owner, market, lots, cost))


def _markets(move_ticks: int, extra: int = 0) -> MarketColumns:
    mark = _MARK_TICKS + move_ticks
    return market_columns(
        {
            market: MarketAtMark(mark, _ATOMS_PER_TICK_LOT, True, _TIERS[market % len(_TIERS)])
            for market in range(1, MARKETS + 1 + extra)
        }
    )


def _scan(zones: SlackZones, book: _Accounts, after_each_other: Iterable[MarketColumns]) -> None:
    nobody = (np.zeros(book.cash.size, dtype=np.int32), np.zeros(0, dtype=np.int32))
    for markets in after_each_other:
        found = zones.scan(book.cash, book.positions, markets, nobody)
        assert len(found) == 0, f"{len(found)} accounts are below, the book was made so that none is"


def _peer(book: _Accounts, markets: MarketColumns, begins: Int64Array) -> Int64Array:
    """What one would write with NumPy for tables of two tiers: columns as long as the positions, then sums a run."""
    _, market, lots, cost = book.positions
    values = lots * markets.lot_values[market]
    notionals = np.abs(values)
    low_rate, low_deduction, high_rate, high_deduction = markets.terms[:, -4:].T
    numerators = np.maximum(
        notionals * low_rate[market] - low_deduction[market], notionals * high_rate[market] - high_deduction[market]
    )
    divisors = markets.terms[:, 2][market] + 1
    required = np.add.reduceat((numerators + divisors - 1) // divisors, begins)
    return np.flatnonzero(book.cash + np.add.reduceat(values - cost, begins) < required)


def _expect_nobody(found: Int64Array) -> None:
    assert found.size == 0, f"{found.size} accounts are below, the book was made so that none is"
