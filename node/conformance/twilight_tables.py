"""Twilight's small tables: funding rates (TW-08), pool limits (TW-19) and trigger sets (TW-14)."""

from collections.abc import Callable, Iterator
from typing import Any

from actors.rulebooks import twilight_exact
from node.conformance.case import CaseResult, Checks, Row, as_number, guarded

STATUSES = ("HEALTHY", "CLOSE_ONLY", "HALT")
LIMIT_FIELDS = ("oi_max", "net_max", "pos_max", "x_oi", "x_net_long", "x_net_short", "max_long", "max_short")


def funding_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per pair of open interests."""
    return _each(document, "rate", _check_funding)


def limit_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per state of the market."""
    return _each(document, "limits", _check_limits)


def trigger_cases(document: Any, exact: bool) -> Iterator[CaseResult]:
    """One case per set of levels searched."""
    return _each(document, "triggers", _check_triggers)


def _each(document: Any, name: str, check: Callable[[Row, Checks], None]) -> Iterator[CaseResult]:
    for index, vector in enumerate(document["vectors"]):
        yield guarded(f"{name} {index}", vector, check)


def _check_funding(row: Row, checks: Checks) -> None:
    total_long = row.number("total_long_position_size")
    total_short = row.number("total_short_position_size")
    rate = twilight_exact.funding_rate_percent(total_long, total_short, row.positive("psi"))
    checks.equal("rate_exact", rate, row.ratio("rate_exact"))
    checks.near("rate_percent", rate, row.number("rate_percent"))


def _check_limits(row: Row, checks: Checks) -> None:
    limits = twilight_exact.risk_limits(
        row.number("total_long"),
        row.number("total_short"),
        row.number("pool_equity"),
        row.number("max_oi_mult"),
        row.number("max_net_mult"),
        row.number("max_position_pct"),
        may_open=row.choice("status", STATUSES) == "HEALTHY",
    )
    scale = limits.oi_max + row.number("total_long") + row.number("total_short")
    for field, ours in zip(LIMIT_FIELDS, limits, strict=True):
        checks.near(field, ours, row.number(field), scale)


def _check_triggers(row: Row, checks: Checks) -> None:
    levels = [as_number(level, "levels") for level in row.items("levels")]
    price = row.number("price")
    if row.choice("search", ("lt", "gt")) == "lt":
        triggered = twilight_exact.triggered_below(levels, price)
    else:
        triggered = twilight_exact.triggered_above(levels, price)
    checks.equal("triggered_in_order", triggered, row.items("triggered_in_order"))
