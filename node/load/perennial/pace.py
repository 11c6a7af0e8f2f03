"""Versions of a Perennial market at the pace of a replay: slots that prices fall into, whatever their steps."""

from collections.abc import Sequence
from itertools import pairwise

from breakwater.v1 import parameters_pb2
from node.load.price_path import PricePoint

# A version is stale after so many slots without a valid one, if the preset is not more patient.
_STALE_SLOTS = 6


def pace(market: parameters_pb2.MarketParameters, path: Sequence[PricePoint]) -> None:
    """Makes slots at least as wide, and prices at least as late, as the longest usual step of the path.

    A step of a minute would leave most slots of ten seconds without a price, and every order void (PE-06).
    """
    steps = sorted(later.time_ms - point.time_ms for point, later in pairwise(path))
    step_ms = steps[len(steps) * 99 // 100] if steps else 0
    rules = market.perennial
    if step_ms <= rules.grace_ms:
        return
    rules.version_ms = max(rules.version_ms, step_ms)
    rules.grace_ms = rules.version_ms
    rules.stale_after_ms = max(rules.stale_after_ms, _STALE_SLOTS * rules.version_ms)
    market.oracle.source_fresh_ms = market.oracle.warn_age_ms = max(market.oracle.warn_age_ms, rules.version_ms)
