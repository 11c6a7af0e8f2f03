"""Bounds of the numbers in single requests, refused under the names the registry uses for rows of a batch."""

from __future__ import annotations

from actors.units import BALANCE_BOUND, LONG, SHORT
from breakwater.v1 import common_pb2, refusals_pb2
from node.guards.refusals import INT64_MAX, Refused

_SIDES: dict[int, int] = {common_pb2.SIDE_LONG: LONG, common_pb2.SIDE_SHORT: SHORT}


def amount(value: int, field: str) -> int:
    """An amount of atoms or micro-shares; raises NOT_POSITIVE or OVERFLOW."""
    if value <= 0:
        raise Refused(refusals_pb2.REFUSAL_NOT_POSITIVE, 1, value, field)
    if value >= BALANCE_BOUND:
        raise Refused(refusals_pb2.REFUSAL_OVERFLOW, BALANCE_BOUND, value, field)
    return value


def identity(value: int, field: str) -> int:
    """A number that names something, at most 63 bits as columns hold it; raises OVERFLOW."""
    if value > INT64_MAX:
        raise Refused(refusals_pb2.REFUSAL_OVERFLOW, INT64_MAX, value, field)
    return value


def side(value: int) -> int:
    """+1 or -1 for a Side; raises BAD_SIDE."""
    if value not in _SIDES:
        raise Refused(refusals_pb2.REFUSAL_BAD_SIDE, 1, value, "side")
    return _SIDES[value]


def order_kind(value: int, highest: int) -> int:
    """A kind from MARKET to the highest this request takes; raises BAD_ORDER_KIND."""
    if not common_pb2.ORDER_KIND_MARKET <= value <= highest:
        raise Refused(refusals_pb2.REFUSAL_BAD_ORDER_KIND, highest, value, "kind")
    return value


def choice(value: int, highest: int, field: str) -> int:
    """A value of an enumeration whose 0 stands for the default; raises MALFORMED for an unknown one."""
    if not 0 <= value <= highest:
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, highest, value, field)
    return value
