"""A load from beginning to end: the stage is set, the processes start together, what they say is shown and reported."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event
from typing import Any, Final

import numpy as np

from node.client import Client
from node.flow.crew import Hand
from node.flow.prices import STEP_S
from node.flow.report import figures, write_report
from node.flow.scenery import Scene
from node.flow.settings import LoadError, LoadSettings, Part
from node.flow.sheet import Sheet
from node.flow.stage import Stage, shares_of
from node.flow.watching import Watch, scraped

_AHEAD_S: Final = 0.3
_LOOK_S: Final = 0.25
# Answers to what was sent at the very end, and what was asked again.
_LAST_S: Final = 20.0

Show = Callable[[Sheet, Watch], None]


def run_load(
    client: Client, settings: LoadSettings, stage: Stage, metrics: str, folder: Path, command: Sequence[str], show: Show
) -> dict[str, Any]:
    """Runs it and writes the report into the folder; its figures. An interrupt ends it early, with a report.

    `metrics` is the URL of the node's, or nothing. Raises LoadError.
    """
    np.save(folder / "prices.npy", stage.prices)
    before = scraped(metrics) if metrics else {}
    watch = Watch(client, settings.venue, stage.venue.rulebook)
    sheet = Sheet(time.monotonic())
    hands: list[Hand] = []
    try:
        _start(hands, stage, settings, sheet, folder / "prices.npy")
        ended_s = _look_on(sheet, watch, settings, show)
    finally:
        for hand in hands:
            hand.end()
        watch.end()
    facts = figures(settings, sheet, watch, max(0.001, ended_s - sheet.start_s))
    if metrics:
        try:
            facts["node"]["metrics"] = _moved(before, scraped(metrics))
        except LoadError as error:  # the node may be gone by now; the report is not
            facts["failures"].append(str(error))
    write_report(folder, facts, sheet, command)
    return facts


def _start(hands: list[Hand], stage: Stage, settings: LoadSettings, sheet: Sheet, prices: Path) -> None:
    """Starts every process and lets them begin at one moment. Raises LoadError where one does not come up."""
    run = uuid.uuid4().hex[:8]
    for worker, accounts in enumerate(shares_of(stage.accounts, settings.processes)):
        part = Part(
            settings,
            worker,
            run,
            stage.venue.rulebook,
            stage.venue.asset_decimals,
            stage.markets,
            tuple(accounts),
            str(prices.resolve()),
            STEP_S,
        )
        hands.append(_hand(worker, part, sheet))
    numbers = tuple(one.market for one in stage.markets)
    scene = Scene(
        settings,
        numbers,
        stage.publishers,
        str(prices.resolve()),
        STEP_S,
        stage.bot,
        stage.providers,
        stage.provide_atoms,
    )
    hands.append(Hand("node.flow.scenery", scene.line(), sheet.scenery.update, Event().set))
    for hand in hands:
        if not hand.wait_ready():
            raise LoadError(f"a process of the load ended before it was ready: {hand.complaint}")
    sheet.start_s = time.monotonic() + _AHEAD_S
    for hand in hands:
        hand.start(sheet.start_s)


def _hand(worker: int, part: Part, sheet: Sheet) -> Hand:
    return Hand(
        "node.flow.worker",
        part.line(),
        lambda facts: sheet.take(worker, facts),
        lambda: sheet.gone(worker),
    )


def _look_on(sheet: Sheet, watch: Watch, settings: LoadSettings, show: Show) -> float:
    """Until every worker said its last, or should have; when the sending ended (monotonic clock, s)."""
    deadline_s = sheet.start_s + settings.seconds + _LAST_S
    try:
        while len(sheet.done) < settings.processes and time.monotonic() < deadline_s:
            time.sleep(_LOOK_S)
            show(sheet, watch)
    except KeyboardInterrupt:
        sheet.failures.append("interrupted")
    return min(time.monotonic(), sheet.start_s + settings.seconds)


def _moved(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """Counters by how much they grew, gauges too; what did not move is left out."""
    moved = {name: value - before.get(name, 0.0) for name, value in after.items()}
    return {name: value for name, value in sorted(moved.items()) if value}
