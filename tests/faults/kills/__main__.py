"""The kill campaign: `python -m tests.faults.kills --kills 500 --seed 1`; part of `make faults`.

Kills under a driver (roots against an undisturbed run) and under clients (history against the journal), in rounds with
standbys and without; then the time to serve again at much state. Ends with 1 where anything was violated.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults.kills import state
from tests.faults.kills.driven import KINDS as DRIVEN_KINDS
from tests.faults.kills.driven import drive_round
from tests.faults.kills.live import KINDS as LIVE_KINDS
from tests.faults.kills.live import live_round
from tests.faults.kills.tally import Tally
from tests.faults.kills.victims import Deck
from tests.faults.verdict import Report

# Kills that fit into a round, and how many of all are under clients.
_DRIVEN_A_ROUND, _LIVE_A_ROUND = 60, 40
_LIVE_SHARE = 0.2


def campaign(folder: Path, kills: int, seed: int) -> list[Report]:
    """So many kills; a table for each way of driving and each kind of replacement."""
    live = int(kills * _LIVE_SHARE)
    ways = ((drive_round, DRIVEN_KINDS, _DRIVEN_A_ROUND, kills - live), (live_round, LIVE_KINDS, _LIVE_A_ROUND, live))
    reports = []
    for round_of, kinds, most, wanted in ways:
        tallies = {standby: Tally() for standby in ("none", "all")}
        faults: list[str] = []
        for number in itertools.count(seed):
            left = wanted - sum(tally.kills for tally in tallies.values())
            if left <= 0 or faults:
                break
            standby = ("none", "all")[number % 2]
            begun_s, before = time.monotonic(), tallies[standby].kills
            place = folder / f"{round_of.__name__}-{number}"
            found = round_of(place, Deck(kinds, number), min(left, most), tallies[standby], number, standby)
            faults += [f"{place.name}: {fault}" for fault in found]
            done = tallies[standby].kills - before
            print(f"  {place.name}, standbys {standby}: {done} kills, {time.monotonic() - begun_s:.0f} s", flush=True)
        for standby, tally in tallies.items():
            who = "under a driver" if round_of is drive_round else "under clients"
            reports.append(tally.report(f"{tally.kills} kills {who}, standbys: {standby}"))
        reports[-1].violations += faults
    return reports


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs what is asked for; 0 where nothing was violated."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=500, help="how many processes die (500)")
    parser.add_argument("--seed", type=int, default=1, help="decides who dies when (1)")
    parser.add_argument("--state-mb", type=int, default=100, help="state to recover with at the end, 0: none (100)")
    parser.add_argument("--state-kills", type=int, default=5, help="kills at that state, of each kind (5)")
    parser.add_argument("--out", type=Path, help="where logs and data directories stay; without it they are removed")
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        reports = campaign(chosen.out or Path(scratch), chosen.kills, chosen.seed) if chosen.kills else []
    if chosen.state_mb:
        reports.append(state.measure(chosen.state_mb, chosen.state_kills))
    for report in reports:
        print("\n".join(report.lines()), flush=True)
    violations = sum(len(report.violations) for report in reports)
    print(f"violations: {violations}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
