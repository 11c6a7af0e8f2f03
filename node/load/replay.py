"""A replay from beginning to end: a node of its own, the prices, the people, and what can be said afterwards."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from breakwater.v1 import batches_pb2, blocks_pb2
from node.load.bars import Bar, read_bars
from node.load.child import ChildSettings, NodeChild
from node.load.conservation import Conservation, conservation
from node.load.crash import crash_bars
from node.load.driver import Driver, Plan, Progress, ReplayError
from node.load.link import NodeLink
from node.load.price_path import PricePoint, price_path
from node.load.tally import LiquidationPoint, Tally
from node.presets import twilight_venue

RECEIPTS_MAX = 6


@dataclass(frozen=True)
class ReplayOptions:
    """What a replay is asked to do. prices None: the seeded crash."""

    venue: str
    prices: Path | None
    traders: int
    seed: int
    shards: int
    transport: str
    ticks_per_bar: int
    rules: str = "safe"


@dataclass(frozen=True)
class ReplayResult:
    """What came of a replay. Times in seconds of the wall; everything else follows from the options."""

    options: ReplayOptions
    data_dir: Path
    points: Sequence[PricePoint]
    tally: Tally
    pool: batches_pb2.PoolView
    conservation: Conservation
    final_height: int
    state_root: bytes
    providers: int
    wall_s: float
    sealing_s: float
    restarts: int
    validator_key: bytes
    receipts: Sequence[blocks_pb2.Receipt]


def plan_of(options: ReplayOptions) -> Plan:
    """Venue, market, prices and people. Raises ReplayError, or PriceFileError for what is wrong in the file."""
    venue, (market,) = twilight_venue(options.rules)
    if venue.name != options.venue:
        raise ReplayError(f"no venue is named {options.venue!r}; there is {venue.name}")
    points = price_path(_bars(options), options.ticks_per_bar, market.tick_size_e9)
    return Plan(venue, market, points, options.seed, options.traders)


def _bars(options: ReplayOptions) -> list[Bar]:
    return crash_bars(options.seed) if options.prices is None else read_bars(options.prices)


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
        venue = plan.venue.venue
        pool = link.pool(venue)
        accounts = link.accounts(venue, driver.population.accounts)
        receipts = [link.receipt(point.height, point.event_index) for point in telling(driver.tally.liquidations)]
        return ReplayResult(
            options=options,
            data_dir=data_dir,
            points=plan.points,
            tally=driver.tally,
            pool=pool,
            conservation=conservation(accounts, pool, driver.population.custody),
            final_height=driver.final.height,
            state_root=driver.final.header.state_root,
            providers=driver.population.providers.count,
            wall_s=time.monotonic() - began,
            sealing_s=sealing_s,
            restarts=link.restarts,
            validator_key=link.validator_key(),
            receipts=receipts,
        )


def telling(liquidations: Sequence[LiquidationPoint]) -> list[LiquidationPoint]:
    """The few liquidations worth a receipt: first, last, largest, worst deficit, and the first of each outcome."""
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
