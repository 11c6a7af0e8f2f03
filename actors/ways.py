"""How an actor works what it is given: by kernels over columns, row by row, or each where it is owed.

All ways make the same state, events and bytes: they share their tables, and what only one of them keeps beside those
begins anew when another was used meanwhile. So a replica may change its way from block to block.
"""

from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

_TURNS: Final = 64
_IN_A_TURN: Final = 256


class Way(Enum):
    """Whose word counts: the kernels', the scalar rulebooks', or the rulebooks' on liquidations and the kernels' else.

    `LIQUIDATIONS_BY_ROW`: who is below a rung and what becomes of them (judgement, second look, ladder's legs, caps of
    those who fail margin, deleveraging, seizures, funding) by the scalar rulebook; admission, fills, cancels, opens and
    closes by the kernels.
    """

    BY_COLUMNS = "by columns"
    LIQUIDATIONS_BY_ROW = "liquidations by row"
    BY_ROW = "by row"

    @property
    def liquidates_by_row(self) -> bool:
        """The scalar rulebook decides on liquidations."""
        return self is not Way.BY_COLUMNS

    @property
    def trades_by_row(self) -> bool:
        """No kernel decides on an order, a fill, a cancel, an open or a close."""
        return self is Way.BY_ROW


def in_turn(numbers: NDArray[np.int64], height: int) -> NDArray[np.bool_]:
    """Which of these accounts the scalar rulebook goes through in this block, whatever the columns say of them.

    All of them within 64 blocks; of more than 16,384 not over 512 a block, so it takes longer.
    """
    turns = _TURNS
    while numbers.size > turns * _IN_A_TURN:
        turns *= 2
    return numbers % turns == height % turns
