"""Numbers as decimal text. What is no plain decimal number, or no exact one here, is refused by name."""

from __future__ import annotations

import re
from typing import Final

from actors.units import BALANCE_BOUND, E9, ORDER_LOTS_BOUND, PRICE_BOUND
from breakwater.v1 import refusals_pb2
from node.guards.refusals import INT64_MAX, Refused

LEVERAGE_DECIMALS: Final = 2
PRICE_DECIMALS: Final = 9
SIZE_DECIMALS: Final = 9
NO_NUMBER: Final = -1
KEPT: Final = -1
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
    return _steps(text, PRICE_DECIMALS, tick_size_e9, PRICE_BOUND, refusals_pb2.REFUSAL_OFF_TICK, field)


def size_lots(text: str, lot_size_e9: int, field: str = "size") -> int:
    """A size in the base unit as whole lots.

    Raises MALFORMED for text that is no number, NOT_POSITIVE and OVERFLOW in lots, OFF_LOT in 1e-9 of the base.
    """
    return _steps(text, SIZE_DECIMALS, lot_size_e9, ORDER_LOTS_BOUND, refusals_pb2.REFUSAL_OFF_LOT, field)


def new_size_lots(text: str, lot_size_e9: int, field: str) -> int:
    """A size that may be nothing ("0"), as whole lots; empty text keeps the size there is and is KEPT (-1).

    Raises what `size_lots` raises.
    """
    if not text:
        return KEPT
    return 0 if _scaled(text, SIZE_DECIMALS) == 0 else size_lots(text, lot_size_e9, field)


def amount_atoms(text: str, asset_decimals: int, field: str) -> int:
    """An amount of a venue's asset as whole atoms, signed.

    Raises MALFORMED for text that is no number or holds a part of an atom, OVERFLOW in atoms.
    """
    atoms = _scaled(text, asset_decimals)
    if atoms is None:
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, field=field)
    if abs(atoms) >= BALANCE_BOUND:
        raise Refused(refusals_pb2.REFUSAL_OVERFLOW, BALANCE_BOUND, atoms, field)
    return atoms


def _steps(text: str, decimals: int, step_e9: int, bound: int, off_step: int, field: str) -> int:
    """Text as a whole number of steps, below the bound; which is refused first is the order of the lines."""
    value_e9 = _scaled(text, decimals)
    if value_e9 is None:
        raise Refused(refusals_pb2.REFUSAL_MALFORMED, field=field)
    steps, rest_e9 = divmod(value_e9, step_e9)
    if value_e9 <= 0:
        raise Refused(refusals_pb2.REFUSAL_NOT_POSITIVE, 1, steps, field)
    if steps >= bound:
        raise Refused(refusals_pb2.REFUSAL_OVERFLOW, bound, steps, field)
    if rest_e9:
        raise Refused(off_step, step_e9, value_e9, field)
    return steps


def price_text(ticks: int, tick_size_e9: int) -> str:
    """A price of whole ticks as the shortest decimal text; what `price_ticks` reads."""
    return _step_text(ticks, tick_size_e9)


def size_text(lots: int, lot_size_e9: int) -> str:
    """A size of whole lots as the shortest decimal text; what `size_lots` reads."""
    return _step_text(lots, lot_size_e9)


def _step_text(steps: int, step_e9: int) -> str:
    whole, rest_e9 = divmod(steps * step_e9, E9)
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
