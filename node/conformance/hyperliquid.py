"""Hyperliquid: recorded premiums and the documentation's worked examples against Margin Trade's rules."""

import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from actors.rulebooks import margin_trade_exact
from node.conformance.case import (
    RELATIVE_TOLERANCE,
    CaseResult,
    Checks,
    MalformedCase,
    Row,
    guarded,
    not_applicable,
)

PREMIUMS = {"impact": margin_trade_exact.premium, "mid": margin_trade_exact.mid_premium}
OTHER_VENUES = "examples of other products: portfolio margin, BitMEX score, Ethereal ranking"

# "BTC 0-150M 40x, >150M 20x" and "10-50k 25": lower notional, its unit, leverage.
TIER_TEXT = re.compile(r"(?:(\d+)-\d+|>(\d+))\s*([kM]?)\s+(\d+)x?")
# Rates are printed to 13 decimals.
PRINTED = Fraction(1, 2 * 10**13)
UNITS = {"": 1, "k": 10**3, "M": 10**6}


def premium_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per recorded market: the formula named, within the file's own tolerance (MT-10)."""
    for index, case in enumerate(document["cases"]):
        dex = case.get("dex", "") if isinstance(case, dict) else ""
        yield guarded(f"premium {index} {dex}", case, lambda row, checks: _check_premium(document, row, checks))


def example_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per worked example; those of products we do not have are listed."""
    for index, case in enumerate(document["cases"]):
        name = str(case.get("id", index)) if isinstance(case, dict) else str(index)
        check = _check_of(case) if isinstance(case, dict) else _check_tiers
        yield guarded(name, case, check) if check else not_applicable(name, OTHER_VENUES)


def _check_of(case: dict[str, Any]) -> Any:
    if "cases" in case:
        return _check_tiers
    inputs = case.get("inputs")
    if isinstance(inputs, dict) and "impact_bid" in inputs:
        return _check_funding
    return _check_initial_margin if isinstance(inputs, dict) and "leverage" in inputs else None


def _check_premium(document: Any, row: Row, checks: Checks) -> None:
    formula = PREMIUMS[row.choice("formula", tuple(PREMIUMS))]
    oracle = row.ratio("oracle")
    if oracle <= 0:
        raise MalformedCase(f"{row.name}.oracle: must be positive")
    ours = formula(row.ratio("impact_bid"), row.ratio("impact_ask"), oracle)
    checks.within("premium", ours, row.ratio("expect_premium"), Row(document, "file").number("tolerance"))


def _check_funding(row: Row, checks: Checks) -> None:
    inputs, expected = row.row("inputs"), row.row("expect")
    interest, clamp = inputs.number("interest_rate_8h"), inputs.number("clamp")
    # The example names no ask: one at or above the oracle takes no part in the premium.
    oracle = inputs.positive("oracle")
    premium = margin_trade_exact.premium(inputs.number("impact_bid"), max(inputs.number("impact_bid"), oracle), oracle)
    rate = margin_trade_exact.funding_rate_8h(premium, interest, clamp)
    checks.equal("premium", premium, expected.number("premium"))
    checks.equal("clamped", margin_trade_exact.clamped_interest(premium, interest, clamp), expected.number("clamped"))
    checks.equal("funding_rate_8h", rate, expected.number("funding_rate_8h"))
    checks.equal("hourly_rate", margin_trade_exact.funding_rate_hourly(rate), expected.number("hourly_rate_derived"))


def _check_tiers(row: Row, checks: Checks) -> None:
    """The tiers are in the text of the source; rates and deductions are printed to fewer digits than they have."""
    tiers = tiers_of(row.text("source"))
    for index, case in enumerate(row.rows("cases")):
        ours = margin_trade_exact.maintenance_margin(case.number("notional"), tiers)
        checks.equal(f"cases[{index}].maintenance", ours, case.number("maintenance"))
    deductions = margin_trade_exact.deductions(tiers)
    printed: list[tuple[str, Fraction, Any]] = []
    if "mm_rate" in row.content:
        rates = [margin_trade_exact.maintenance_rate(leverage) for _, leverage in tiers]
        printed += [("mm_rate", ours, theirs) for ours, theirs in zip(rates, row.items("mm_rate"), strict=False)]
        checks.equal("mm_rate length", len(rates), len(row.items("mm_rate")))
    if "deductions" in row.content:
        printed += [
            ("deductions", ours, value) for ours, value in zip(deductions, row.items("deductions"), strict=False)
        ]
        checks.equal("deductions length", len(deductions), len(row.items("deductions")))
    if "deduction_tier1" in row.content:
        printed.append(("deduction_tier1", deductions[1], row.value("deduction_tier1")))
    for name, ours, theirs in printed:
        checks.within(name, ours, Row({name: theirs}).number(name), max(PRINTED, RELATIVE_TOLERANCE * abs(ours)))


def tiers_of(text: str) -> list[tuple[Fraction, Fraction]]:
    """(lower notional, max leverage) from the words of a tier table; raises MalformedCase without any."""
    found = TIER_TEXT.findall(text)
    if not found:
        raise MalformedCase("case.source: names no tiers")
    return [(Fraction(int(lower or above) * UNITS[unit]), Fraction(leverage)) for lower, above, unit, leverage in found]


def _check_initial_margin(row: Row, checks: Checks) -> None:
    inputs = row.row("inputs")
    notional, leverage = inputs.number("notional"), inputs.positive("leverage")
    ours = margin_trade_exact.initial_margin(notional, leverage, [(Fraction(0), leverage)])
    checks.equal("initial_margin", ours, row.row("expect").number("initial_margin"))
