"""The model: what a block costs, from the points of the sweeps by least squares, and what a cluster would carry by it.

Every part of a node has a time of its own, linear in what it has to do:

    node    = a0 + a1 * orders + a2 * shards + a3 * markets + a4 * venues
    shards  = b0 + b1 * orders + b2 * shards + b3 * markets + b4 * venues + b5 * orders * log10(accounts / 1,000)
    books   = c0 + c1 * orders + c2 * markets + c3 * venues
    others  = d0 + d1 * orders + d2 * shards + d3 * markets + d4 * venues
    hops    = e0 + e1 * shards, what a quiet block takes longer than inline, over lanes and over Ray each

Residuals are relative: points of 1 ms and of 100 ms count alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import Any, Final

import numpy as np

from node.bench.scaling.sweep import Point

# Part -> what its time is linear in.
TERMS: Final = {
    "node": ("block", "order", "shard", "market", "venue"),
    "shards": ("block", "order", "shard", "market", "venue", "order and tenfold accounts"),
    "books": ("block", "order", "market", "venue"),
    "others": ("block", "order", "shard", "market", "venue"),
}
# What costs less is lost in the clock.
_LEAST_MS: Final = 0.01
_FEW_ACCOUNTS: Final = 1_000


@dataclass(frozen=True)
class Fit:
    """A part's cost a term in microseconds, and the relative residuals: the root of their mean square, the largest."""

    part: str
    cost_us: dict[str, float]
    residual: float
    worst: float

    def to_json(self) -> dict[str, Any]:
        """As it is kept."""
        costs = {term: float(f"{cost:.4g}") for term, cost in self.cost_us.items()}
        return {"part": self.part, "cost_us": costs, "residual": round(self.residual, 4), "worst": round(self.worst, 4)}


def fit_parts(points: Sequence[Point]) -> list[Fit]:
    """One fit a part, from the points that know their parts."""
    known = [point for point in points if point.node_ms is not None]
    fits = []
    for part, terms in TERMS.items():
        # Of a block without orders the books hear nothing.
        rows = [(_features(terms, one), part_ms(one, part)) for one in known if part_ms(one, part)]
        fits.append(_fit(part, terms, rows))
    return fits


def fit_hops(points: Sequence[Point], transport: str) -> Fit:
    """What travelling adds to a quiet block."""
    inline = {one.shards: one.block_ms for one in points if one.transport == "inline" and one.orders == 0}
    remote = [one for one in points if one.transport == transport and one.orders == 0]
    terms = ("block", "shard")
    return _fit(transport, terms, [(_features(terms, one), one.block_ms - inline[one.shards]) for one in remote])


def part_ms(point: Point, part: str) -> float:
    """What a part took of a block."""
    found: float = getattr(point, f"{part}_ms")
    return found


def _features(terms: Sequence[str], point: Point) -> list[float]:
    """A block's amount of every term. Venues go round: an order is in one of them, a book in one of its markets."""
    many = log10(point.accounts / _FEW_ACCOUNTS)
    amounts = {
        "block": 1.0,
        "order": float(point.orders),
        "shard": point.shards - 1.0,
        "market": point.markets - 1.0,
        "venue": point.venues - 1.0,
        "order and tenfold accounts": point.orders * many,
    }
    return [amounts[term] for term in terms]


def _fit(part: str, terms: Sequence[str], rows: Sequence[tuple[list[float], float]]) -> Fit:
    features = np.array([amounts for amounts, _ in rows])
    taken = np.maximum(np.array([taken_ms for _, taken_ms in rows]), _LEAST_MS)
    solved = _least_squares(features / taken[:, None])
    off = np.abs(features @ solved / taken - 1)
    costs = {term: float(cost) * 1_000 for term, cost in zip(terms, solved, strict=True)}
    return Fit(part, costs, float(np.sqrt(np.mean(off**2))), float(off.max()))


def _least_squares(scaled: np.ndarray) -> np.ndarray:
    """What adds up to 1 in every row as nearly as can be. Nothing costs less than nothing: such a term is left out."""
    solved, left = np.zeros(scaled.shape[1]), list(range(scaled.shape[1]))
    while left:
        found, *_ = np.linalg.lstsq(scaled[:, left], np.ones(len(scaled)), rcond=None)
        if found.min() >= 0:
            solved[left] = found
            break
        del left[int(found.argmin())]
    return solved


@dataclass(frozen=True)
class Cluster:
    """Machines as large as the measured one, and who is where. The node's door and archive share its process."""

    shards: int
    books: int
    orders: int
    accounts: int = _FEW_ACCOUNTS

    @property
    def machines(self) -> int:
        """One for the node, one a shard, one a book; the standby of the node is not counted."""
        return 1 + self.shards + self.books


def block_us(fits: dict[str, Fit], hop: Fit, edge_us: float, cluster: Cluster) -> dict[str, float]:
    """Microseconds of a block of a cluster, by what it is spent on. Shards work side by side, and so do books.

    `edge_us`: an order's cost at the node outside of its block (gRPC, sequencer, archive), in the same interpreter.
    """
    orders, others = cluster.orders, cluster.shards - 1
    spread = orders * log10(cluster.accounts / _FEW_ACCOUNTS)
    node, shards, books, desks = (fits[part].cost_us for part in TERMS)
    a_shard = shards["order"] * orders + shards["order and tenfold accounts"] * spread
    return {
        "the node's door, sequencer and archive": edge_us * orders,
        "the node's part of the block": node["block"]
        + node["order"] * orders
        + node["shard"] * others
        + node["market"] * (cluster.books - 1),
        "shards": shards["block"] + a_shard / cluster.shards,
        "books": books["block"] + books["order"] * orders / cluster.books,
        "other actors": desks["block"] + desks["order"] * orders + desks["shard"] * others,
        "hops": hop.cost_us["block"] + hop.cost_us["shard"] * others,
    }
