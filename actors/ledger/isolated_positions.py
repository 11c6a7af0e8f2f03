"""Isolated positions and resting opens of one venue on one shard, as columns with the indices a mark is held against.

Four level indices a market: liquidation, stop loss, take profit, close limit; one more for resting opens. An index asks
"long: mark <= level, short: mark >= level" (TW-06); exits in the direction of profit ask it of the opposite side
(TW-14).
While staging, a row is undone as a whole (row, owners, indices), so the tables inside keep no log of their own.
"""

from typing import NamedTuple, TypeVar

import numpy as np

from actors.ledger.account_marks import Int64Array, Marks
from actors.ledger.row_chains import Chains, RowChains
from actors.ledger.table import Owned, StagingLog, Table, dumped_rows, owned_rows
from actors.risk.liquidation_index import LiquidationIndex
from breakwater.v1 import common_pb2 as common

Key = TypeVar("Key", int, tuple[int, int])

LEVELS = {
    common.ORDER_KIND_STOP_LOSS: ("stop_loss", 1),
    common.ORDER_KIND_TAKE_PROFIT: ("take_profit", -1),
    common.ORDER_KIND_LIMIT: ("close_limit", -1),
}


class Position(NamedTuple):
    """One row: units as in `actors.rulebooks.twilight`; levels are 0 where none is set."""

    account: int
    market: int
    side: int
    entry_ticks: int
    entry_value_atoms: int
    position_size: int
    initial_margin_atoms: int
    margin_held_atoms: int
    leverage_hundredths: int
    maintenance_e9: int
    threshold_ticks: int
    stop_loss: int
    take_profit: int
    close_limit: int


class RestingOpen(NamedTuple):
    """A limit open that waits; its margin is held in the account."""

    account: int
    market: int
    side: int
    limit_ticks: int
    margin_atoms: int
    leverage_hundredths: int


class IsolatedPositions:
    """Rows by position number."""

    def __init__(self, log: StagingLog, marks: Marks, accounts: Table) -> None:
        self._log = log
        self._touched = marks.add
        self._touched_many = marks.add_many
        self._accounts = accounts
        self.table = Table(Position._fields, StagingLog())
        self._chains = RowChains()
        self._liquidation: dict[int, LiquidationIndex] = {}
        self._levels: dict[tuple[int, int], LiquidationIndex] = {}
        self.margin_atoms = 0

    def __contains__(self, position: int) -> bool:
        return position in self.table

    def __len__(self) -> int:
        return len(self.table)

    def numbers(self) -> list[int]:
        """All positions, ascending."""
        return self.table.keys()

    def read(self, position: int) -> Position:
        """The row of a position."""
        return Position(*self.table.row(position))

    def of_account(self, account: int) -> list[int]:
        """Its positions, ascending."""
        return sorted(map(self.table.key_at, self._chains.slots_of(self._accounts.find_slot(account))))

    def chains(self) -> Chains:
        """The rows of every account by the slot of its own, for kernels; valid until a row comes or goes."""
        return self._chains.columns(self._accounts.slots_made)

    def insert(self, position: int, row: Position) -> None:
        """Adds a position and its levels to the indices."""
        self._log.note(self.remove, position)
        slot = self.table.insert(position, *row)
        self._chains.link(self._accounts.slot(row.account), slot)
        self.margin_atoms += row.margin_held_atoms
        self._liquidation_index(row.market).set(slot, row.side, row.threshold_ticks)
        for kind, (name, direction) in LEVELS.items():
            if level := getattr(row, name):
                self._level_index(row.market, kind).set(slot, row.side * direction, level)
        self._touched(row.account)

    def remove(self, position: int) -> Position:
        """Takes a position off the columns and returns its row."""
        row = self.read(position)
        slot = self.table.slot(position)
        self._log.note(self.insert, position, row)
        self._liquidation_index(row.market).clear(slot)
        for kind, (name, _) in LEVELS.items():
            if getattr(row, name):
                self._level_index(row.market, kind).clear(slot)
        self._chains.unlink(self._accounts.slot(row.account), slot)
        self.table.remove(position)
        self.margin_atoms -= row.margin_held_atoms
        self._touched(row.account)
        return row

    def insert_bulk(self, numbers: Int64Array, cells: Int64Array) -> None:
        """`insert` of positions with new numbers; `cells` has a column each, in the order of `Position`."""
        self._log.note(self.remove_bulk, numbers)
        slots = self.table.insert_bulk(numbers, cells)
        columns = dict(zip(Position._fields, cells, strict=True))
        self._chains.link_many(self._accounts.slots_of(columns["account"]), slots)
        self.margin_atoms += sum(columns["margin_held_atoms"].tolist())
        markets, sides = columns["market"], columns["side"]
        for market in np.unique(markets).tolist():
            at = np.flatnonzero(markets == market)
            self._liquidation_index(market).set_many(slots[at], sides[at], columns["threshold_ticks"][at])
            for kind, (name, direction) in LEVELS.items():
                has = at[columns[name][at] != 0]
                if has.size:
                    levels = columns[name][has]
                    self._level_index(market, kind).set_many(slots[has], sides[has] * direction, levels)
        self._touched_many(columns["account"])

    def remove_bulk(self, numbers: Int64Array) -> Int64Array:
        """`remove` of positions, each named once; returns their cells as `insert_bulk` takes them."""
        slots = self.table.slots_of(numbers)
        assert bool((slots >= 0).all()), "a position is not there"
        cells = self.table.whole()[:, slots].copy()
        self._log.note(self.insert_bulk, numbers, cells)
        columns = dict(zip(Position._fields, cells, strict=True))
        markets = columns["market"]
        for market in np.unique(markets).tolist():
            at = markets == market
            self._liquidation_index(market).clear_many(slots[at])
            for kind, (name, _) in LEVELS.items():
                has = at & (columns[name] != 0)
                if has.any():
                    self._level_index(market, kind).clear_many(slots[has])
        self._chains.unlink_many(self._accounts.slots_of(columns["account"]), slots)
        self.table.remove_bulk(numbers)
        self.margin_atoms -= sum(columns["margin_held_atoms"].tolist())
        self._touched_many(columns["account"])
        return cells

    def set_level(self, position: int, kind: "common.OrderKind", level_ticks: int) -> None:
        """Sets, replaces or (0) takes off a level (TW-14)."""
        name, direction = LEVELS[kind]
        row = self.read(position)
        self._log.note(self.set_level, position, kind, getattr(row, name))
        self.table.put(position, name, level_ticks)
        index, slot = self._level_index(row.market, kind), self.table.slot(position)
        if level_ticks:
            index.set(slot, row.side * direction, level_ticks)
        else:
            index.clear(slot)
        self._touched(row.account)

    def liquidatable(self, market: int, mark_ticks: int) -> list[int]:
        """Positions whose threshold the mark meets (TW-10), ascending."""
        return self._keys_at(self._liquidation_index(market).scan(mark_ticks))

    def triggered(self, market: int, kind: "common.OrderKind", mark_ticks: int) -> list[int]:
        """Positions whose level of this kind the mark meets (TW-14), ascending."""
        return self._keys_at(self._level_index(market, kind).scan(mark_ticks))

    def _keys_at(self, slots: np.ndarray) -> list[int]:
        if not len(slots):
            return []
        keys: list[int] = np.sort(self.table.index.keys_at(slots)).tolist()
        return keys

    def of_market(self, market: int) -> tuple[list[int], np.ndarray]:
        """Positions of a market, ascending, and their slots."""
        slots = self.table.slots()
        mine = slots[self.table.column("market")[slots] == market]
        keys: list[int] = self.table.index.keys_at(mine).tolist()
        return keys, mine

    def rewrite(
        self,
        market: int,
        slots: np.ndarray,
        margin_held: np.ndarray,
        maintenance_e9: np.ndarray,
        thresholds: np.ndarray,
    ) -> None:
        """Puts what a funding step changed into the columns and the index; never while staging."""
        table = self.table
        self.margin_atoms += int(margin_held.sum()) - int(table.column("margin_held_atoms")[slots].sum())
        for name, values in (
            ("margin_held_atoms", margin_held),
            ("maintenance_e9", maintenance_e9),
            ("threshold_ticks", thresholds),
        ):
            table.column(name)[slots] = values
        self._liquidation_index(market).set_many(slots, table.column("side")[slots], thresholds)
        self._touched_many(table.column("account")[slots])

    def _liquidation_index(self, market: int) -> LiquidationIndex:
        return _index_of(self._liquidation, market)

    def _level_index(self, market: int, kind: int) -> LiquidationIndex:
        return _index_of(self._levels, (market, kind))

    def dump(self) -> bytes:
        """All rows."""
        return self.table.dump()

    def fill(self, dumped: bytes, owned: Owned) -> None:
        """Takes the owned rows of a dump."""
        self.insert_bulk(*owned_rows(dumped, len(Position._fields), owned))


class RestingOpens:
    """Rows by order number."""

    def __init__(self, log: StagingLog, marks: Marks, accounts: Table) -> None:
        self._log = log
        self._touched = marks.add
        self._accounts = accounts
        self.table = Table(RestingOpen._fields, StagingLog())
        self._chains = RowChains()
        self._limits: dict[int, LiquidationIndex] = {}

    def __contains__(self, order: int) -> bool:
        return order in self.table

    def read(self, order: int) -> RestingOpen:
        """The row of an order."""
        return RestingOpen(*self.table.row(order))

    def of_account(self, account: int) -> list[int]:
        """Its orders, ascending."""
        return sorted(map(self.table.key_at, self._chains.slots_of(self._accounts.find_slot(account))))

    def chains(self) -> Chains:
        """The rows of every account by the slot of its own, for kernels; valid until a row comes or goes."""
        return self._chains.columns(self._accounts.slots_made)

    def insert(self, order: int, row: RestingOpen) -> None:
        """Lets an order rest."""
        self._log.note(self.remove, order)
        slot = self.table.insert(order, *row)
        self._chains.link(self._accounts.slot(row.account), slot)
        _index_of(self._limits, row.market).set(slot, row.side, row.limit_ticks)
        self._touched(row.account)

    def remove(self, order: int) -> RestingOpen:
        """Takes an order out and returns its row."""
        row = self.read(order)
        self._log.note(self.insert, order, row)
        slot = self.table.slot(order)
        self._limits[row.market].clear(slot)
        self._chains.unlink(self._accounts.slot(row.account), slot)
        self.table.remove(order)
        self._touched(row.account)
        return row

    def triggered(self, market: int, mark_ticks: int) -> list[int]:
        """Orders whose limit the mark meets (TW-14), by (limit, order): TW-13."""
        if market not in self._limits:
            return []
        met = [self.table.key_at(slot) for slot in self._limits[market].scan(mark_ticks).tolist()]
        return sorted(met, key=lambda order: (self.table.get(order, "limit_ticks"), order))

    def dump(self) -> bytes:
        """All rows."""
        return self.table.dump()

    def fill(self, dumped: bytes, owned: Owned) -> None:
        """Takes the owned rows of a dump."""
        for order, row in dumped_rows(dumped, len(RestingOpen._fields), owned):
            self.insert(order, RestingOpen(*row))


def _index_of(indices: dict[Key, LiquidationIndex], key: Key) -> LiquidationIndex:
    """The index of a key, made the first time it is asked for."""
    if key not in indices:
        indices[key] = LiquidationIndex()
    return indices[key]
