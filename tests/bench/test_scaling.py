"""The sweeps on small worlds, the model on points that follow it, and the page."""

from dataclasses import replace

import pytest

from cluster.transport.inline import InlineTransport
from node.bench.margin_world import MarginWorld
from node.bench.scaling import page, sweep
from node.bench.scaling.__main__ import kept
from node.bench.scaling.model import TERMS, Cluster, Fit, block_us, fit_hops, fit_parts
from node.bench.scaling.sweep import Point, inline_points, measured_inline, part_of, remote_places

# Microseconds a term, of a node that is exactly as the model says.
TRUE = {
    "node": {"block": 300, "order": 0.5, "shard": 100, "market": 2, "venue": 40},
    "shards": {"block": 500, "order": 1.5, "shard": 200, "market": 1, "venue": 80, "order and tenfold accounts": 0.1},
    "books": {"block": 50, "order": 0.25, "market": 10, "venue": 20},
    "others": {"block": 90, "order": 0.125, "shard": 7, "market": 3, "venue": 11},
}
HOPS = {"lane": {"block": 400, "shard": 60}, "ray": {"block": 2_000, "shard": 500}}


def amount(term: str, point: Point) -> float:
    """How much of a term a point has."""
    tenfold = {1_000: 0, 100_000: 2, 1_000_000: 3}[point.accounts]
    return {
        "block": 1,
        "order": point.orders,
        "shard": point.shards - 1,
        "market": point.markets - 1,
        "venue": point.venues - 1,
        "order and tenfold accounts": point.orders * tenfold,
    }[term]


def exact(point: Point) -> Point:
    """The point as the true node has it."""
    took = {part: sum(cost * amount(term, point) for term, cost in TRUE[part].items()) / 1_000 for part in TERMS}
    block_ms = sum(took.values())
    if point.transport != "inline":
        return replace(
            point, block_ms=block_ms + sum(c * amount(t, point) for t, c in HOPS[point.transport].items()) / 1_000
        )
    parts = {f"{part}_ms": took[part] for part in ("shards", "books", "others")}
    return replace(point, block_ms=block_ms, **parts)


@pytest.fixture(scope="module")
def points() -> list[Point]:
    """Every point of the sweeps, exact."""
    remote = [
        Point(transport=name, shards=shards, orders=orders)
        for name, shards in remote_places()
        for orders in (0, 10_000)
    ]
    return [exact(point) for point in [*inline_points(), *remote]]


def test_the_model_finds_what_the_points_follow(points: list[Point]) -> None:
    for fit in fit_parts(points):
        assert fit.cost_us == pytest.approx(TRUE[fit.part], rel=1e-6)
        assert fit.worst < 1e-6
    for transport, costs in HOPS.items():
        assert fit_hops(points, transport).cost_us == pytest.approx(costs, rel=1e-6)


def test_a_point_that_is_off_is_a_residual(points: list[Point]) -> None:
    off = [replace(one, block_ms=one.block_ms * 1.5) if one.markets == 100 else one for one in points]
    node = fit_parts(off)[0]
    assert node.worst > 0.01
    assert 0 < node.residual < node.worst


def test_nothing_costs_less_than_nothing(points: list[Point]) -> None:
    fewer = [
        replace(one, block_ms=one.block_ms - 0.2) if one.venues == 4 and one.transport == "inline" else one
        for one in points
    ]
    assert min(fit_parts(fewer)[0].cost_us.values()) == 0


def test_the_sweeps_change_one_thing_at_a_time() -> None:
    base = Point()
    for point in inline_points():
        changed = [
            name for name in ("shards", "accounts", "markets", "venues") if getattr(point, name) != getattr(base, name)
        ]
        assert len(changed) <= 1
    assert {point.shards for point in inline_points()} == {1, 2, 4}
    assert {point.accounts for point in inline_points()} == {1_000, 100_000, 1_000_000}
    assert {point.markets for point in inline_points()} == {1, 10, 100}
    assert {point.venues for point in inline_points()} == {1, 4}


def test_a_block_is_taken_apart() -> None:
    point = measured_inline(Point(shards=2, accounts=40, markets=2, orders=100), blocks=2)
    assert point.node_ms is not None
    assert min(point.node_ms, point.shards_ms or 0, point.books_ms or 0, point.others_ms or 0) > 0
    assert [part_of(name) for name in ("shard/1", "book/2/1", "backstop/2")] == ["shards", "books", "others"]


def test_venues_are_served_in_turn() -> None:
    world = MarginWorld(InlineTransport(1), 1, venues=2)
    world.found(40, 100)
    before = len(world.frames)
    assert min(world.step() for _ in range(2)) > 0
    assert len(world.frames) == before + 2


def test_a_cluster_divides_the_work_of_shards_and_books() -> None:
    fits = {part: Fit(part, costs, 0, 0) for part, costs in TRUE.items()}
    hop = Fit("lane", HOPS["lane"], 0, 0)
    one = block_us(fits, hop, 1.0, Cluster(1, 1, 1_000))
    many = block_us(fits, hop, 1.0, Cluster(10, 5, 1_000))
    assert one["shards"] == 500 + 1_500
    assert many["shards"] == 500 + 150
    assert (one["books"], many["books"]) == (50 + 250, 50 + 50)
    assert many["hops"] == 400 + 9 * 60
    assert many["the node's door, sequencer and archive"] == 1_000
    assert Cluster(10, 5, 1).machines == 16


def test_the_page_is_printed_from_what_is_kept(points: list[Point], monkeypatch: pytest.MonkeyPatch) -> None:
    scans = [{"positions": 100_000, "isolated_ms": 0.01, "cross_ms": 1.0, "cross_small_tick_ms": 0.1}]
    facts = kept(points, scans, stream_us=5.0)
    full_us = next(one for one in points if one.is_base).block_ms * 1_000 / sweep.ORDERS
    assert facts["edge_us"] == pytest.approx(5.0 - full_us, rel=1e-3)
    monkeypatch.setattr(page, "_figures", lambda: facts)
    assert f"Measured on {facts['date']}" in page.points()
    assert page.points().count("\n") == len(points) + 3
    assert "| 100,000 | 0.01 | 1 | 0.1 |" in page.positions()
    assert "order 0.5, " in page.fits()
    assert "| 16 | 10 | 5 | 1,000 | 50,000 |" in page.clusters()
    assert "the node's door" in page.clusters()
