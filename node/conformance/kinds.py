"""The kinds of vector file we know, each told from its content; a new rulebook adds its kinds to KINDS."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from node.conformance import (
    dydx,
    dydx_deleveraging,
    hyperliquid,
    orderbook,
    perennial_math,
    perennial_scenarios,
    perennial_v1,
    spin,
    spin_documented,
    twilight_pool,
    twilight_positions,
    twilight_tables,
    vega,
    vega_derived,
)
from node.conformance.case import CaseResult


@dataclass(frozen=True, slots=True)
class Kind:
    """How to tell a file of this kind, and how to run its cases; `exact` asks for a rulebook's exact variant."""

    name: str
    recognises: Callable[[Any], bool]
    cases: Callable[[Any, bool], Iterator[CaseResult]]


def holds(list_key: str, *fields: str) -> Callable[[Any], bool]:
    """Tells a document whose list under this key is not empty and whose every item has these fields."""

    def recognises(document: Any) -> bool:
        items = document.get(list_key) if isinstance(document, dict) else None
        return (
            isinstance(items, list)
            and len(items) > 0
            and all(isinstance(item, dict) and any(field in item for field in fields) for item in items)
            and any(all(field in item for field in fields) for item in items)
        )

    return recognises


def _dydx(*fields: str) -> Callable[[Any], bool]:
    """Tells one of dYdX's files: cases with these fields beside a table of perpetuals."""
    cases = holds("cases", *fields)
    return lambda document: cases(document) and isinstance(document.get("perpetuals"), dict)


def _relations(document: Any) -> bool:
    return isinstance(document, dict) and "opcodes" in document and isinstance(document.get("programs"), dict)


def _examples(document: Any) -> bool:
    return holds("examples", "name", "given")(document)


NOT_VECTORS: tuple[tuple[str, Callable[[Any], bool]], ...] = (
    ("programs and relations, for reading", _relations),
    ("documented examples, for reading", _examples),
)

KINDS: tuple[Kind, ...] = (
    Kind("twilight positions", holds("vectors", "inputs", "on_create", "at_mark"), twilight_positions.cases),
    Kind("twilight funding rate", holds("vectors", "total_long_position_size", "psi"), twilight_tables.funding_cases),
    Kind("twilight pool shares", holds("sequences", "ops"), twilight_pool.cases),
    Kind("twilight risk limits", holds("vectors", "pool_equity", "max_oi_mult"), twilight_tables.limit_cases),
    Kind("twilight trigger sets", holds("vectors", "search", "levels"), twilight_tables.trigger_cases),
    Kind("dydx fillable prices", _dydx("bankruptcy_adjustment_ppm", "spread_to_maintenance_ppm"), dydx.fillable_cases),
    Kind("dydx insurance deltas", _dydx("max_liquidation_fee_ppm", "fill_quantums"), dydx.insurance_cases),
    Kind("dydx deleveraging", _dydx("liquidated", "delta_quantums"), dydx_deleveraging.cases),
    Kind("dydx thresholds", _dydx("test"), dydx.threshold_cases),
    Kind("dydx margins", _dydx("initial_margin_ppm", "base_quantums"), dydx.margin_cases),
    Kind("dydx funding index", _dydx("funding_8h_ppm", "seconds"), dydx.funding_cases),
    Kind("dydx bankruptcy prices", _dydx("delta_quantums", "subaccount"), dydx.bankruptcy_cases),
    Kind("hyperliquid premiums", holds("cases", "impact_bid", "impact_ask", "oracle"), hyperliquid.premium_cases),
    Kind("hyperliquid examples", holds("cases", "id", "source"), hyperliquid.example_cases),
    Kind(
        "perennial positions",
        holds("rows", "side", "maintenance_requirement", "liquidatable", "liquidation_fee"),
        perennial_math.position_cases,
    ),
    Kind("perennial totals", holds("rows", "maker", "utilization", "socialized"), perennial_math.totals_cases),
    Kind(
        "perennial scenarios",
        holds("scenarios", "risk_parameter", "market_parameter", "protocol_parameter", "steps"),
        perennial_scenarios.cases,
    ),
    Kind("perennial v1 scenarios", holds("scenarios", "product", "controller", "steps"), perennial_v1.cases),
    Kind("order book", orderbook.recognises, orderbook.cases),
    Kind("spin accounts", holds("rows", "margin", "markets"), spin.account_cases),
    Kind("spin documented", spin_documented.recognises, spin_documented.documented_cases),
    Kind("vega scenarios", holds("cases", "id", "steps"), vega.cases),
    Kind("vega derived profits", holds("cases", "trades", "expect_after_each"), vega_derived.pnl_cases),
    Kind("vega derived losses", holds("cases", "losers", "winners"), vega_derived.loss_cases),
)


def kind_of(document: Any) -> Kind | None:
    """The kind of a document, or None where no reader knows it."""
    return next((kind for kind in KINDS if kind.recognises(document)), None)


def reading_matter(document: Any) -> str | None:
    """What a document is that holds no cases at all, or None where it should be a vector file."""
    if document is None:
        return "text, for reading"
    return next((name for name, recognises in NOT_VECTORS if recognises(document)), None)
