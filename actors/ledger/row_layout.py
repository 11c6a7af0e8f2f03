"""Where a kind of position row keeps what legs and orders change, for kernels that serve every kind."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

NO_CELL: Final = -1


class Layout(NamedTuple):
    """Places of cells; -1 where a row keeps no such thing.

    buys, sells: lots of a side's resting orders, then their value. buy_adverse, sell_adverse: what filling them would
    lose at the mark. keeps: what, beside lots and resting orders, keeps a row. paid: the funding index paid up to.
    tried: the block in which a ladder's order was not filled whole.
    """

    buys: int
    sells: int
    buy_adverse: int
    sell_adverse: int
    resting: int
    reduce_only: int
    keeps: int
    paid: int
    tried: int


def layout_of(kind: Any, keeps: Sequence[str]) -> Layout:
    """The layout of a kind of row, a NamedTuple; `keeps` are the cells that keep one."""
    fields = kind._fields

    def place(name: str) -> int:
        return fields.index(name) if name in fields else NO_CELL

    (other,) = (name for name in keeps if name not in ("lots", "resting"))
    named = ("buy_lots", "sell_lots", "buy_adverse", "sell_adverse", "resting", "reduce_only")
    return Layout._make(map(place, (*named, other, "paid_e9", "tried_height")))
