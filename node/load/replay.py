"""A replay from beginning to end: a node of its own, the prices, the people, and what can be said afterwards."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from breakwater.v1 import batches_pb2, blocks_pb2
from node.load.child import ChildSettings, NodeChild
from node.load.conservation import Conservation, book_conservation, conservation
from node.load.driver import Driver, Progress
from node.load.link import NodeLink
from node.load.margin_trade.tally import BookTally, RungPoint
from node.load.options import ReplayOptions
from node.load.plan import Plan
from node.load.tally import LiquidationPoint, Tally

RECEIPTS_MAX = 6
VAULT = 0


@dataclass(frozen=True)
class ReplayResult:
    """What came of a replay. Times in seconds of the wall; everything else follows from the options."""

    options: ReplayOptions
    plan: Plan
    data_dir: Path
    tally: Tally | BookTally
    # A Twilight venue has a pool, a Margin Trade venue a backstop.
    pool: batches_pb2.PoolView
    backstop: batches_pb2.BackstopView
    conservation: Conservation
    final_height: int
    state_root: bytes
    providers: int
    wall_s: float
    sealing_s: float
    restarts: int
    validator_key: bytes
    receipts: Sequence[blocks_pb2.Receipt]


def replay(
    options: ReplayOptions, plan: Plan, data_dir: Path, log: Path, watch: Callable[[Progress], None]
) -> ReplayResult:
    """Start a node on data_dir, its output into `log`, drive the plan through it, and stop it. Raises ReplayError."""
    began = time.monotonic()
    child = NodeChild(ChildSettings(data_dir, options.shards, options.transport, log))
    with NodeLink(child) as link:
        driver = Driver(plan, link, watch)
        sealing_began = time.monotonic()
        driver.run()
        sealing_s = time.monotonic() - sealing_began
        venue, custody = plan.venue.venue, driver.population.custody
        pool, backstop = batches_pb2.PoolView(), batches_pb2.BackstopView()
        if plan.is_book:
            backstop = link.backstop(venue)
            accounts = link.accounts(venue, [VAULT, *driver.population.accounts])
            found = book_conservation(accounts, backstop, custody)
        else:
            pool = link.pool(venue)
            found = conservation(link.accounts(venue, driver.population.accounts), pool, custody)
        receipts = [link.receipt(*place) for place in telling(driver.tally)]
        return ReplayResult(
            options=options,
            plan=plan,
            data_dir=data_dir,
            tally=driver.tally,
            pool=pool,
            backstop=backstop,
            conservation=found,
            final_height=driver.final.height,
            state_root=driver.final.header.state_root,
            providers=driver.population.providers.count,
            wall_s=time.monotonic() - began,
            sealing_s=sealing_s,
            restarts=link.restarts,
            validator_key=link.validator_key(),
            receipts=receipts,
        )


def telling(tally: Tally | BookTally) -> list[tuple[int, int]]:
    """(height, event) of the few liquidations worth a receipt."""
    if isinstance(tally, BookTally):
        return _telling_rungs(tally)
    return [(point.height, point.event_index) for point in telling_liquidations(tally.liquidations)]


def telling_liquidations(liquidations: Sequence[LiquidationPoint]) -> list[LiquidationPoint]:
    """First, last, largest, worst deficit, and the first of each outcome."""
    if not liquidations:
        return []
    chosen = [
        liquidations[0],
        liquidations[-1],
        max(liquidations, key=lambda point: point.entry_value_atoms),
        max(liquidations, key=lambda point: point.deficit_atoms),
    ]
    first_of: dict[int, LiquidationPoint] = {}
    for point in liquidations:
        first_of.setdefault(point.outcome, point)
    chosen += first_of.values()
    return sorted(dict.fromkeys(chosen))[:RECEIPTS_MAX]


def _telling_rungs(tally: BookTally) -> list[tuple[int, int]]:
    """The first and the largest of every rung."""
    chosen: list[tuple[int, int]] = []
    for rung in tally.rung_counts():
        steps = [point for point in tally.rungs if point.rung == rung]
        if steps:
            chosen += _places((steps[0], max(steps, key=lambda point: point.notional_atoms)))
    return sorted(set(chosen))[:RECEIPTS_MAX]


def _places(points: Iterable[RungPoint]) -> list[tuple[int, int]]:
    return [(point.height, point.event_index) for point in points]
