"""Damage to stores without a node: the campaign of tests/cluster/damage_campaign.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.damage_campaign import bit_flips, torn_tails
from tests.faults.verdict import Amount, Report

TITLE = "a log torn at every byte of its last frame, bits flipped in journals and snapshots"


def run(folder: Path, amount: Amount) -> list[Report]:
    """Both of its tables; a share does not make it smaller."""
    folder.mkdir(parents=True, exist_ok=True)
    reports = []
    for damage in (bit_flips, torn_tails):
        try:
            reports.append(damage(folder / damage.__name__, not amount.whole))
        except pytest.skip.Exception as reason:  # what the private PostgreSQL of the tests says where there is none
            reports.append(Report(damage.__name__, (), notes=[f"skipped: {reason}"]))
    return reports
