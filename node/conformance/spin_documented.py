"""Spin's published examples and terms: each figure a row expects is recomputed from what the row gives."""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from actors.rulebooks import spin, spin_exact
from actors.units import E9, LONG, SHORT
from node.conformance.case import CaseResult, Checks, MalformedCase, Row, guarded
from node.conformance.spin_decimals import (
    compare,
    decimal,
    half_up,
    only,
    places,
    positive_decimal,
    rate_e9,
    scaled,
)

SIDES = {"long": LONG, "short": SHORT}
GIVEN = ("side", "size", "entry", "mark", "collateral_ratio", "margin", "upnl", "funding", "collateral")
IDENTITY = re.compile(r"Mr=(\d+(?:\.\d+)?)")
IDENTITY_TERMS = re.compile(r"Cc=(?P<collateral>\d+(?:\.\d+)?), *Tf=(?P<penalty>\d+(?:\.\d+)?)")
# Lots of the position of the identity: its closed fraction is exact to the decimals that are printed, and more.
IDENTITY_LOTS = 10**15
# So far from the index on either side that the rate is the cap.
FAR_MIDS = {"funding_rate_min": 1, "funding_rate_max": 10**6}
FAR_INDEX_TICKS = 1_000


def recognises(document: Any) -> bool:
    """Rows with an id and a source, one of which gives, expects or publishes something that Spin has a name for."""
    rows = document.get("rows") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return False
    return all("id" in row and "source" in row for row in rows) and any(_is_spin(row) for row in rows)


def _is_spin(row: dict[str, Any]) -> bool:
    expected = row.get("expect")
    identity = isinstance(expected, dict) and any(IDENTITY.fullmatch(key) for key in expected)
    return identity or any(key in row for key in (*GIVEN, *PUBLISHED))


def documented_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per row: a worked example (SP-02, SP-06, SP-09) or published terms (SP-02, SP-08 to SP-11)."""
    for row in document["rows"]:
        yield guarded(str(row["id"]), row, _check_expected if "expect" in row else _check_published)


def _check_expected(row: Row, checks: Checks) -> None:
    only(row, "id", "source", "expect", *GIVEN)
    expected = row.row("expect")
    if not expected.content:
        raise MalformedCase(f"{expected.name}: nothing is expected")
    for key in expected.content:
        if identity := IDENTITY.fullmatch(key):
            _check_identity(row, Fraction(identity[1]), expected, key, checks)
        elif key == "margin_ratio_exact":
            checks.equal(key, _margin_ratio(row), expected.ratio(key))
        elif key in EXPECTED:
            compare(checks, key, EXPECTED[key](row), expected, key)
        else:
            raise MalformedCase(f"{expected.name}: unknown {key}")


def _signed_size(row: Row) -> Fraction:
    return SIDES[row.choice("side", tuple(SIDES))] * positive_decimal(row, "size")


def _position(row: Row, price_key: str) -> tuple[int, int, int, int]:
    """Lots, the ticks of entry and of another price, and the scale of ticks times lots, k being 1."""
    entry, price = positive_decimal(row, "entry"), positive_decimal(row, price_key)
    ticks_per_unit, lots_per_unit = 10 ** places([entry, price]), 10 ** places([_signed_size(row)])
    lots = scaled(_signed_size(row), lots_per_unit)
    return lots, scaled(entry, ticks_per_unit), scaled(price, ticks_per_unit), ticks_per_unit * lots_per_unit


def _upnl(row: Row) -> Fraction:
    lots, entry_ticks, mark_ticks, scale = _position(row, "mark")
    return Fraction(spin.upnl_atoms(lots, spin.value_atoms(lots, entry_ticks, 1), mark_ticks, 1), scale)


def _collateral_at(row: Row, price_key: str) -> Fraction:
    lots, _, ticks, scale = _position(row, price_key)
    return Fraction(spin.collateral_atoms_e9(lots, ticks, 1, rate_e9(row, "collateral_ratio")), scale * E9)


def _equity(row: Row) -> Fraction:
    funding = decimal(row, "funding") if "funding" in row.content else Fraction(0)
    return decimal(row, "margin") + decimal(row, "upnl") - funding


def _margin_ratio(row: Row) -> Fraction | None:
    return spin_exact.margin_ratio(_equity(row), [decimal(row, "collateral")])


def _deficit(row: Row) -> Fraction:
    equity = _equity(row)
    scale = 10 ** places([equity])
    return Fraction(spin.deficit_atoms(scaled(equity, scale)), scale)


def _notional(row: Row) -> Fraction:
    lots, entry_ticks, _, scale = _position(row, "entry")
    return Fraction(spin.notional_atoms(lots, entry_ticks, 1), scale)


EXPECTED: dict[str, Callable[[Row], Fraction]] = {
    "upnl": _upnl,
    "position_collateral": lambda row: _collateral_at(row, "mark"),
    "position_collateral_at_entry": lambda row: _collateral_at(row, "entry"),
    "shortfall_paid_by_insurance_excluding_reward": _deficit,
    "notional": _notional,
    "leverage": lambda row: Fraction(_notional(row), positive_decimal(row, "margin")),
}


def _check_identity(row: Row, ratio: Fraction, expected: Row, key: str, checks: Checks) -> None:
    """The closed fraction of a single position at this Mr; Cc and Tf stand in the words of the source (SP-06)."""
    terms = IDENTITY_TERMS.search(row.text("source"))
    if terms is None:
        raise MalformedCase(f"{row.name}.source: names no Cc and Tf")
    named = Row(terms.groupdict(), row.name)
    collateral, penalty = rate_e9(named, "collateral"), rate_e9(named, "penalty")
    atoms = 10 ** places([ratio])
    held = spin.collateral_atoms_e9(IDENTITY_LOTS, atoms, E9, collateral)
    equity = scaled(ratio * Fraction(held, E9), 1)
    lots = spin.calculated_lots_ceil(equity, held, IDENTITY_LOTS, atoms, E9, collateral, penalty, 1)
    checks.equal(key, half_up(Fraction(lots, IDENTITY_LOTS)), decimal(expected, key))
    if ratio < spin_exact.TARGET:
        size = Fraction(IDENTITY_LOTS)
        rates = (Fraction(collateral, E9), Fraction(penalty, E9))
        formula = spin_exact.calculated_size(ratio * rates[0] * size, rates[0] * size, size, Fraction(1), *rates)
        stepped = spin_exact.closed_size_ceil(formula, size, Fraction(1))
        checks.equal(f"{key}: the formula rounded up", Fraction(lots), stepped)


def _far_rate(key: str) -> Fraction:
    clamp = spin.SpinParameters().funding_clamp_e9
    return Fraction(spin.funding_rate_half_away_e9(FAR_MIDS[key], 1, FAR_INDEX_TICKS, clamp), E9)


def _ours(name: str) -> Fraction:
    return Fraction(getattr(spin.SpinParameters(), name), E9)


PUBLISHED: dict[str, Callable[[], Fraction]] = {
    "collateral_ratio": lambda: spin_exact.NEAR_PERP.collateral_rate,
    "step_size": lambda: spin_exact.NEAR_PERP.step,
    "tick_size": lambda: spin_exact.NEAR_PERP.tick,
    "max_position": lambda: spin_exact.NEAR_PERP.max_position,
    "taker_fee": lambda: _ours("taker_fee_e9"),
    "maker_fee": lambda: _ours("maker_fee_e9"),
    "liquidation_fee_total": lambda: _ours("penalty_e9"),
    "liquidator_reward": lambda: _ours("reward_e9"),
    "insurance_share": lambda: _ours("fund_share_e9"),
    "funding_rate_min": lambda: _far_rate("funding_rate_min"),
    "funding_rate_max": lambda: _far_rate("funding_rate_max"),
    "target_share_of_7d_avg_open_interest": lambda: _ours("fund_target_e9"),
    "minimum_target": lambda: Fraction(
        spin.fund_target_ceil_atoms(0, 0, spin.SpinParameters().fund_target_least_atoms), spin.USDC_ATOMS
    ),
}


def _check_published(row: Row, checks: Checks) -> None:
    only(row, "id", "source", *PUBLISHED)
    named = [key for key in row.content if key in PUBLISHED]
    if not named:
        raise MalformedCase(f"{row.name}: nothing is published")
    for key in named:
        compare(checks, key, PUBLISHED[key](), row, key)
