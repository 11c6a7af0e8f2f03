"""Bounds of parameters: outside them arithmetic would leave its range or a venue its senses. One table a message."""

from typing import Any

from actors.sinks import Refused
from actors.units import E9, INT64_MAX, PPM
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import parameters_pb2 as parameters
from breakwater.v1 import refusals_pb2 as refusals

DAY_MS = 24 * 3_600_000
MAX_SOURCES = 32
MAX_NAME_CHARS = 32
MAX_REASON_CHARS = 256
# A funding rate never exceeds 0.125% (TW-08 at psi = 1).
MAX_FUNDING_RATE_E9 = 1_250_000
MAINTENANCE_BOUND_E9 = 1 << 62

# field -> (lowest, highest)
TWILIGHT: dict[str, tuple[int, int]] = {
    "maintenance_ratio_e9": (1, E9 // 10),
    "taker_fee_e9": (0, E9 // 100),
    "maker_fee_e9": (0, E9 // 100),
    "psi": (1, 1_000),
    "min_leverage_hundredths": (100, 10_000),
    "max_leverage_hundredths": (100, 10_000),
    "margin_cap_atoms": (1, 1 << 36),
    "utilisation_cap_ppm": (1, PPM),
    "max_oi_ppm": (0, 100 * PPM),
    "max_net_ppm": (0, 100 * PPM),
    "max_position_ppm": (0, 100 * PPM),
    "notice_ms": (0, 30 * DAY_MS),
}
ORACLE: dict[str, tuple[int, int]] = {
    "tick_interval_ms": (1, 60_000),
    "source_fresh_ms": (1, DAY_MS),
    "warn_age_ms": (1, DAY_MS),
    "halt_age_ms": (0, DAY_MS),
    "future_tolerance_ms": (0, 60_000),
    "breaker_move_ppm": (0, PPM),
    "breaker_window_ms": (0, DAY_MS),
    "breaker_hold_ms": (0, DAY_MS),
    "funding_interval_ms": (60_000, 7 * DAY_MS),
    "min_fresh_sources": (0, MAX_SOURCES),
    "mark_rule": (common.MARK_RULE_UNSPECIFIED, common.MARK_RULE_MEDIAN_OF_THREE),
    "reduce_only_age_ms": (0, DAY_MS),
}
# Perennial's funding runs from version to version (PE-15): its oracle has no boundaries.
ORACLE_WITHOUT_FUNDING = ORACLE | {"funding_interval_ms": (0, 0)}


def refused_bound(bound: int, value: int) -> Refused:
    """PARAMETER_OUT_OF_BOUNDS; the numbers are cut to what an answer can carry."""
    return Refused(refusals.REFUSAL_PARAMETER_OUT_OF_BOUNDS, min(bound, INT64_MAX), min(value, INT64_MAX))


def out_of_bounds(bounds: dict[str, tuple[int, int]], message: Any) -> Refused | None:
    """The first field of the table that is outside its bounds, or None."""
    for name, (lowest, highest) in bounds.items():
        value = getattr(message, name)
        if not lowest <= value <= highest:
            return refused_bound(lowest if value < lowest else highest, value)
    return None


def check_twilight(rules: parameters.TwilightParameters) -> Refused | None:
    """Why these rules may not be, or None."""
    refused = out_of_bounds(TWILIGHT, rules)
    if refused:
        return refused
    if rules.min_leverage_hundredths > rules.max_leverage_hundredths:
        return refused_bound(rules.min_leverage_hundredths, rules.max_leverage_hundredths)
    rates = rules.maintenance_ratio_e9 + 2 * (rules.taker_fee_e9 + MAX_FUNDING_RATE_E9)
    largest = rules.margin_cap_atoms * rules.max_leverage_hundredths // 100 * rates
    if largest >= MAINTENANCE_BOUND_E9:  # the largest maintenance margin must stay an int64 of 1e-9 atoms
        highest_cap = MAINTENANCE_BOUND_E9 * 100 // (rules.max_leverage_hundredths * rates)
        return refused_bound(highest_cap, rules.margin_cap_atoms)
    return None


def check_market(
    market: parameters.MarketParameters, oracle_bounds: dict[str, tuple[int, int]] = ORACLE
) -> Refused | None:
    """Why this market may not be, or None; what its rulebook asks for comes apart."""
    if not 0 < len(market.symbol) <= MAX_NAME_CHARS:
        return Refused(refusals.REFUSAL_MALFORMED, 0, 0)
    if market.tick_size_e9 <= 0:
        return refused_bound(1, market.tick_size_e9)
    return out_of_bounds(oracle_bounds, market.oracle) or _check_sources(market.oracle)


def _check_sources(oracle: parameters.OracleParameters) -> Refused | None:
    sources = oracle.sources
    if not 0 < len(sources) <= MAX_SOURCES or len({source.publisher for source in sources}) != len(sources):
        return refused_bound(MAX_SOURCES, len(sources))
    if not all(0 < source.weight <= PPM for source in sources):
        return refused_bound(1, 0)
    kinds = [source.kind for source in sources]
    if max(kinds) > common.SOURCE_KIND_PERP:
        return refused_bound(common.SOURCE_KIND_PERP, max(kinds))
    # MT-08: a price that can never be fresh enough is no oracle.
    spot = len(kinds) - kinds.count(common.SOURCE_KIND_PERP)
    if max(1, oracle.min_fresh_sources) > spot:
        return refused_bound(spot, max(1, oracle.min_fresh_sources))
    return None
