"""A replay from beginning to end: a node of its own, the prices, the people, and what can be said afterwards."""

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from node.load.child import ChildSettings, NodeChild
from node.load.command_tally import CommandTally
from node.load.driver import Driver, Progress
from node.load.link import NodeLink
from node.load.options import ReplayOptions
from node.load.plan import Plan
from node.load.result import ReplayResult, venue_result
from node.load.rung_tally import RungPoint, RungTally
from node.load.tally import LiquidationPoint, Tally

RECEIPTS_MAX = 6


def replay(
    options: ReplayOptions, plans: Sequence[Plan], data_dir: Path, log: Path, watch: Callable[[Progress], None]
) -> ReplayResult:
    """Start a node on data_dir, its output into `log`, drive the plans through it, and stop it. Raises ReplayError."""
    began = time.monotonic()
    child = NodeChild(ChildSettings(data_dir, options.shards, options.transport, log))
    with NodeLink(child) as link:
        driver = Driver(plans, link, watch)
        sealing_began = time.monotonic()
        driver.run()
        sealing_s = time.monotonic() - sealing_began
        venues = [venue_result(link, run) for run in driver.runs]
        receipts = [link.receipt(*place) for run in driver.runs for place in telling(run.tally)]
        return ReplayResult(
            options=options,
            data_dir=data_dir,
            venues=venues,
            final_height=driver.final.height,
            state_root=driver.final.header.state_root,
            wall_s=time.monotonic() - began,
            sealing_s=sealing_s,
            restarts=link.restarts,
            validator_key=link.validator_key(),
            receipts=receipts,
        )


def telling(tally: CommandTally) -> list[tuple[int, int]]:
    """(height, event) of the few liquidations worth a receipt."""
    if isinstance(tally, RungTally):
        return _telling_rungs(tally)
    assert isinstance(tally, Tally), "a tally counts either rungs or liquidations"
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


def _telling_rungs(tally: RungTally) -> list[tuple[int, int]]:
    """The first and the largest of every rung."""
    chosen: list[tuple[int, int]] = []
    for rung in tally.rung_counts():
        steps = [point for point in tally.rungs if point.rung == rung]
        if steps:
            chosen += _places((steps[0], max(steps, key=lambda point: point.notional_atoms)))
    return sorted(set(chosen))[:RECEIPTS_MAX]


def _places(points: Iterable[RungPoint]) -> list[tuple[int, int]]:
    return [(point.height, point.event_index) for point in points]
