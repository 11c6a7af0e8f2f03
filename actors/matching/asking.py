"""Memory asked for some operations ahead: what a cancel meets lies anywhere, and waiting for it was most of its time.

Nothing is changed by it, and a wrong guess is only of no use.
"""

from typing import Final

import numpy as np

from actors.compiling import inlined
from actors.fetching import fetch
from actors.matching.hash_map import first_place, home
from actors.matching.layout import (
    ACCOUNT_MAP,
    ELDER,
    LEVEL_AND_MARKS,
    LEVEL_MASK,
    NEXT,
    ORDER_MAP,
    PREVIOUS,
    YOUNGER,
)
from actors.matching.words import AMEND, CANCEL, OP_ACCOUNT, OP_KIND, OP_ORDER

# How many operations ahead the rows of the maps are asked for, then the orders they name, then what these link to.
ROWS_AHEAD: Final = 12
_PLACES_AHEAD: Final = 8
_LINKS_AHEAD: Final = 4


@inlined
def _ask(memory: np.ndarray, place: np.int64) -> None:
    fetch(memory, place * memory.itemsize)


@inlined
def ask_ahead(memory: np.ndarray, ops: np.ndarray, op: np.int64, end: np.int64) -> None:
    """Asks for what operations up to ROWS_AHEAD after this one will need, as far as they are before `end`."""
    ahead = op + ROWS_AHEAD
    if ahead < end:
        _ask(memory, home(memory, ORDER_MAP, ops[ahead, OP_ORDER]))
        _ask(memory, home(memory, ACCOUNT_MAP, ops[ahead, OP_ACCOUNT]))
    ahead = op + _PLACES_AHEAD
    if 0 <= ahead < end:
        _ask(memory, first_place(memory, ACCOUNT_MAP, ops[ahead, OP_ACCOUNT]))
        if _is_of_resting(ops[ahead, OP_KIND]):
            _ask(memory, first_place(memory, ORDER_MAP, ops[ahead, OP_ORDER]))
    ahead = op + _LINKS_AHEAD
    if 0 <= ahead < end and _is_of_resting(ops[ahead, OP_KIND]):
        order = first_place(memory, ORDER_MAP, ops[ahead, OP_ORDER])
        _ask(memory, memory[order + LEVEL_AND_MARKS] & LEVEL_MASK)
        for link in (NEXT, PREVIOUS, ELDER, YOUNGER):
            _ask(memory, memory[order + link])


@inlined
def _is_of_resting(kind: np.int64) -> bool:
    return kind in (CANCEL, AMEND)
