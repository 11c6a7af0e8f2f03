"""Every account of a venue as bots see it: absolute rows, the newest of a key stands, in columns scanned whole.

A row is an account in a market; market 0 is the account's cash (Spin). What the version desk tells (Perennial, kind -1:
pending fees and lock) stands in columns of its own beside the position's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from breakwater.v1 import batches_pb2, common_pb2
from node.bots.intents import Feed

CASH_MARKET: Final = 0
_DESK_KIND: Final = -1
_FIRST_SLOTS: Final = 1_024
_COLUMNS: Final = ("holder", "place", "kind", "lots", "cost", "basis", "fees", "lock")


class StandingRow(NamedTuple):
    """One account in one market; cost is cash (market 0), what lots cost (Spin) or collateral (Perennial), in atoms."""

    market: int
    kind: int
    lots: int
    cost_atoms: int
    basis: int
    fee_atoms: int
    lock_ms: int


class StandingTable:
    """Rows by (account, market), marks and version records; what changed since somebody last looked."""

    def __init__(self) -> None:
        """Empty."""
        self.height = 0
        self.block_time_ms = 0
        self.marks: dict[int, common_pb2.Mark] = {}
        self.versions: dict[int, batches_pb2.VersionRecord] = {}
        self.changed: set[int] = set()
        self.has_moved = False
        self._clear()

    def begin(self, listing: Feed) -> None:
        """Replaces everything by a listing."""
        self._clear()
        self.height, self.block_time_ms = 0, 0
        self.marks.clear()
        self.versions.clear()
        self.take(listing)
        self.has_moved = True

    def take(self, feed: Feed) -> bool:
        """Brings the table to a block; False, without any effect, where it is there already."""
        if self.height and feed.height <= self.height:
            return False
        self.height, self.block_time_ms = feed.height, feed.block_time_ms
        self.put(feed.rows)
        for mark in feed.marks:
            if _said(self.marks.get(mark.market)) != _said(mark):
                self.has_moved = True
            self.marks[mark.market] = mark
        for record in feed.versions:
            if self.versions.get(record.market) != record:
                self.versions[record.market] = record
                self.has_moved = True
        return True

    def put(self, rows: batches_pb2.StandingRows) -> None:
        """Rows as of now, whichever block told them."""
        columns = (rows.account, rows.market, rows.kind, rows.lots, rows.cost_atoms, rows.basis)
        for account, market, kind, lots, cost, basis in zip(*(list(column) for column in columns), strict=True):
            slot = self._slot(account, market)
            if kind == _DESK_KIND:
                self.fees[slot], self.lock[slot] = cost, basis
            else:
                self.kind[slot], self.lots[slot], self.cost[slot], self.basis[slot] = kind, lots, cost, basis
            self.changed.add(account)

    def drain(self) -> tuple[set[int], bool]:
        """Accounts whose rows changed and whether a mark or a version did, since the last call."""
        changed, moved = self.changed, self.has_moved
        self.changed, self.has_moved = set(), False
        return changed, moved

    def knows(self, account: int) -> bool:
        """Whether a row of the account was ever told."""
        return account in self._slots_of

    def rows_of(self, account: int) -> Iterator[StandingRow]:
        """The account's rows by market, those that say nothing left out."""
        for market, slot in sorted(self._slots_of.get(account, {}).items()):
            values = (self.kind, self.lots, self.cost, self.basis, self.fees, self.lock)
            row = StandingRow(market, *(int(column[slot]) for column in values))
            if any(row[2:]):
                yield row

    @property
    def rows(self) -> int:
        """How many rows the columns hold; what lies behind them is not in use."""
        return self._used

    @property
    def accounts(self) -> np.ndarray:
        """Account by holder index."""
        return np.asarray(self._accounts, dtype=np.int64)

    def column(self, name: str) -> np.ndarray:
        """The rows in use of one column."""
        values: np.ndarray = getattr(self, name)
        return values[: self._used]

    def _slot(self, account: int, market: int) -> int:
        slots = self._slots_of.get(account)
        if slots is None:
            slots = self._slots_of[account] = {}
            self._holders[account] = len(self._accounts)
            self._accounts.append(account)
        slot = slots.get(market)
        if slot is None:
            slot = slots[market] = self._used
            if slot == len(self.lots):
                self._grow()
            self._used += 1
            self.holder[slot], self.place[slot] = self._holders[account], self._place(market)
        return slot

    def _place(self, market: int) -> int:
        if market not in self._places:
            self._places[market] = len(self.markets)
            self.markets.append(market)
        return self._places[market]

    def _grow(self) -> None:
        for name in _COLUMNS:
            values: np.ndarray = getattr(self, name)
            setattr(self, name, np.concatenate((values, np.zeros_like(values))))

    def _clear(self) -> None:
        self._used = 0
        self._accounts: list[int] = []
        self._holders: dict[int, int] = {}
        self._slots_of: dict[int, dict[int, int]] = {}
        # Market by place: numbers of markets may be large, places are few. Place 0 is the cash.
        self.markets = [CASH_MARKET]
        self._places = {CASH_MARKET: 0}
        self.changed = set()
        self.has_moved = False
        self.holder, self.place, self.kind, self.lots, self.cost, self.basis, self.fees, self.lock = (
            np.zeros(_FIRST_SLOTS, dtype=np.int64) for _ in _COLUMNS
        )


def _said(mark: common_pb2.Mark | None) -> tuple[int, ...] | None:
    """What of a mark moves anybody's equity: not its age."""
    return None if mark is None else (mark.mark_ticks, mark.state, mark.funding_index_e9)
