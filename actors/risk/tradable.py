"""Whether a market's mark may be acted on, and the refusal where it may not: one answer for every actor."""

from actors.sinks import Refused
from breakwater.v1 import common_pb2 as common
from breakwater.v1 import refusals_pb2 as refusals

USABLE = (common.MARK_STATE_FRESH, common.MARK_STATE_STALE)


def is_usable(mark: common.Mark) -> bool:
    """FRESH or STALE: fills, funding and liquidations may happen at it (TW-20)."""
    return mark.state in USABLE


def why_not_tradable(mark: common.Mark, halt_age_ms: int) -> Refused | None:
    """Why nothing may be done at this mark, or None. halt_age_ms is 0 where an operator halted the market.

    MARKET_REDUCE_ONLY is no reason against an order that only reduces: its admission asks for that (MT-08).
    """
    if mark.state in USABLE:
        return None
    if mark.state == common.MARK_STATE_NONE:
        return Refused(refusals.REFUSAL_NO_MARK, 1, 0)
    if mark.state == common.MARK_STATE_TRIPPED:
        return Refused(refusals.REFUSAL_MARKET_TRIPPED, 0, mark.age_ms)
    if mark.state == common.MARK_STATE_REDUCE_ONLY:
        return Refused(refusals.REFUSAL_MARKET_REDUCE_ONLY, 0, mark.age_ms)
    return Refused(refusals.REFUSAL_MARKET_HALTED, halt_age_ms, mark.age_ms)


def halt_age_in_force_ms(halted: bool, halt_age_ms: int) -> int:
    """The number a MARKET_HALTED refusal names: the oldest age allowed, 0 for an operator's halt."""
    return 0 if halted else halt_age_ms
