"""Invariants 7 and 8 of a Margin Trade venue: after the ladder nobody is below zero, nobody below a rung was left.

By the kernel over all accounts at once, whatever rulebook the replica decides by.
"""

from collections.abc import Iterable

import numpy as np

from actors.cross.book import CrossBook
from actors.cross.ladder_rows import LadderRow, read_rows
from actors.cross.scan import rung_of
from actors.cross.standings import columns_of_markets, position_columns
from actors.risk.cross_scan import standing_of
from actors.rulebooks.margin_trade import Rung


def nobody_left(book: CrossBook, queued: frozenset[tuple[int, int]]) -> list[str]:
    """Who is below a rung though nothing accounts for it; `queued`: (venue, account) of those the block says wait.

    Rung 2 and the vault (so everybody below zero): queued, or waiting for a market. Rung 1 also: in a cooldown, or
    acted on in this block and what is left waits for the next (MT-12).
    """
    below = _below(book)
    if not below:
        return []
    memory = read_rows(book)
    faults = []
    for account, equity, maintenance in below:
        row = memory.get(account, LadderRow(account))
        rung = rung_of(book, account, equity, maintenance)
        excused = (
            (book.venue, account) in queued or row.waiting or (rung == Rung.LIQUIDATABLE and _is_in_turn(book, row))
        )
        if not excused:
            faults.append(
                f"venue {book.venue} account {account} is on rung {rung} and was left: "
                f"equity {equity}, maintenance {maintenance}"
            )
    return faults


def _is_in_turn(book: CrossBook, row: LadderRow) -> bool:
    return row.acted_height == book.height or row.cooldown_until_ms > book.block_time_ms


def _below(book: CrossBook) -> Iterable[tuple[int, int, int]]:
    """(account, equity, maintenance) of everybody with equity < MM, by account, atoms."""
    accounts = book.accounts.table
    cash = accounts.column("free")[: accounts.slots_made]
    standing = standing_of(cash, position_columns(book), columns_of_markets(book))
    slots = np.flatnonzero(standing.equity_atoms < standing.maintenance_atoms).tolist()
    return sorted(
        (accounts.key_at(slot), int(standing.equity_atoms[slot]), int(standing.maintenance_atoms[slot]))
        for slot in slots
    )
