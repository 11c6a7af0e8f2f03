"""Which cross accounts a scan has to look at: zones of 1,024 accounts that a small enough move of marks cannot break.

A full look at a zone finds its accounts below maintenance, which from then on are looked at one by one, and for all
others the relative move of marks they certainly survive (`survivable_move_ppm`). The least of them spans a range of
marks around each mark; while every mark stays in it and no account of the zone changed, nobody there can be below.
An account that changed is looked at alone and narrows its zone's ranges to what it survives itself. What a scan
answers does not depend on any of this: every account below is in it, with exact numbers.
"""

from collections.abc import Callable, Iterable

import numpy as np

from actors.risk.cross_scan import (
    MOVE_CAP_PPM,
    SUMS,
    ZONE_BITS,
    ZONE_SLOTS,
    BoolArray,
    Int64Array,
    MarketAtMark,
    MarketColumns,
    PositionColumns,
    add_positions,
    judge_zones,
    market_columns,
    standing_of,
    survivable_move_ppm,
)
from actors.units import PPM

# Beyond one account in so many positions, reading whole columns is cheaper than looking accounts up.
POSITIONS_PER_SINGLE = 512

# Slot of the account, equity, maintenance margin.
Below = tuple[int, int, int]


class SlackZones:
    """The ranges of marks of one book, and the accounts that must be looked at by themselves."""

    def __init__(self) -> None:
        self._changed: set[int] = set()
        self._below: set[int] = set()
        self._lowest: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._highest: Int64Array = np.empty((0, 0), dtype=np.int64)
        self._sums: Int64Array = np.empty((0, SUMS), dtype=np.int64)
        self._markets: MarketColumns | None = None
        self._listed: dict[int, MarketAtMark] = {}
        self._columns = market_columns({})
        self.zones_read = 0

    def touch(self, slot: int) -> None:
        """Cash or positions of the account in this slot changed."""
        self._changed.add(slot)

    def columns_of(self, listed: dict[int, MarketAtMark]) -> MarketColumns:
        """`market_columns`, made anew only where something differs from the last time."""
        if listed != self._listed:
            self._listed, self._columns = listed, market_columns(listed)
        return self._columns

    def scan(
        self,
        cash_atoms: Int64Array,
        positions: PositionColumns,
        markets: MarketColumns,
        rows_of: Callable[[int], Iterable[int]],
    ) -> list[Below]:
        """Every account with equity < MM, by slot; `rows_of` gives the rows of `positions` of an account.

        `zones_read` is how many zones were looked at as a whole. Nothing may be staged that is undone without a touch.
        """
        accounts = cash_atoms.size
        stale = self._stale_zones(accounts, markets)
        self._markets = markets
        single = {slot for slot in self._changed | self._below if not stale[slot >> ZONE_BITS]}
        if len(single) * POSITIONS_PER_SINGLE > positions.lots.size:
            stale[[slot >> ZONE_BITS for slot in single]] = True
            single = set()
        self._changed.clear()
        self._below = {slot for slot in self._below if not stale[slot >> ZONE_BITS]} - single
        found = [*self._read_zones(stale, cash_atoms, positions, markets)]
        found += self._read_singles(sorted(single), cash_atoms, positions, markets, rows_of)
        self._below.update(slot for slot, _, _ in found)
        return sorted(found)

    def _stale_zones(self, accounts: int, markets: MarketColumns) -> BoolArray:
        """Zones whose ranges some mark has left; all of them where markets changed otherwise than by their marks."""
        zones = -(-accounts // ZONE_SLOTS)
        if self._markets is None or not markets.same_rules(self._markets):
            self._lowest = np.full((zones, markets.marks.size), 1, dtype=np.int64)
            self._highest = np.zeros((zones, markets.marks.size), dtype=np.int64)
        elif zones > self._lowest.shape[0]:
            added = (zones - self._lowest.shape[0], markets.marks.size)
            self._lowest = np.concatenate([self._lowest, np.full(added, 1, dtype=np.int64)])
            self._highest = np.concatenate([self._highest, np.zeros(added, dtype=np.int64)])
        if self._sums.shape[0] < zones * ZONE_SLOTS:
            self._sums = np.zeros((zones * ZONE_SLOTS, SUMS), dtype=np.int64)
        return np.any((markets.marks < self._lowest) | (markets.marks > self._highest), axis=1)

    def _read_zones(
        self, stale: BoolArray, cash_atoms: Int64Array, positions: PositionColumns, markets: MarketColumns
    ) -> list[Below]:
        zones = np.flatnonzero(stale)
        self.zones_read = zones.size
        if not zones.size:
            return []
        add_positions(positions, markets, stale, self._sums)
        below = np.empty((zones.size * ZONE_SLOTS, 3), dtype=np.int64)
        moves_ppm = np.empty(zones.size, dtype=np.int64)
        found = judge_zones(zones, cash_atoms.size, cash_atoms, markets.rate_shift, self._sums, moves_ppm, below)
        self._lowest[zones], self._highest[zones] = _ranges(moves_ppm, markets.marks)
        return [(slot, equity, maintenance) for slot, equity, maintenance in below[:found].tolist()]

    def _read_singles(
        self,
        slots: list[int],
        cash_atoms: Int64Array,
        positions: PositionColumns,
        markets: MarketColumns,
        rows_of: Callable[[int], Iterable[int]],
    ) -> list[Below]:
        """Looks at each of these accounts alone, and narrows its zone's ranges to what it survives."""
        if not slots:
            return []
        rows = [list(rows_of(slot)) for slot in slots]
        held = positions.rows(np.array([row for own in rows for row in own], dtype=np.int64))
        owner = np.repeat(np.arange(len(slots), dtype=np.int64), [len(own) for own in rows])
        standing = standing_of(cash_atoms[slots], held._replace(owner=owner), markets)
        zones, moves_ppm, found = [], [], []
        for slot, equity, maintenance, gross, count in zip(slots, *(c.tolist() for c in standing), strict=True):
            if equity < maintenance:
                found.append((slot, equity, maintenance))
                continue
            zones.append(slot >> ZONE_BITS)
            moves_ppm.append(survivable_move_ppm(equity, maintenance, gross, count, markets.rate_shift, MOVE_CAP_PPM))
        lowest, highest = _ranges(np.array(moves_ppm, dtype=np.int64), markets.marks)
        np.maximum.at(self._lowest, zones, lowest)
        np.minimum.at(self._highest, zones, highest)
        return found


def _ranges(moves_ppm: Int64Array, marks: Int64Array) -> tuple[Int64Array, Int64Array]:
    """(lowest, highest) marks within each move, one row a move: |m' - m| * 10**6 <= move * m, in whole ticks."""
    widths = moves_ppm[:, None] * marks // PPM
    return marks - widths, marks + widths
