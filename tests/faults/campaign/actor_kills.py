"""Kills of every actor at every phase: the campaign of tests/faults/kills, which has options of its own."""

from __future__ import annotations

from pathlib import Path

from tests.faults.kills import state
from tests.faults.kills.__main__ import campaign
from tests.faults.verdict import Amount, Report

TITLE = "kill -9 of every actor on Ray at every phase, with standbys and without"
_SEED = 1
_STATE_MB, _STATE_KILLS = 100, 5


def run(folder: Path, amount: Amount) -> list[Report]:
    """500 kills, then the time to serve again at 100 MB of state."""
    reports = campaign(folder, amount.of(20, 500), _SEED)
    return [*reports, state.measure(_STATE_MB, _STATE_KILLS)] if amount.whole else reports
