"""Positions of one venue with order books on one shard, as columns: one row an account and market.

Beside the position itself a row keeps sums over the account's resting orders in the market, so that requirements and
scans read columns and no order. A free slot is all zero but for its keys: kernels may run over every slot.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from actors.compiling import inlined
from actors.fetching import LINE_BYTES, fetch
from actors.ledger.account_marks import Marks, ascending
from actors.ledger.hot_table import HotTable
from actors.ledger.row_chains import Chains, RowChains
from actors.ledger.row_layout import layout_of
from actors.ledger.table import Owned, StagingLog, Table, owned_rows

MARKET_BITS = 16
_MARKET_MASK = (1 << MARKET_BITS) - 1
# Places of cells in every kind of row; account and market come first, the slot of the account's row last.
LOTS, COST = 2, 3

# The kind of row: a NamedTuple that begins account, market, lots, cost, has `resting` and `reduce_only`, and ends with
# `owner_slot`.
R = TypeVar("R", bound=tuple[int, ...])


@inlined
def fetch_position(positions: np.ndarray, slot: np.int64) -> None:
    """Asks for the memory of a row, of all columns over all slots; without one (-1) for what lies before the first."""
    begin = slot * positions.strides[1]
    fetch(positions, begin)
    fetch(positions, begin + LINE_BYTES)
    fetch(positions, begin + positions.strides[1] - 1)


@dataclass(slots=True)
class MarketInterest:
    """Lots of all positions of a market by side, both unsigned."""

    long_lots: int = 0
    short_lots: int = 0


class PositionRows(Generic[R]):
    """Rows keyed `account << 16 | market`; one stays while a cell of `keeps` is not 0. A snapshot keeps `kept_columns`
    leading columns; the rest follows from the orders, the accounts and the block.
    """

    def __init__(
        self,
        kind: Any,
        keeps: Sequence[str],
        kept_columns: int,
        log: StagingLog,
        marks: Marks,
        accounts: Table,
    ) -> None:
        self._kind = kind
        self._log = log
        self._noted = log.noted()
        self._touched = marks.add
        self._touched_many = marks.add_many
        self._accounts = accounts
        self._resting = kind._fields.index("resting")
        self._reduce_only = kind._fields.index("reduce_only")
        self._keeps = tuple(kind._fields.index(name) for name in keeps)
        self._kept_columns = kept_columns
        self.layout = layout_of(kind, keeps)
        self.table = HotTable(kind._fields, log, named=2)
        self._chains = RowChains()
        self.interest: dict[int, MarketInterest] = {}
        self.cost_atoms = 0
        self.open_count = 0

    @staticmethod
    def key(account: int, market: int) -> int:
        """The row's key."""
        assert 0 <= market <= _MARKET_MASK, f"market {market} does not fit a key"
        return account << MARKET_BITS | market

    def has(self, account: int, market: int) -> bool:
        """There is a row."""
        return self.key(account, market) in self.table

    def of_account(self, account: int) -> list[int]:
        """Markets in which the account has a row, ascending."""
        key_at = self.table.key_at
        slots = self._chains.slots_of(self._accounts.find_slot(account))
        return sorted([key_at(slot) & _MARKET_MASK for slot in slots])

    def chains(self) -> Chains:
        """The rows of every account by the slot of its own, for kernels; valid until a row comes or goes."""
        return self._chains.columns(self._accounts.slots_made)

    def read(self, account: int, market: int) -> R:
        """The row; an empty one where there is none."""
        key = account << MARKET_BITS | market
        row: R = self._kind._make(self.table.cells(key)) if key in self.table else self._kind(account, market)
        return row

    def position(self, account: int, market: int) -> tuple[int, int]:
        """(lots, cost), both 0 without a row."""
        key = account << MARKET_BITS | market
        if key not in self.table:
            return 0, 0
        row = self.table.cells(key)
        return row[LOTS], row[COST]

    def lots(self, account: int, market: int) -> int:
        """The signed lots, 0 without a row."""
        return self.get(account, market, "lots")

    def get(self, account: int, market: int, column: str) -> int:
        """One cell, 0 without a row."""
        key = self.key(account, market)
        return self.table.get(key, column) if key in self.table else 0

    def put(self, account: int, market: int, column: str, value: int) -> None:
        """Overwrites one cell of a row that is there; lots and cost go through `move`."""
        assert column not in ("lots", "cost"), f"{column} is moved, not put"
        self.table.put(self.key(account, market), column, value)
        self._touch(account)

    def add(self, account: int, market: int, column: str, delta: int) -> int:
        """Adds to one cell of a row that is there and returns the new value; lots and cost go through `move`."""
        value = self.get(account, market, column) + delta
        self.put(account, market, column, value)
        return value

    def count_reduce_only(self, account: int, market: int, step: int) -> None:
        """So many reduce-only orders more rest in a row that is there."""
        row = self.table.changing(account << MARKET_BITS | market)
        row[self._resting] += step
        row[self._reduce_only] += step

    def move(self, account: int, market: int, lots: int, cost: int) -> None:
        """The position becomes (lots, cost); makes the row where there is none, drops it where nothing is left."""
        row = self.table.changing(self.ensure(account, market))
        lots_before, cost_before = row[LOTS], row[COST]
        row[LOTS], row[COST] = lots, cost
        self._move_totals(market, lots_before, lots, cost - cost_before)
        self._log.note(self._move_totals, market, lots, lots_before, cost_before - cost)
        self._touch(account)
        if not lots:
            self.drop_if_empty(account, market)

    def ensure(self, account: int, market: int) -> int:
        """Makes an empty row where there is none; returns its key."""
        key = account << MARKET_BITS | market
        if key not in self.table:
            assert 0 <= market <= _MARKET_MASK, f"market {market} does not fit a key"
            owner_slot = self._accounts.slot(account)
            slot = self.table.insert(key, *self._kind(account, market, owner_slot=owner_slot))
            self._chains.link(owner_slot, slot)
            if self._log.is_open:
                self._log.note(self._unlink, key)
            self._touch(account)
        return key

    def drop_if_empty(self, account: int, market: int) -> None:
        """Removes a row that nothing keeps."""
        key = account << MARKET_BITS | market
        if key not in self.table:
            return
        row = self.table.cells(key)
        for place in self._keeps:
            if row[place]:
                return
        assert not any(row[LOTS : self._reduce_only + 1]), f"an empty row keeps something: {row}"
        self._unlink(key)
        self._log.note(self._link, key)
        self.table.remove(key)
        self._touch(account)

    def _link(self, key: int) -> None:
        self._chains.link(self.table.cells(key)[-1], self.table.slot(key))

    def _unlink(self, key: int) -> None:
        self._chains.unlink(self.table.cells(key)[-1], self.table.slot(key))

    def ensure_bulk(self, keys: np.ndarray) -> np.ndarray:
        """`ensure` for keys that may repeat; returns the slot of each."""
        slots, is_new = self.table.ensure_bulk(keys)
        if is_new.any():
            made, at = keys[is_new], slots[is_new]
            accounts, cells = made >> MARKET_BITS, self.table.whole()
            owners = self._accounts.slots_of(accounts)
            cells[0, at], cells[1, at], cells[-1, at] = accounts, made & _MARKET_MASK, owners
            self._chains.link_many(owners, at)
            self._log.note(self._unlink_bulk, made)
            self._touch_bulk(accounts)
        return slots

    def drop_empty_bulk(self, keys: np.ndarray) -> None:
        """Removes those rows of these that nothing keeps; a key may repeat, and have no row."""
        keys = ascending(keys)
        slots, cells = self.table.slots_of(keys), self.table.whole()
        at = np.flatnonzero(slots >= 0)
        kept = (cells[np.array(self._keeps)[:, None], slots[at]] != 0).any(axis=0)
        gone = at[~kept]
        if gone.size:
            rows, empty = cells[:, slots[gone]], keys[gone]
            assert not rows[LOTS : self._reduce_only + 1].any(), "an empty row keeps something"
            self._unlink_bulk(empty)
            self._log.note(self._link_bulk, empty)
            self.table.remove_bulk(empty)
            self._touch_bulk(rows[0])

    def moved_bulk(
        self,
        accounts: np.ndarray,
        markets: np.ndarray,
        long_lots: np.ndarray,
        short_lots: np.ndarray,
        open_count: int,
        cost_atoms: int,
    ) -> None:
        """Takes account of lots and costs that were written in the columns: who is touched, and by how much the totals
        rose, of each of these markets and of all. Accounts may repeat.
        """
        self._add_totals(markets, long_lots, short_lots, open_count, cost_atoms)
        self._log.note(self._add_totals, markets, -long_lots, -short_lots, -open_count, -cost_atoms)
        self._touch_bulk(accounts)

    def _add_totals(
        self, markets: np.ndarray, long_lots: np.ndarray, short_lots: np.ndarray, open_count: int, cost_atoms: int
    ) -> None:
        for market, longs, shorts in zip(markets.tolist(), long_lots.tolist(), short_lots.tolist(), strict=True):
            interest = self.interest.setdefault(market, MarketInterest())
            interest.long_lots += longs
            interest.short_lots += shorts
        self.open_count += open_count
        self.cost_atoms += cost_atoms

    def _link_bulk(self, keys: np.ndarray) -> None:
        slots = self.table.slots_of(keys)
        self._chains.link_many(self.table.whole()[-1, slots], slots)

    def _unlink_bulk(self, keys: np.ndarray) -> None:
        slots = self.table.slots_of(keys)
        self._chains.unlink_many(self.table.whole()[-1, slots], slots)

    def _touch_bulk(self, accounts: np.ndarray) -> None:
        self._log.note(self._touched_many, accounts)
        self._touched_many(accounts)

    def _move_totals(self, market: int, lots_before: int, lots: int, cost_delta: int) -> None:
        interest = self.interest.get(market)
        if interest is None:
            interest = self.interest[market] = MarketInterest()
        interest.long_lots += (lots if lots > 0 else 0) - (lots_before if lots_before > 0 else 0)
        interest.short_lots += (-lots if lots < 0 else 0) - (-lots_before if lots_before < 0 else 0)
        self.open_count += (lots != 0) - (lots_before != 0)
        self.cost_atoms += cost_delta

    def _touch(self, account: int) -> None:
        if self._log.is_open and account not in self._noted:
            self._noted.add(account)
            self._log.note(self._touched, account)
        self._touched(account)

    def dumped_bytes(self) -> int:
        """How long `dump` is."""
        return self.table.dumped_bytes(self._kept_columns)

    def dump(self) -> bytes:
        """What a snapshot keeps of all rows."""
        return self.table.dump(self._kept_columns)

    def fill(self, dumped: bytes, owned: Owned) -> None:
        """Takes the owned rows of a dump, after their accounts; the sums come back with the orders."""
        keys, kept = owned_rows(dumped, self._kept_columns, owned)
        accounts, markets = kept[0], kept[1]
        is_named = (accounts << MARKET_BITS | markets == keys) & (markets >= 0) & (markets <= _MARKET_MASK)
        assert bool(is_named.all()), "a row is not that of its account and market"
        cells = np.zeros((len(self.table.columns), keys.size), dtype=np.int64)
        cells[: self._kept_columns] = kept
        cells[-1] = self._accounts.slots_of(accounts)
        assert bool((cells[-1] >= 0).all()), "a row is not that of an account"
        self._chains.link_many(cells[-1], self.table.insert_bulk(keys, cells))
        lots, opened = kept[LOTS], int(np.count_nonzero(kept[LOTS]))
        listed = np.unique(markets[lots != 0])
        longs, shorts = (
            np.array([np.maximum(sign * lots[markets == market], 0).sum() for market in listed], dtype=np.int64)
            for sign in (1, -1)
        )
        self._add_totals(listed, longs, shorts, opened, sum(kept[COST].tolist()))
