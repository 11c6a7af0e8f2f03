"""Perennial's pure numbers: requirement, liquidation and its fee (PE-01, PE-02, PE-09), totals of a market (PE-12)."""

from collections.abc import Iterator
from typing import Any

from actors.rulebooks import perennial
from actors.rulebooks.perennial import Totals
from node.conformance.case import CaseResult, Checks, Row, guarded
from node.conformance.perennial_rules import millionths, unsigned_millionths

SIDES = ("maker", "long", "short")
# Without the exact variant no market has its floor above its cap; where a file has, the cap wins.
REWARD_TAG = "PE-09"


def position_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per position: what it must hold, whether it does, and what liquidating it is worth."""
    for index, row in enumerate(document["rows"]):
        note = row.get("tag", "") if isinstance(row, dict) else ""
        yield guarded(f"position {index} {note}".rstrip(), row, lambda row, checks: _check_position(row, checks, exact))


def totals_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per set of makers, longs and shorts."""
    for index, row in enumerate(document["rows"]):
        yield guarded(f"totals {index}", row, _check_totals)


def _check_position(row: Row, checks: Checks, exact: bool) -> None:
    row.choice("side", SIDES)
    requirement_atoms = perennial.requirement_floor_atoms(
        unsigned_millionths(row, "size"),
        millionths(row, "price"),
        unsigned_millionths(row, "maintenance_ratio"),
        unsigned_millionths(row, "min_maintenance"),
    )
    checks.equal("maintenance_requirement", requirement_atoms, millionths(row, "maintenance_requirement"))
    is_liquidatable = perennial.is_liquidatable(millionths(row, "collateral"), requirement_atoms)
    checks.equal("liquidatable", is_liquidatable, row.flag("liquidatable"))
    floor_atoms = unsigned_millionths(row, "min_liquidation_fee")
    cap_atoms = unsigned_millionths(row, "max_liquidation_fee")
    rate_ppm = unsigned_millionths(row, "liquidation_fee_ratio")
    theirs = millionths(row, "liquidation_fee")
    contract = perennial.liquidation_fee_floor_atoms(requirement_atoms, rate_ppm, floor_atoms, cap_atoms, exact=True)
    checks.equal("liquidation_fee", contract, theirs)
    if not exact:
        ours = perennial.liquidation_fee_floor_atoms(requirement_atoms, rate_ppm, floor_atoms, cap_atoms)
        checks.deviates(REWARD_TAG, "liquidation_fee", ours, theirs)


def _check_totals(row: Row, checks: Checks) -> None:
    totals = Totals(*(unsigned_millionths(row, side) for side in SIDES))
    checks.equal("utilization", totals.utilisation_floor_ppm, millionths(row, "utilization"))
    checks.equal("efficiency", totals.efficiency_floor_ppm, millionths(row, "efficiency"))
    checks.equal("skew", totals.skew_toward_zero_ppm(0), millionths(row, "skew"))
    checks.equal("long_socialized", totals.long_socialised_lots, millionths(row, "long_socialized"))
    checks.equal("short_socialized", totals.short_socialised_lots, millionths(row, "short_socialized"))
    checks.equal("socialized", totals.is_socialised, row.flag("socialized"))
