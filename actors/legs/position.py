"""The compiled twin of `actors.orders.moves.position_after`."""

import numpy as np

from actors.compiling import inlined
from actors.units_kernels import mul_div_ceil, mul_div_floor


@inlined
def position_after(
    lots: np.int64, cost_atoms: np.int64, moved_lots: np.int64, quote_atoms: np.int64
) -> tuple[np.int64, np.int64, np.int64]:
    """(lots, cost, realised) after moving by lots at one price: it closes first, then opens.

    Released cost is rounded down and the last lot releases what is left. AssertionError where a move that turns the
    position is not at one price.
    """
    if (lots >= 0 and moved_lots >= 0) or (lots <= 0 and moved_lots <= 0):
        return lots + moved_lots, cost_atoms + quote_atoms, np.int64(0)
    held, moved = abs(lots), abs(moved_lots)
    if moved <= held:
        released = cost_atoms if moved == held else mul_div_floor(cost_atoms, moved, held)
        return lots + moved_lots, cost_atoms - released, -quote_atoms - released
    closing_quote = mul_div_floor(quote_atoms, held, moved)
    assert closing_quote == mul_div_ceil(quote_atoms, held, moved), "a move that turns a position is not at one price"
    return lots + moved_lots, quote_atoms - closing_quote, -closing_quote - cost_atoms
