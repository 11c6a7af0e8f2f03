"""What a mutant is: one fault in the code of the product, patched in for as long as a context lasts."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple
from unittest.mock import patch

from breakwater.v1 import common_pb2 as common

TWILIGHT, MARGIN_TRADE = common.RULEBOOK_TWILIGHT, common.RULEBOOK_MARGIN_TRADE
PERENNIAL, SPIN = common.RULEBOOK_PERENNIAL, common.RULEBOOK_SPIN


class Mutant(NamedTuple):
    """`place` is the function that is wrong, `fault` what is wrong with it; `rulebooks`: where it shows at all."""

    group: str
    name: str
    place: str
    fault: str
    plant: Callable[[], AbstractContextManager[Any]]
    rulebooks: tuple[int, ...] = ()


def instead(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Callable[[], Any]:
    """Plants what `make` makes of a function or method of this module or class."""
    return lambda: patch.object(owner, name, make(getattr(owner, name)))


def constant(owner: Any, name: str, value: Any) -> Callable[[], Any]:
    """Plants another value of a name."""
    return lambda: patch.object(owner, name, value)


def in_row(row: dict[Any, Any], key: Any, value: Any) -> Callable[[], Any]:
    """Plants another row in a table."""
    return lambda: patch.dict(row, {key: value})
