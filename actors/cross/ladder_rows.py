"""What a shard remembers of the ladder, an account a row: cooldown and pair of its last partial, the last act (MT-12).

A row is there while it says something: a cooldown that runs, an act of this block, a wait for a market.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from actors.cross.book import LADDER_COLUMNS, CrossBook
from actors.rulebooks.margin_trade import PartialMemory


class LadderRow(NamedTuple):
    """One row; an account without one has zeros."""

    account: int
    cooldown_until_ms: int = 0
    kept_equity: int = 0
    kept_maintenance: int = 0
    acted_height: int = 0
    waiting: int = 0
    partial_pending: int = 0
    acted_rung: int = 0

    @property
    def partial(self) -> PartialMemory | None:
        """The last partial, if its cooldown may still run."""
        if not self.cooldown_until_ms:
            return None
        return PartialMemory(self.cooldown_until_ms, self.kept_equity, self.kept_maintenance)


assert LadderRow._fields == LADDER_COLUMNS, "rows are read as they are stored"
# Cells that keep a row: cooldown, act, wait, partial.
_SAY_SOMETHING = [
    LADDER_COLUMNS.index(name) for name in ("cooldown_until_ms", "acted_height", "waiting", "partial_pending")
]


def read_rows(book: CrossBook) -> dict[int, LadderRow]:
    """All rows by account, ascending."""
    if not len(book.ladder):
        return {}
    slots = book.ladder.slots()
    columns = np.array([book.ladder.column(name)[slots] for name in LADDER_COLUMNS])
    return {row[0]: LadderRow(*row) for row in columns.T.tolist()}


def write_rows(book: CrossBook, rows: Sequence[LadderRow]) -> None:
    """Puts each row in place of its account's old one, an account named once; one that says nothing goes."""
    if not rows:
        return
    ladder = book.ladder
    cells = np.array(rows, dtype=np.int64).T
    accounts = cells[0]
    slots = ladder.slots_of(accounts)
    is_known, says_something = slots >= 0, cells[_SAY_SOMETHING].any(axis=0)
    stays = is_known & says_something
    ladder.keep_for_undo(slots[stays])
    ladder.whole()[:, slots[stays]] = cells[:, stays]
    ladder.remove_bulk(accounts[is_known & ~says_something])
    is_new = ~is_known & says_something
    ladder.insert_bulk(accounts[is_new], cells[:, is_new])
    book.touch_many(accounts)


def refreshed(row: LadderRow, height: int, now_ms: int) -> LadderRow:
    """The row without an act of an earlier block and without a cooldown that is over."""
    if row.acted_height and row.acted_height != height:
        row = row._replace(acted_height=0, acted_rung=0)
    if row.cooldown_until_ms and row.cooldown_until_ms <= now_ms:
        row = row._replace(cooldown_until_ms=0, kept_equity=0, kept_maintenance=0)
    return row
