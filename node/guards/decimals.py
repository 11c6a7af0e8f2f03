"""Leverage and prices as decimal text. What is no plain decimal number, or no exact one here, is refused by name."""

from __future__ import annotations

import re
from typing import Final

from actors.units import E9, PRICE_BOUND
from breakwater.v1 import refusals_pb2
from node.guards.refusals import INT64_MAX, Refused

LEVERAGE_DECIMALS: Final = 2
PRICE_DECIMALS: Final = 9
NO_NUMBER: Final = -1
_LONGEST_TEXT: Final = 64
_PLAIN: Final = re.compile(r"(-?)([0-9]+)(?:\.([0-9]+))?", re.ASCII)


def leverage_hundredths(text: str, smallest: int, largest: int, field: str = "leverage") -> int:
    """Leverage in hundredths from text with at most two decimals.

    Raises LEVERAGE_OUT_OF_RANGE with the bound crossed and what was sent, or NO_NUMBER (-1) and the smallest allowed.
    """
    sent = _scaled(text, LEVERAGE_DECIMALS)
    if sent is None:
        raise Refused(refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE, smallest, NO_NUMBER, field)
    if sent < smallest:
        raise Refused(refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE, smallest, sent, field)
    if sent > largest:
        raise Refused(refusals_pb2.REFUSAL_LEVERAGE_OUT_OF_RANGE, largest, sent, field)
    return sent


def price_ticks(text: str, tick_size_e9: int, field: str) -> int:
    """A price in the quote currency as whole ticks.

    Raises MALFORMED for text that is no number, NOT_POSITIVE and OVERFLOW in ticks, OFF_TICK in 1e-9 of the quote.
    """
    price_e9 = _scaled(text, PRICE_DECIMALS)
    if price_e9 is None:
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, field=field)
    ticks, rest_e9 = divmod(price_e9, tick_size_e9)
    if price_e9 <= 0:
        raise Refused(refusals_pb2.REFUSAL_NOT_POSITIVE, 1, ticks, field)
    if ticks >= PRICE_BOUND:
        raise Refused(refusals_pb2.REFUSAL_OVERFLOW, PRICE_BOUND, ticks, field)
    if rest_e9:
        raise Refused(refusals_pb2.REFUSAL_OFF_TICK, tick_size_e9, price_e9, field)
    return ticks


def price_text(ticks: int, tick_size_e9: int) -> str:
    """A price of whole ticks as the shortest decimal text; what `price_ticks` reads."""
    whole, rest_e9 = divmod(ticks * tick_size_e9, E9)
    return f"{whole}.{rest_e9:09d}".rstrip("0").removesuffix(".")


def _scaled(text: str, decimals: int) -> int | None:
    """text * 10**decimals as an integer, None when it is no plain number or not whole there; huge ones are cut."""
    if len(text) > _LONGEST_TEXT:
        return INT64_MAX if text.isascii() and text.isdigit() else None
    match = _PLAIN.fullmatch(text)
    if match is None:
        return None
    sign, whole, fraction = match.group(1), match.group(2), (match.group(3) or "").rstrip("0")
    if len(fraction) > decimals:
        return None
    magnitude = int(whole + fraction.ljust(decimals, "0"))
    return -magnitude if sign else magnitude
